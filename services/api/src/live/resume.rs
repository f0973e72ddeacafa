//! Resuming: a client names the last `at` it received, and receives what arrived since.
//!
//! Every message carries `at`, the next position of every partition when the message was made. Messages reach a reader in
//! the order in which records arrived (a state that waits is conflated with later ones and keeps its own place and `at`), so
//! a client that received a message has received everything below its `at`. Positions mean the same on every instance.

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
        let since = self.ring(channel).since(&point.next)?;
        let mut missed: Vec<Update> = since.into_iter().filter(|update| matcher.matches(update)).cloned().collect();
        missed.sort_by_key(Update::number);
        Some(missed)
    }
}
