//! How the chain is doing, as it is published: since when, and that it waits although there is nothing to append.

use super::{End, FollowObserver, Follower, HEARTBEAT_MS, Interruption};
use crate::ports::{AppendOutcome, ChainReader, Clock, Lease};
use crate::step::ChainState;
use std::mem::{Discriminant, discriminant};

/// Failures in a row after which a chain is published as waiting: a single one is usual.
const MIN_FAILURES: u32 = 2;
/// Milliseconds since the chain was read, after which the first failure is published: it took long.
const MIN_SILENT_MS: u64 = 3_000;
/// Milliseconds between two announcements, however often the reason changes.
const MIN_ANNOUNCE_MS: u64 = 1_000;

/// What was published last, and the failures since something went well.
#[derive(Default)]
pub(super) struct Condition {
    state: Option<(Discriminant<ChainState>, u64)>,
    failures: u32,
    /// When the chain was read last.
    read_ms: Option<u64>,
    /// The reason that was announced last, and when.
    announced: Option<(String, u64)>,
}

impl Condition {
    /// Since when the chain is in this state.
    pub(super) fn since(&mut self, state: &ChainState, now_ms: u64) -> u64 {
        let kind = discriminant(state);
        match self.state {
            Some((known, since)) if known == kind => since,
            _ => {
                self.state = Some((kind, now_ms));
                now_ms
            }
        }
    }

    /// Something was published about the chain.
    pub(super) fn published(&mut self, state: &ChainState) {
        if !matches!(state, ChainState::Waiting(_)) {
            self.announced = None;
        }
    }

    /// The chain was read.
    pub(super) fn recover(&mut self, now_ms: u64) {
        (self.failures, self.read_ms) = (0, Some(now_ms));
    }

    /// Whether the chain is published as waiting, and does not wait any more.
    pub(super) fn is_to_be_corrected(&self) -> bool {
        self.announced.is_some()
    }

    /// Counts a failure; returns whether it is to be published now.
    fn is_due(&mut self, why: &str, now_ms: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        match &self.announced {
            None => {
                let was_long = self.read_ms.is_some_and(|read| now_ms.saturating_sub(read) >= MIN_SILENT_MS);
                was_long || self.failures >= MIN_FAILURES
            }
            Some((said, at_ms)) => {
                let ago = now_ms.saturating_sub(*at_ms);
                ago >= HEARTBEAT_MS || (ago >= MIN_ANNOUNCE_MS && !is_same_failure(said, why))
            }
        }
    }
}

/// Whether two sentences differ in their digits only.
fn is_same_failure(one: &str, other: &str) -> bool {
    let letters = |text: &'_ str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    letters(one) == letters(other)
}

impl<C: ChainReader, L: Lease, K: Clock, O: FollowObserver> Follower<'_, C, L, K, O> {
    /// Publishes that the chain waits, once that has lasted; again while it lasts, and when the reason changes.
    pub(super) async fn announce_waiting(&mut self, why: &str) -> Result<(), Interruption> {
        let now_ms = self.clock.now_ms();
        if !self.condition.is_due(why, now_ms) {
            return Ok(());
        }
        self.condition.announced = Some((why.to_owned(), now_ms));
        match self.announce(ChainState::Waiting(why.to_owned())).await {
            // A sentence that cannot be published changes nothing.
            Err(Interruption::Refused(_)) => Ok(()),
            announced => announced,
        }
    }

    /// Publishes how the chain is doing without a step.
    pub(super) async fn announce(&mut self, state: ChainState) -> Result<(), Interruption> {
        let mut progress = self.progress(state);
        progress.since_ms = self.condition.since(&progress.state, self.clock.now_ms());
        match self.lease.announce(self.cursor.as_ref(), &progress).await {
            AppendOutcome::Done => {
                self.condition.published(&progress.state);
                Ok(())
            }
            AppendOutcome::Lost => Err(Interruption::End(End::Lost)),
            AppendOutcome::Refused(why) | AppendOutcome::Unknown(why) => Err(Interruption::ClaimAgain(why)),
        }
    }
}
