//! Detects trades on Osmosis: swaps through its pool manager, read from any CometBFT node over plain HTTP.
//!
//! This is the worked example of `plugins/README.md`. A scan runs through the modules in this order: [`node`] fetches blocks,
//! [`swaps`] reads the events of a transaction, [`trades`] makes one user-level trade of its hops. [`time`] parses the
//! node's times, [`settings`] has the chain file's settings.

mod settings;
mod time;
mod node;
mod swaps;
mod trades;

use chain_plugin_sdk::{BlockId, Context, Description, Failure, Host, Plugin, Scanned, Span, Tip};
use settings::Settings;

/// The plugin.
pub struct Osmosis;

/// The most heights in one scan: each costs two requests.
const MAX_SPAN_HEIGHTS: u64 = 50;

impl Plugin for Osmosis {
    fn describe() -> Description {
        Description {
            id: "osmosis".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: settings::SETTINGS_SCHEMA.to_owned(),
            synthetic: false,
            attributes: vec![],
        }
    }

    fn widest_span() -> u64 {
        MAX_SPAN_HEIGHTS
    }

    fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure> {
        Settings::read(&context.settings)?;
        let status = node::status(host)?;
        let latest = BlockId { height: status.height, hash: status.hash };
        // A committed block of CometBFT is final.
        let finalized = Some(latest.clone());
        Ok(Tip { network: format!("cosmos:{}", status.network), latest, finalized, attributes: vec![] })
    }

    fn scan(host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure> {
        if span.last - span.first >= MAX_SPAN_HEIGHTS {
            return Err(Failure::SpanTooWide(MAX_SPAN_HEIGHTS));
        }
        let settings = Settings::read(&context.settings)?;
        let blocks = node::blocks(host, span)?;
        let blocks =
            blocks.into_iter().map(|block| trades::block_with_trades(block, &settings)).collect::<Result<_, _>>()?;
        Ok(Scanned { blocks, through: span.last })
    }
}

chain_plugin_sdk::plugin!(Osmosis);

#[cfg(test)]
mod tests {
    use super::*;
    use chain_plugin_sdk::amount::from_uint256;
    use chain_plugin_sdk::replay::Replay;
    use ruint::aliases::U256;

    const SWAPS_CASSETTE: &str = include_str!("../cassettes/swaps.cassette.json");

    #[test]
    fn hops_are_one_trade_and_a_failed_transaction_is_none() {
        let mut host = Replay::parse(SWAPS_CASSETTE).unwrap();
        let (context, span) = (host.context(), host.span());
        let scanned = Osmosis::scan(&mut host, &context, span).unwrap();
        assert_eq!((scanned.blocks.len(), scanned.through), (2, 1002));
        let block = &scanned.blocks[0];
        assert_eq!(block.parent.as_ref().unwrap().height, 1000);
        assert_eq!(block.timestamp_ms, 1_700_000_000_123);
        let [direct, hops] = &block.trades[..] else { unreachable!("{:?}", block.trades) };
        assert_eq!((direct.sold.asset.as_str(), direct.legs.len()), ("uosmo", 1));
        assert_eq!(from_uint256(direct.sold.raw), U256::from(2_500_000));
        assert_eq!((hops.legs.len(), hops.bought.symbol.as_deref()), (2, Some("USDC")));
        assert_eq!(hops.valuation.as_ref().unwrap().source, "stable-leg");
        assert_eq!(scanned.blocks[1].trades, [], "the only transaction of the second block failed");
        assert_eq!(scanned.blocks[1].parent.as_ref().unwrap().hash, block.hash);
    }

    #[test]
    fn two_routes_of_one_message_are_one_trade() {
        let mut host = Replay::parse(include_str!("../cassettes/split.cassette.json")).unwrap();
        let (context, span) = (host.context(), host.span());
        let scanned = Osmosis::scan(&mut host, &context, span).unwrap();
        let [trade] = &scanned.blocks[0].trades[..] else { unreachable!("{:?}", scanned.blocks) };
        assert_eq!(trade.legs.len(), 3);
        assert_eq!(from_uint256(trade.sold.raw), U256::from(3_000_000));
        assert_eq!(from_uint256(trade.bought.raw), U256::from(359_000));
    }

    #[test]
    fn a_node_that_omits_results_is_charged() {
        let short = SWAPS_CASSETTE.replace("txs_results", "unused");
        let mut host = Replay::parse(&short).unwrap();
        let (context, span) = (host.context(), host.span());
        let failure = Osmosis::scan(&mut host, &context, span).unwrap_err();
        assert!(matches!(&failure, Failure::Elsewhere(why) if why.contains("results for 0")), "{failure:?}");
    }
}
