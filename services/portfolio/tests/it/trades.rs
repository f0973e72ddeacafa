//! Trades for tests: 10 `usd` sold for 4 `coin`, at a height that is also the time in seconds.

use std::sync::Arc;
use tape::{BlockId, BlockRef, Detector, Event, Raw, Side, Status, Trade, Trader, Transaction};

/// A trade of one trader on chain `mock`.
pub(crate) fn trade(trader: &str, height: u64) -> Trade {
    let side = |asset: &str, raw: u64| Side {
        asset: asset.to_owned(),
        raw: Raw::from(raw),
        decimals: Some(6),
        symbol: Some(asset.to_uppercase()),
        quote: asset == "usd",
    };
    Trade {
        kind: Trade::SWAP.to_owned(),
        chain: "mock".into(),
        network: "mock-1".into(),
        block: BlockRef { id: BlockId { height, hash: format!("0xb{height}").into() }, timestamp_ms: height * 1000 },
        transaction: Transaction {
            hash: format!("0x{trader}{height}").into(),
            index: 0,
            from: trader.to_owned(),
            to: None,
        },
        ordinal: 0,
        trader: Trader { address: trader.to_owned(), evidence: "tx-sender".to_owned() },
        sold: side("usd", 10),
        bought: side("coin", 4),
        legs: vec![],
        fees: vec![],
        platform: None,
        attributes: std::collections::BTreeMap::new(),
        valuation: None,
        detector: Arc::new(Detector {
            plugin: "mock".to_owned(),
            version: "1.0.0".to_owned(),
            digest: format!("sha256:{}", "0".repeat(64)),
        }),
    }
}

/// The event that puts a trade into a state.
pub(crate) fn event(trade: &Trade, status: Status) -> Event {
    Event { id: format!("mock/{}/0", trade.block.id.height), status, trade: Box::new(trade.clone()) }
}
