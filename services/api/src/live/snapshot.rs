//! Joins a snapshot to the updates that arrived since it was read: no hole and no overlap.

use super::channel::Channel;
use super::rings::Live;
use super::subscription::{Matcher, SubscriptionRefused};
use super::update::Update;
use crate::views::ChainView;
use api_domain::{FoldedPositions, LaterChange, TradeFilter, TradeRow, catch_up};
use environment::now_ms;
use std::collections::BTreeMap;

/// What was read for a new subscription.
pub(crate) enum Snapshot {
    /// Trades as of the positions that metrics has folded.
    Trades { filter: TradeFilter, limit: usize, folded: FoldedPositions, rows: Vec<TradeRow> },
    /// The state of a user or wallet as JSON, read after the channel's topic was read up to the `next` positions.
    State { matcher: Matcher, next: Vec<u64>, data: String },
    /// Every chain; the hub holds them itself.
    Chains,
}

/// A snapshot with what is needed to continue it.
pub(super) struct Joined {
    pub(super) matcher: Matcher,
    /// The next position of each partition after the snapshot.
    pub(super) next: Vec<u64>,
    pub(super) data: String,
    /// Updates that arrived after the snapshot was read.
    pub(super) missed: Vec<Update>,
}

impl Live {
    /// Joins a snapshot to the updates that arrived since. Refused when some of those are no longer kept.
    pub(super) fn join(
        &self,
        snapshot: Snapshot,
        chains: &BTreeMap<String, ChainView>,
    ) -> Result<Joined, SubscriptionRefused> {
        match snapshot {
            Snapshot::Trades { filter, limit, folded, rows } => self.join_trades(filter, limit, &folded, &rows),
            Snapshot::State { matcher, next, data } => {
                let since = self.ring(matcher.channel()).since(&next).ok_or(SubscriptionRefused::Behind)?;
                let missed = since.into_iter().filter(|update| matcher.matches(update)).cloned().collect();
                Ok(Joined { matcher, next, data, missed })
            }
            Snapshot::Chains => {
                let items: Vec<ChainView> = chains.values().map(|view| view.clone().aged(now_ms())).collect();
                let data = serde_json::json!({ "items": items }).to_string();
                let next = self.ring(Channel::Chains).next_positions();
                Ok(Joined { matcher: Matcher::Chains, next, data, missed: vec![] })
            }
        }
    }

    /// Applies the trades read since metrics' positions to the rows; later ones are delivered as updates.
    fn join_trades(
        &self,
        filter: TradeFilter,
        limit: usize,
        folded: &FoldedPositions,
        rows: &[TradeRow],
    ) -> Result<Joined, SubscriptionRefused> {
        let ring = self.ring(Channel::Trades);
        let read = ring.next_positions();
        let folded: Vec<u64> = (0_u32..).zip(&read).map(|(partition, _)| folded.next(partition)).collect();
        let since = ring.since(&folded).ok_or(SubscriptionRefused::Behind)?;
        let changes = since.into_iter().filter_map(|update| match update {
            Update::Trade(trade) if trade.passes(&filter) => {
                Some(LaterChange { key: trade.key.clone(), presence: trade.presence, shown: trade.event_text() })
            }
            _ => None,
        });
        let rows = rows.iter().map(|row| (row.key.clone(), row.payload.as_str()));
        let shown: Vec<&str> = catch_up(rows, changes, limit).into_iter().map(|(_, shown)| shown).collect();
        let data = ["{\"items\":[", &shown.join(","), "]}"].concat();
        let next: Vec<u64> = read.into_iter().zip(folded).map(|(read, folded)| read.max(folded)).collect();
        Ok(Joined { matcher: Matcher::Trades { filter, from: next.clone() }, next, data, missed: vec![] })
    }
}
