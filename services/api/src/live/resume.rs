//! Resuming: a client names the last `at` it received, and receives what arrived since.
//!
//! Every message carries `at`, the next position of every partition when the message was made. Messages reach a reader
//! in the order in which records arrived (a state that waits is conflated with later ones and keeps its own place and
//! `at`), so a client that received a message has received everything below its `at`. Positions mean the same on every
//! instance.

use super::channel::Channel;
use super::rings::Live;
use super::subscription::Matcher;
use super::update::Update;
use crate::token::{self, InvalidToken};

/// The point up to which a client has received a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResumePoint {
    letter: u8,
    pub(super) next: Vec<u64>,
    pub(super) at: String,
}

impl ResumePoint {
    /// The point that an `at` names.
    pub(crate) fn parse(at: &str) -> Result<Self, InvalidToken> {
        let (letter, next) = token::read_resume_token(at)?;
        Ok(Self { letter, next, at: at.to_owned() })
    }
}

impl Live {
    /// What arrived since a point, in order of arrival; none when the kept updates do not reach back to it.
    pub(super) fn missed_since(&self, point: &ResumePoint, matcher: &Matcher) -> Option<Vec<Update>> {
        let channel = matcher.channel();
        let read = self.ring(channel).next_positions();
        if point.letter != channel.letter() || point.next.len() != read.len() {
            return None;
        }
        // Of chains only the newest states are kept: a client that missed one needs a snapshot of all.
        if channel == Channel::Chains && point.next != read {
            return None;
        }
        // What is watched is kept nowhere: its state is told anew.
        if matches!(channel, Channel::Prices | Channel::Candles) {
            return None;
        }
        let since = self.ring(channel).since(&point.next)?;
        let mut missed: Vec<Update> = since.into_iter().filter(|update| matcher.matches(update)).cloned().collect();
        missed.sort_by_key(Update::number);
        Some(missed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rings::StartPositions;
    use super::super::state::StateUpdate;
    use super::super::subscription::Selection;
    use super::*;
    use api_domain::UserQuery;
    use std::sync::Arc;
    use wire::v1::metrics::{AsOf, MetricsUpdated, Totals};

    fn live() -> Live {
        Live::starting_at(&StartPositions { progress_end: 0, trades: vec![0], metrics: vec![0, 0], wallets: vec![0] })
    }

    fn point(channel: Channel, next: &[u64]) -> ResumePoint {
        ResumePoint::parse(&token::resume_token(channel.letter(), next.iter().copied())).unwrap()
    }

    fn receive(live: &mut Live, partition: u32, position: u64, trader: &str) {
        let stamp = live.stamp(Channel::Metrics, partition, position);
        let body = MetricsUpdated {
            chain: "mock".into(),
            trader: trader.into(),
            as_of: AsOf { partition, offset: position + 1 },
            totals: Totals::default(),
            positions: vec![],
        };
        let update = Update::Metrics(Arc::new(StateUpdate::new(body, stamp)));
        live.ring_mut(Channel::Metrics).push(partition, position, 1, update);
    }

    #[test]
    fn missed_updates_come_in_order_of_arrival() {
        let mut live = live();
        for (partition, position, trader) in [(1, 0, "alice"), (0, 0, "alice"), (0, 1, "bob"), (1, 1, "alice")] {
            receive(&mut live, partition, position, trader);
        }
        let selection = Selection::Metrics(UserQuery { address: "alice".into(), chain: None });
        let numbers = |next: &[u64]| {
            let point = point(Channel::Metrics, next);
            let missed = live.missed_since(&point, &selection.matcher_since(&point.next))?;
            Some(missed.iter().map(Update::number).collect::<Vec<_>>())
        };
        assert_eq!(numbers(&[0, 0]), Some(vec![1, 2, 4]));
        assert_eq!(numbers(&[1, 1]), Some(vec![4]));
        assert_eq!(numbers(&[2, 2]), Some(vec![]));
        assert_eq!(numbers(&[0]), None, "another number of partitions");
        let trades = point(Channel::Trades, &[0, 0]);
        assert!(
            live.missed_since(&trades, &selection.matcher_since(&trades.next)).is_none(),
            "another channel's token"
        );
    }

    #[test]
    fn chains_resume_only_where_nothing_was_missed() {
        let live = live();
        let resumes = |next| {
            let point = point(Channel::Chains, &[next]);
            live.missed_since(&point, &Selection::Chains.matcher_since(&point.next)).is_some()
        };
        assert!(resumes(0) && !resumes(1));
    }
}
