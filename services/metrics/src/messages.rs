//! What is said about a batch: `MetricsUpdated`, the state of each user that it touched.

use metrics_domain::{Book, BookKey, Facts, Totals, User, UserKey};
use std::collections::HashMap;
use wire::v1::metrics::{AsOf, MetricsUpdated, Position, Totals as WireTotals, encode};

/// One message, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `chain/trader/partition/as of`: equal when it is sent again.
    pub event_id: String,
    /// `chain/trader`.
    pub key: String,
    /// `MetricsUpdatedV1` as JSON.
    pub payload: String,
    /// The trace of the block that it is due to, as W3C's `traceparent`.
    pub trace: Option<String>,
}

/// The messages about these facts.
pub fn messages(facts: &Facts) -> Vec<Message> {
    let mut positions: HashMap<&UserKey, Vec<Position>> = HashMap::new();
    for (key, book) in &facts.books {
        positions.entry(&key.user).or_default().push(position(key, book));
    }
    let as_of = AsOf { partition: facts.partition.index, offset: facts.as_of() };
    let message = |(key, user): &(UserKey, User)| {
        let state = MetricsUpdated {
            chain: key.chain.to_string(),
            trader: key.trader.to_string(),
            as_of,
            totals: totals(&user.totals),
            positions: positions.remove(key).unwrap_or_default(),
        };
        let key = format!("{}/{}", key.chain, key.trader);
        Message {
            event_id: format!("{key}/{}/{}", as_of.partition, as_of.offset),
            key,
            payload: String::from_utf8_lossy(&encode(&state)).into_owned(),
            trace: facts.trace.as_deref().map(str::to_owned),
        }
    };
    facts.users.iter().map(message).collect()
}

fn totals(totals: &Totals) -> WireTotals {
    WireTotals {
        volume_usd: totals.volume.to_string(),
        swaps: totals.swaps,
        unvalued: totals.unvalued,
        cycles: totals.cycles,
        fees_usd: totals.fees.to_string(),
        realized_pnl_usd: totals.realized.pnl.to_string(),
        realized_pnl_net_usd: totals.net().to_string(),
        proceeds_without_basis_usd: totals.realized.without_basis.to_string(),
        proceeds_usd: totals.realized.proceeds.to_string(),
    }
}

fn position(key: &BookKey, book: &Book) -> Position {
    Position {
        asset: key.asset.to_string(),
        symbol: book.symbol.clone(),
        decimals: book.decimals,
        quantity: book.holding.quantity.to_string(),
        unknown_quantity: book.holding.unknown.to_string(),
        basis_usd: book.holding.basis.to_string(),
        realized_pnl_usd: book.realized.pnl.to_string(),
        proceeds_without_basis_usd: book.realized.without_basis.to_string(),
        proceeds_usd: book.realized.proceeds.to_string(),
    }
}
