//! Changes as they are delivered: each made into text once, and that text shared by everyone who gets it.

use crate::views::ChainView;
use api_domain::{Fate, Filter, TradeKey};
use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use tape::{Change, Event};
use wire::v1::metrics::MetricsUpdated;
use wire::v1::portfolio::PortfolioUpdated;

/// A trade that came or went.
#[derive(Debug)]
pub(crate) struct TradeChange {
    number: u64,
    pub(crate) key: TradeKey,
    pub(crate) fate: Fate,
    assets: [String; 2],
    venues: Vec<String>,
    text: Utf8Bytes,
    payload: Range<usize>,
}

impl TradeChange {
    /// A change from its event and the bytes it travelled as; none where those are no text.
    pub(crate) fn new(event: Event, payload: &str, at: &str, number: u64) -> Self {
        let change = event.into_change();
        let (fate, word) = match &change {
            Change::Apply(_) => (Fate::Present, "apply"),
            Change::Revert(_) => (Fate::Absent, "revert"),
        };
        let head = format!(r#"{{"type":"{word}","channel":"trades","data":"#);
        let place = head.len()..head.len() + payload.len();
        let text = [head.as_str(), payload, r#","at":""#, at, r#""}"#].concat();
        let trade = change.trade();
        let mut venues: Vec<String> = trade.legs.iter().map(|leg| leg.venue.clone()).collect();
        venues.dedup();
        Self {
            number,
            key: key_of(trade),
            fate,
            assets: [trade.sold.asset.clone(), trade.bought.asset.clone()],
            venues,
            text: text.into(),
            payload: place,
        }
    }

    /// Which arrival it was.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What everyone gets.
    pub(crate) fn text(&self) -> Utf8Bytes {
        self.text.clone()
    }

    /// The event as it travelled.
    pub(crate) fn payload(&self) -> &str {
        self.text.as_str().get(self.payload.clone()).unwrap_or_default()
    }

    /// Whether a filter lets it pass.
    pub(crate) fn passes(&self, filter: &Filter) -> bool {
        let [sold, bought] = &self.assets;
        filter.matches(&self.key.chain, &self.key.trader, [sold, bought], self.venues.iter().map(String::as_str))
    }

    /// About how many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        self.text.as_str().len() + 512
    }
}

fn key_of(trade: &tape::Trade) -> TradeKey {
    let place = trade.place();
    TradeKey {
        block_time: trade.block.timestamp_ms,
        chain: trade.chain.to_string(),
        height: place.height,
        index: place.index,
        ordinal: place.ordinal,
        id: trade.id(),
        trader: trade.trader.address.clone(),
    }
}

/// A user's metrics as they now are, where they changed.
#[derive(Debug)]
pub(crate) struct MetricsChange {
    number: u64,
    pub(crate) key: Arc<str>,
    pub(crate) body: MetricsUpdated,
    at: String,
    text: OnceLock<Utf8Bytes>,
}

impl MetricsChange {
    pub(crate) fn new(body: MetricsUpdated, at: String, number: u64) -> Self {
        let key = format!("user.metrics/{}/{}", body.chain, body.trader).into();
        Self { number, key, body, at, text: OnceLock::new() }
    }

    pub(crate) fn text(&self) -> Utf8Bytes {
        self.text.get_or_init(|| update("user.metrics", &self.body, &self.at)).clone()
    }

    /// Both in one: the newest totals, and every position that either touched, at its newest. It waits in the place of the
    /// earlier one and keeps its `at`: of what came between the two, some may wait behind it.
    pub(crate) fn then(&self, later: &Self) -> Self {
        let same = self.body.as_of.partition == later.body.as_of.partition;
        let (older, newer) =
            if same && later.body.as_of.offset < self.body.as_of.offset { (later, self) } else { (self, later) };
        let mut body = newer.body.clone();
        let untouched = |asset: &str| newer.body.positions.iter().all(|position| position.asset != asset);
        body.positions.extend(older.body.positions.iter().filter(|position| untouched(&position.asset)).cloned());
        Self { number: self.number, key: Arc::clone(&self.key), body, at: self.at.clone(), text: OnceLock::new() }
    }
}

/// What a wallet holds now, where that changed.
#[derive(Debug)]
pub(crate) struct WalletChange {
    number: u64,
    pub(crate) key: Arc<str>,
    pub(crate) body: PortfolioUpdated,
    at: String,
    text: OnceLock<Utf8Bytes>,
}

impl WalletChange {
    pub(crate) fn new(body: PortfolioUpdated, at: String, number: u64) -> Self {
        let key = format!("user.portfolio/{}/{}", body.chain, body.address).into();
        Self { number, key, body, at, text: OnceLock::new() }
    }

    pub(crate) fn text(&self) -> Utf8Bytes {
        self.text.get_or_init(|| update("user.portfolio", &self.body, &self.at)).clone()
    }

    /// Both in one: every balance from before the earlier change to after the later.
    pub(crate) fn then(&self, later: &Self) -> Self {
        let (older, newer) = if later.body.taken_at < self.body.taken_at { (later, self) } else { (self, later) };
        let mut body = newer.body.clone();
        for earlier in &older.body.changes {
            match body.changes.iter_mut().find(|change| change.asset == earlier.asset) {
                Some(change) => change.before.clone_from(&earlier.before),
                None => body.changes.push(earlier.clone()),
            }
        }
        Self { number: self.number, key: Arc::clone(&self.key), body, at: self.at.clone(), text: OnceLock::new() }
    }
}

/// A change that is one of many.
pub(crate) trait Arrived {
    /// Which arrival it was.
    fn number(&self) -> u64;
}

impl Arrived for MetricsChange {
    fn number(&self) -> u64 {
        self.number
    }
}

impl Arrived for WalletChange {
    fn number(&self) -> u64 {
        self.number
    }
}

/// A change with its number, as it waits for a reader.
pub(crate) fn numbered<C: Arrived, M>(change: Arc<C>, outgoing: impl FnOnce(Arc<C>) -> M) -> (u64, M) {
    (change.number(), outgoing(change))
}

/// A chain as it now is.
#[derive(Debug)]
pub(crate) struct ChainChange {
    pub(crate) key: Arc<str>,
    text: Utf8Bytes,
}

impl ChainChange {
    pub(crate) fn new(view: &ChainView, at: &str) -> Self {
        Self { key: format!("chains/{}", view.chain).into(), text: update("chains", view, at) }
    }

    pub(crate) fn text(&self) -> Utf8Bytes {
        self.text.clone()
    }
}

fn update(channel: &str, data: &impl Serialize, at: &str) -> Utf8Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!(r#"{{"type":"update","channel":"{channel}","data":{data},"at":"{at}"}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::v1::metrics::{AsOf, Position, Totals};
    use wire::v1::portfolio::BalanceChange;

    fn metrics(offset: u64, positions: &[(&str, &str)]) -> MetricsChange {
        let positions = positions
            .iter()
            .map(|(asset, quantity)| Position {
                asset: (*asset).into(),
                symbol: None,
                decimals: None,
                quantity: (*quantity).into(),
                unknown_quantity: "0".into(),
                basis_usd: "0".into(),
                realized_pnl_usd: "0".into(),
                proceeds_without_basis_usd: "0".into(),
                proceeds_usd: "0".into(),
            })
            .collect();
        let totals = Totals { swaps: offset, ..Totals::default() };
        let as_of = AsOf { partition: 3, offset };
        MetricsChange::new(
            MetricsUpdated { chain: "mock".into(), trader: "alice".into(), as_of, totals, positions },
            format!("at{offset}"),
            offset,
        )
    }

    #[test]
    fn conflated_metrics_keep_every_touched_position() {
        let earlier = metrics(5, &[("a", "1"), ("b", "2")]);
        let later = metrics(9, &[("b", "3")]);
        for both in [earlier.then(&later), later.then(&earlier)] {
            assert_eq!((both.body.totals.swaps, both.body.as_of.offset), (9, 9));
            assert!(both.at == earlier.at || both.at == later.at);
            let held: Vec<_> = both.body.positions.iter().map(|p| (p.asset.as_str(), p.quantity.as_str())).collect();
            assert_eq!(held, [("b", "3"), ("a", "1")]);
        }
    }

    #[test]
    fn what_waits_keeps_its_place_and_its_at() {
        let both = metrics(5, &[]).then(&metrics(9, &[]));
        assert_eq!((both.at.as_str(), both.number), ("at5", 5), "who resumes from it is told what waited behind it");
    }

    #[test]
    fn conflated_balances_span_from_first_to_last() {
        let change = |taken_at, asset: &str, before: &str, after: &str| {
            let change = BalanceChange {
                asset: asset.into(),
                symbol: None,
                decimals: None,
                before: before.into(),
                after: after.into(),
                spam: false,
            };
            let body = PortfolioUpdated {
                chain: "mock".into(),
                address: "alice".into(),
                provider: "mock".into(),
                taken_at,
                changes: vec![change],
            };
            WalletChange::new(body, String::new(), 0)
        };
        let all = change(1, "a", "1", "2").then(&change(2, "b", "0", "7")).then(&change(3, "a", "2", "5"));
        let seen: Vec<_> =
            all.body.changes.iter().map(|c| (c.asset.as_str(), c.before.as_str(), c.after.as_str())).collect();
        assert_eq!(seen, [("a", "1", "5"), ("b", "0", "7")]);
    }
}
