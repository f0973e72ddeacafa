//! The messages about a batch: one `MetricsUpdated` with the new state of each user that it changed.

use metrics_domain::{Book, BookFacts, BookKey, Dollars, Totals, User, UserKey};
use std::collections::HashMap;
use wire::v1::metrics::{AsOf, ConfidenceVolumes, MetricsUpdated, Position, Totals as WireTotals, encode};

/// One message, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsMessage {
    /// `chain/trader/partition/as of`: the same when the message is published again.
    pub event_id: String,
    /// `chain/trader`.
    pub key: String,
    /// `MetricsUpdatedV1` as JSON.
    pub payload: String,
    /// The trace of the batch that caused it, as W3C's `traceparent`.
    pub trace: Option<String>,
}

/// The messages about these facts.
pub(crate) fn messages_about(facts: &BookFacts) -> Vec<MetricsMessage> {
    let mut positions: HashMap<&UserKey, Vec<Position>> = HashMap::new();
    for (key, book) in &facts.books {
        positions.entry(&key.user).or_default().push(wire_position(key, book));
    }
    let as_of = AsOf { partition: facts.partition.index, offset: facts.as_of() };
    let message = |(key, user): &(UserKey, User)| {
        let state = MetricsUpdated {
            chain: key.chain.to_string(),
            trader: key.trader.to_string(),
            as_of,
            totals: wire_totals(&user.totals),
            positions: positions.remove(key).unwrap_or_default(),
        };
        let key = format!("{}/{}", key.chain, key.trader);
        MetricsMessage {
            event_id: format!("{key}/{}/{}", as_of.partition, as_of.offset),
            key,
            payload: String::from_utf8_lossy(&encode(&state)).into_owned(),
            trace: facts.trace.as_deref().map(str::to_owned),
        }
    };
    facts.users.iter().map(message).collect()
}

fn wire_totals(totals: &Totals) -> WireTotals {
    WireTotals {
        volume_usd: totals.volume.to_string(),
        volume_by_confidence: Some(wire_volumes(totals)),
        swaps: totals.swaps,
        unvalued: totals.unvalued,
        implausible: totals.implausible,
        implausible_usd: not_zero(&totals.implausible_usd),
        cycles: totals.cycles,
        fees_usd: totals.fees.to_string(),
        realized_pnl_usd: totals.realized.pnl.to_string(),
        realized_pnl_net_usd: totals.net().to_string(),
        proceeds_without_basis_usd: totals.realized.without_basis.to_string(),
        proceeds_usd: totals.realized.proceeds.to_string(),
        basis_without_proceeds_usd: not_zero(&totals.realized.basis_without_proceeds),
    }
}

fn wire_volumes(totals: &Totals) -> ConfidenceVolumes {
    let volumes = &totals.by_confidence;
    let [exact_usd, reported_usd, estimated_usd, traced_usd] = volumes.amounts().map(not_zero);
    let unknown_usd = not_zero(&volumes.unknown(&totals.volume));
    ConfidenceVolumes { exact_usd, reported_usd, estimated_usd, traced_usd, unknown_usd }
}

fn wire_position(key: &BookKey, book: &Book) -> Position {
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
        basis_without_proceeds_usd: not_zero(&book.realized.basis_without_proceeds),
    }
}

/// An amount that is left out where it is zero.
fn not_zero(dollars: &Dollars) -> Option<String> {
    (*dollars != Dollars::ZERO).then(|| dollars.to_string())
}
