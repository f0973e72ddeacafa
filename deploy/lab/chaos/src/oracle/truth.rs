//! The truth as trades: computed from the chains' blocks by code of its own, which shares nothing with the plugin's path.

use mock_plugin::node::{MockBlock, Swap};
use nodes::mock::Node;
use std::sync::Arc;
use tape::{AssetAmount, BlockId, BlockRef, Detector, Leg, Raw, Side, Trade, Trader, Transaction, Usd, Valuation};

/// Every trade of every chain, from its first block to its head.
pub(super) fn trades(chains: &[String], nodes: &[Node]) -> Vec<Trade> {
    let blocks = chains.iter().zip(nodes).flat_map(|(chain, node)| node.truth().into_iter().map(move |b| (chain, b)));
    blocks.flat_map(|(chain, block)| trades_of(chain, &block)).collect()
}

/// The trades of a block as they should stand on the tape.
fn trades_of(chain: &str, block: &MockBlock) -> Vec<Trade> {
    (0..).zip(&block.trades).map(|(index, swap)| trade_of(chain, block, index, swap)).collect()
}

fn trade_of(chain: &str, block: &MockBlock, index: u32, swap: &Swap) -> Trade {
    let (symbol, name) = [("MOON", "moon"), ("TIDE", "tide"), ("FERN", "fern"), ("ONYX", "onyx")][swap.asset];
    let dollars = Side {
        asset: "mock:usd".to_owned(),
        raw: Raw::from(swap.cents) * Raw::from(10_000),
        decimals: Some(6),
        symbol: Some("mUSD".to_owned()),
        quote: true,
    };
    let token = Side {
        asset: format!("mock:{name}"),
        raw: Raw::from(swap.units),
        decimals: Some(18),
        symbol: Some(symbol.to_owned()),
        quote: false,
    };
    let (sold, bought) = if swap.buys { (dollars, token) } else { (token, dollars) };
    let amount = |side: &Side| AssetAmount { asset: side.asset.clone(), raw: side.raw };
    Trade {
        kind: Trade::SWAP.to_owned(),
        chain: chain.into(),
        network: "truth".into(),
        block: BlockRef {
            id: BlockId { height: block.id.height, hash: block.id.hash.as_str().into() },
            timestamp_ms: block.timestamp_ms,
        },
        transaction: Transaction { hash: swap.hash.as_str().into(), index, from: swap.trader.clone(), to: None },
        ordinal: 0,
        trader: Trader { address: swap.trader.clone(), evidence: "tx-sender".to_owned() },
        legs: vec![Leg {
            venue: "mock-pool".to_owned(),
            pool: format!("mock:pool:{name}"),
            sold: amount(&sold),
            bought: amount(&bought),
            ordinal: 0,
        }],
        sold,
        bought,
        fees: vec![],
        platform: None,
        attributes: std::collections::BTreeMap::new(),
        valuation: Some(Valuation {
            notional: Usd(i128::from(swap.cents) * Usd::ONE.0 / 100),
            fee: None,
            source: "stable-leg".to_owned(),
        }),
        detector: Arc::new(Detector { plugin: "truth".into(), version: "1".into(), digest: "truth".into() }),
    }
}
