//! States that are conflated for a slow reader: a user's metrics and a wallet's balances.

use super::channel::Channel;
use super::message;
use super::update::Stamp;
use crate::views::MetricsChange;
use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use std::sync::{Arc, OnceLock};
use wire::v1::metrics::MetricsUpdated;
use wire::v1::portfolio::PortfolioUpdated;

/// A state of which a later one of the same key takes the place.
pub(crate) trait ConflatedState {
    /// The channel it is delivered on.
    const CHANNEL: Channel;
    /// What readers receive of it.
    fn view(&self) -> impl Serialize;
    /// Chain and address, which tell states apart.
    fn identity(&self) -> (&str, &str);
    /// One state for this one and one that arrived later; either may be the newer.
    fn conflated_with(&self, later: &Self) -> Self;
}

impl ConflatedState for MetricsUpdated {
    const CHANNEL: Channel = Channel::Metrics;

    fn view(&self) -> impl Serialize {
        MetricsChange::from(self)
    }

    fn identity(&self) -> (&str, &str) {
        (&self.chain, &self.trader)
    }

    /// The newest totals, and every position that either changed, at its newest.
    fn conflated_with(&self, later: &Self) -> Self {
        let same = self.as_of.partition == later.as_of.partition;
        let (older, newer) = if same && later.as_of.offset < self.as_of.offset { (later, self) } else { (self, later) };
        let mut body = newer.clone();
        let unchanged = |asset: &str| newer.positions.iter().all(|position| position.asset != asset);
        body.positions.extend(older.positions.iter().filter(|position| unchanged(&position.asset)).cloned());
        body
    }
}

impl ConflatedState for PortfolioUpdated {
    const CHANNEL: Channel = Channel::Wallets;

    fn view(&self) -> impl Serialize {
        self
    }

    fn identity(&self) -> (&str, &str) {
        (&self.chain, &self.address)
    }

    /// Every changed balance, from before the older change to after the newer.
    fn conflated_with(&self, later: &Self) -> Self {
        let (older, newer) = if later.taken_at < self.taken_at { (later, self) } else { (self, later) };
        let mut body = newer.clone();
        for earlier in &older.changes {
            match body.changes.iter_mut().find(|change| change.asset == earlier.asset) {
                Some(change) => change.before.clone_from(&earlier.before),
                None => body.changes.push(earlier.clone()),
            }
        }
        body
    }
}

/// A state as it is delivered.
#[derive(Debug)]
pub(crate) struct StateUpdate<S> {
    pub(super) number: u64,
    pub(super) key: Arc<str>,
    pub(super) body: S,
    at: String,
    text: OnceLock<Utf8Bytes>,
}

impl<S: ConflatedState> StateUpdate<S> {
    pub(super) fn new(body: S, stamp: Stamp) -> Self {
        let (chain, address) = body.identity();
        let key = format!("{}/{chain}/{address}", S::CHANNEL.name()).into();
        Self { number: stamp.number, key, body, at: stamp.at, text: OnceLock::new() }
    }

    /// The text that every reader receives.
    pub(super) fn text(&self) -> Utf8Bytes {
        self.text.get_or_init(|| message::update(S::CHANNEL, &self.body.view(), &self.at)).clone()
    }

    /// One update for both. It waits in the place of the earlier one and keeps its `at`: some of the changes that
    /// arrived between the two may wait behind it.
    pub(super) fn conflated_with(&self, later: &Self) -> Self {
        let body = self.body.conflated_with(&later.body);
        Self { number: self.number, key: Arc::clone(&self.key), body, at: self.at.clone(), text: OnceLock::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::v1::metrics::{AsOf, Position, Totals};
    use wire::v1::portfolio::BalanceChange;

    fn stamp(number: u64) -> Stamp {
        Stamp { partition: 3, position: number, number, at: format!("at{number}") }
    }

    fn metrics(offset: u64, positions: &[(&str, &str)]) -> StateUpdate<MetricsUpdated> {
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
                basis_without_proceeds_usd: None,
            })
            .collect();
        let totals = Totals { swaps: offset, ..Totals::default() };
        let as_of = AsOf { partition: 3, offset };
        let body = MetricsUpdated { chain: "mock".into(), trader: "alice".into(), as_of, totals, positions };
        StateUpdate::new(body, stamp(offset))
    }

    #[test]
    fn conflated_metrics_keep_every_changed_position() {
        let earlier = metrics(5, &[("a", "1"), ("b", "2")]);
        let later = metrics(9, &[("b", "3")]);
        for both in [earlier.conflated_with(&later), later.conflated_with(&earlier)] {
            assert_eq!((both.body.totals.swaps, both.body.as_of.offset), (9, 9));
            assert!(both.at == earlier.at || both.at == later.at);
            let held: Vec<_> = both.body.positions.iter().map(|p| (p.asset.as_str(), p.quantity.as_str())).collect();
            assert_eq!(held, [("b", "3"), ("a", "1")]);
        }
    }

    #[test]
    fn a_conflated_state_keeps_the_earlier_place_and_at() {
        let both = metrics(5, &[]).conflated_with(&metrics(9, &[]));
        assert_eq!(
            (both.at.as_str(), both.number),
            ("at5", 5),
            "a client that resumes from it receives what waited behind it"
        );
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
                spam: None,
                verified: None,
                kept: false,
            };
            let body = PortfolioUpdated {
                chain: "mock".into(),
                address: "alice".into(),
                provider: "mock".into(),
                taken_at,
                as_of: None,
                incomplete: false,
                left_out: None,
                incomplete_reason: None,
                changes: vec![change],
            };
            StateUpdate::new(body, stamp(0))
        };
        let first_two = change(1, "a", "1", "2").conflated_with(&change(2, "b", "0", "7"));
        let all = first_two.conflated_with(&change(3, "a", "2", "5"));
        let seen: Vec<_> =
            all.body.changes.iter().map(|c| (c.asset.as_str(), c.before.as_str(), c.after.as_str())).collect();
        assert_eq!(seen, [("a", "1", "5"), ("b", "0", "7")]);
    }
}
