//! A step that the tape does not take, because a record of it is too large: the block is found, and the chain parks.

use super::{FollowObserver, Follower, Plan};
use crate::block::Scanned;
use crate::ports::{ChainReader, Clock, Failure, Lease, Request, RequestKind};
use crate::step::Step;
use std::sync::Arc;
use tape::Unavailable;

/// A step that was refused.
pub(super) struct RefusedStep {
    /// The lowest and the highest of its blocks.
    heights: Option<(u64, u64)>,
    why: String,
}

impl RefusedStep {
    pub(super) fn new(step: &Step, why: &Unavailable) -> Self {
        let changed = step.changes.iter().map(|(_, trade)| trade.block.id.height);
        let heights: Vec<u64> = changed.chain(step.pushed.iter().map(|block| block.id.height)).collect();
        let heights = heights.iter().copied().min().zip(heights.iter().copied().max());
        Self { heights, why: why.source.to_string() }
    }

    /// Whether no narrower step can be tried.
    pub(super) fn is_one_block(&self) -> bool {
        self.heights.is_none_or(|(lowest, highest)| lowest == highest)
    }

    /// Why the chain parks, and what cures it.
    pub(super) fn sentence(&self, plan: &Plan) -> String {
        let (Plan { chain, command, .. }, why) = (plan, &self.why);
        let again = format!("raise the topic's max.message.bytes and run: {command} repair --chain {chain} --confirm");
        match self.heights {
            Some((height, _)) => format!(
                "block {height} cannot be published: {why}; {again}; or leave its trades out: \
                 {command} repair --chain {chain} --skip {height} --confirm"
            ),
            None => format!("the chain's progress cannot be published: {why}; {again}"),
        }
    }
}

impl<C: ChainReader, L: Lease, K: Clock, O: FollowObserver> Follower<'_, C, L, K, O> {
    /// Scans a span; a height whose trades are to be left out is scanned by itself, and nothing covers it.
    pub(super) async fn scan(&mut self, first: u64, last: u64, finalized: Option<u64>) -> Result<Scanned, Failure> {
        let Some((id, height)) = next_skip(&self.lease.requests(), first, last) else {
            return self.chain.scan(first, last, finalized).await;
        };
        if height > first {
            return self.chain.scan(first, height - 1, finalized).await;
        }
        let mut scanned = match self.chain.scan(first, first, finalized).await {
            Err(Failure::Unreadable { why, .. }) => self.chain.leave_out(first, finalized, why).await?,
            scanned => scanned?,
        };
        if scanned.through >= first {
            for block in &mut scanned.blocks {
                block.trades.clear();
                block.proof = Arc::from("skipped");
            }
            scanned.digest = Arc::from("");
            self.skipped.push((id, height));
        }
        Ok(scanned)
    }

    /// Why a chain parks at a block that the code in force cannot read, and what cures it.
    pub(super) fn unreadable_sentence(&self, height: u64, why: &str) -> String {
        let Plan { chain, command, .. } = self.plan;
        format!("{why}; or leave its trades out: {command} repair --chain {chain} --skip {height} --confirm")
    }

    /// Notes the requests that need no more than the next step.
    pub(super) fn note_fulfilled(&mut self, requests: &[Request]) {
        let through = self.cursor.as_ref().map(|cursor| cursor.through);
        let is_done = |request: &&Request| match request.kind {
            RequestKind::Retry => true,
            RequestKind::Skip { height } => through.is_some_and(|through| height <= through),
            RequestKind::Backfill { .. } | RequestKind::Rewind { .. } => false,
        };
        let done = requests.iter().filter(is_done).map(|request| request.id.clone());
        self.to_fulfil = done.collect();
        self.skipped.clear();
    }
}

/// The lowest height of a span whose trades are to be left out, with the id of the request.
fn next_skip(requests: &[Request], first: u64, last: u64) -> Option<(String, u64)> {
    let skip = |request: &Request| match request.kind {
        RequestKind::Skip { height } => Some((request.id.clone(), height)),
        _ => None,
    };
    let skips = requests.iter().filter_map(skip).filter(|(_, height)| (first..=last).contains(height));
    skips.min_by_key(|(_, height)| *height)
}
