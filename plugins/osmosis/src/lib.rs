//! Detects trades on Osmosis: swaps through its pool manager, read from any CometBFT node over plain HTTP.
//!
//! Modules stand in the order of the way through a scan: [`node`] asks, [`swaps`] reads a transaction's events, [`trades`]
//! makes one user-level trade of the hops. [`time`] and [`settings`] help.

pub mod settings;
pub mod time;
pub mod node;
pub mod swaps;
pub mod trades;

use chain_plugin_sdk::{BlockId, Context, Description, Failure, Host, Plugin, Scanned, Span, Tip};
use settings::Settings;

/// The plugin.
pub struct Osmosis;

/// Most heights in one call: each costs two requests.
const WIDEST: u64 = 50;

impl Plugin for Osmosis {
    fn describe() -> Description {
        Description {
            id: "osmosis".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: settings::SCHEMA.to_owned(),
            synthetic: false,
            attributes: vec![],
        }
    }

    fn widest_span() -> u64 {
        WIDEST
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
        if span.last - span.first >= WIDEST {
            return Err(Failure::SpanTooWide(WIDEST));
        }
        let settings = Settings::read(&context.settings)?;
        let blocks = node::blocks(host, span)?;
        let blocks = blocks.into_iter().map(|block| trades::block(block, &settings)).collect::<Result<_, _>>()?;
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

    const CASSETTE: &str = include_str!("../cassettes/swaps.cassette.json");

    #[test]
    fn hops_are_one_trade_and_a_failed_transaction_is_none() {
        let mut host = Replay::parse(CASSETTE).unwrap();
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
    fn a_node_that_leaves_results_out_is_charged() {
        let short = CASSETTE.replace("txs_results", "unused");
        let mut host = Replay::parse(&short).unwrap();
        let (context, span) = (host.context(), host.span());
        let failure = Osmosis::scan(&mut host, &context, span).unwrap_err();
        assert!(matches!(&failure, Failure::Elsewhere(why) if why.contains("results of 0")), "{failure:?}");
    }
}
