//! Fulfils requests: a rewind takes trades back above a height, a backfill puts heights of the past on the tape.

use super::{Activity, FollowObserver, Follower, Interruption, MAX_REORG_BLOCKS, Plan, RetryDelay, TurnError};
use crate::coverage::Range;
use crate::ports::{ChainReader, Clock, Failure, Lease, Request, RequestKind};
use crate::step::Cursor;
use std::collections::BTreeMap;
use std::sync::Arc;
use tape::{BlockId, Status, Trade, Unavailable};

/// The first rewind that is requested.
pub(super) fn first_rewind(requests: &[Request]) -> Option<(String, u64)> {
    requests.iter().find_map(|request| match request.kind {
        RequestKind::Rewind { to } => Some((request.id.clone(), to)),
        RequestKind::Backfill { .. } | RequestKind::Skip { .. } | RequestKind::Retry => None,
    })
}

/// Steps at the head after which one backfill step follows, while there is always something new.
const STEPS_PER_BACKFILL: u32 = 16;

/// When the next backfill step is due, and how wide it is.
pub(super) struct BackfillSchedule {
    /// Heights of the next step: nodes may give fewer of the past at once than of what is new.
    span: u64,
    /// The requests that failed, by id: each waits by itself, and delays no other.
    failed: BTreeMap<String, FailedBackfill>,
    /// Steps at the head since the last backfill step.
    steps: u32,
}

/// A request that failed, until it gets on.
#[derive(Default)]
struct FailedBackfill {
    delay: RetryDelay,
    not_before_ms: u64,
}

impl BackfillSchedule {
    pub(super) fn with_span(span: u64) -> Self {
        Self { span: span.max(1), failed: BTreeMap::new(), steps: 0 }
    }

    /// Counts a step at the head; returns whether a backfill step is due.
    pub(super) fn is_due(&mut self) -> bool {
        self.steps = (self.steps + 1) % STEPS_PER_BACKFILL;
        self.steps == 0
    }

    /// Whether a request may be tried.
    fn may_try(&self, id: &str, now_ms: u64) -> bool {
        self.failed.get(id).is_none_or(|failed| failed.not_before_ms <= now_ms)
    }
}

impl<C: ChainReader, L: Lease, K: Clock, O: FollowObserver> Follower<'_, C, L, K, O> {
    /// Takes back every live trade above a height, newest block first, and sets the cursor there, whatever is final. If
    /// it is interrupted, the request stays and the next attempt takes back what is left.
    pub(super) async fn rewind(&mut self, id: String, to: u64) -> Result<Activity, TurnError> {
        let mut step = self.empty_step()?;
        if to < step.cursor.through {
            let live = self.live_above(&step.cursor, to).await.map_err(Interruption::ClaimAgain)?;
            self.observer.rewinding(&self.plan.chain, to, live.len());
            for (block, trades) in live {
                self.flush_before(&mut step, &trades).await?;
                self.take_back(&mut step, block.height, trades);
            }
            self.take_back(&mut step, to + 1, vec![]);
        }
        step.fulfilled.push(id);
        self.commit(step).await?;
        Ok(Activity::Appended)
    }

    /// The live trades above a height, newest block first: from the journal where each block above it stands there, else from
    /// the tape, all of which is read for that. A long tape takes longer than instances of an unquiet cluster live.
    async fn live_above(&mut self, cursor: &Cursor, to: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let journalled = self.lease.journalled_above(to).await?;
        let heights = journalled.iter().map(|(block, _)| block.height);
        if heights.eq((to + 1..=cursor.through).rev()) {
            return Ok(journalled);
        }
        self.lease.live_above(to).await
    }

    /// Puts the next few heights of the past on the tape, where a backfill is requested; a failure here delays nothing
    /// else.
    pub(super) async fn backfill_next(&mut self, requests: &[Request]) -> Result<Activity, TurnError> {
        let Some(cursor) = self.cursor.clone() else { return Ok(Activity::Idle) };
        self.backfill.failed.retain(|id, _| requests.iter().any(|request| request.id == *id));
        for Request { id, kind } in requests {
            let RequestKind::Backfill { from, to } = *kind else { continue };
            if !self.backfill.may_try(id, self.clock.now_ms()) {
                continue;
            }
            let filled = loop {
                match self.fill(&cursor, id, (from, to)).await {
                    Err(TurnError::Failure(Failure::TooWide(most))) if self.backfill.span > 1 => {
                        self.backfill.span = most.clamp(1, self.backfill.span - 1);
                    }
                    filled => break filled,
                }
            };
            match filled {
                // What a backfill reads is final: a height that is not there is missing, and does not come by itself. One
                // that the code in force cannot read is read again, perhaps by other code.
                Err(TurnError::Failure(failure)) => self.backfill_failed(id, &failure),
                // The heights that are left are not final yet.
                Ok(Activity::Idle) => {}
                Ok(Activity::Appended) => {
                    self.backfill.failed.remove(id);
                    self.backfill.steps = 0;
                    return Ok(Activity::Appended);
                }
                other => return other,
            }
        }
        Ok(Activity::Idle)
    }

    /// Lets a request wait, ever longer, and says why.
    fn backfill_failed(&mut self, id: &str, failure: &Failure) {
        let Plan { chain, command, .. } = self.plan;
        let (after_ms, cure) = match failure {
            Failure::Retry { after_ms, .. } => (after_ms.unwrap_or(0), String::new()),
            Failure::NotYet(_) | Failure::Reorged | Failure::TooWide(_) => (0, String::new()),
            Failure::Unreadable { .. } | Failure::Hopeless(_) => {
                (0, format!("; to give it up: {command} requests --chain {chain} --drop {id}"))
            }
        };
        let failed = self.backfill.failed.entry(id.to_owned()).or_default();
        let ms = failed.delay.next_ms(self.clock).max(after_ms);
        failed.not_before_ms = self.clock.now_ms() + ms;
        self.observer.retrying(chain, &format!("the backfill cannot go on: {failure}{cure}"), ms);
    }

    /// The next heights of one request; none where what is left is not final.
    async fn fill(&mut self, cursor: &Cursor, id: &str, (from, to): (u64, u64)) -> Result<Activity, TurnError> {
        let settled = self.settled_height(cursor);
        if let Some((first, last)) = self.hole(cursor, from, to.min(settled)) {
            return self.fill_span(cursor, id, (from, to), (first, last)).await;
        }
        if self.hole(cursor, from, to).is_some() {
            return Ok(Activity::Idle);
        }
        let mut step = self.empty_step()?;
        step.fulfilled.push(id.to_owned());
        self.commit(step).await?;
        Ok(Activity::Appended)
    }

    /// Scans final heights and publishes them, in bounded steps of complete blocks; each step records what it covers.
    async fn fill_span(
        &mut self,
        cursor: &Cursor,
        id: &str,
        (from, to): (u64, u64),
        (first, last): (u64, u64),
    ) -> Result<Activity, TurnError> {
        let last = last.min(first.saturating_add(self.backfill.span - 1));
        let scanned = self.chain.scan(first, last, Some(self.settled_height(cursor))).await?;
        if scanned.through < first {
            return Err(Failure::NotYet(first).into());
        }
        let mut step = self.empty_step()?;
        let mut start = first;
        let covered = |from: u64, to: u64| Range { from, to, digest: Arc::clone(&scanned.digest) };
        for block in scanned.blocks {
            if self.is_full_with(&step, &block.trades) {
                step.ranges.extend(self.coverage.add(&covered(start, block.id.height - 1)));
                start = block.id.height;
                self.commit(std::mem::replace(&mut step, self.empty_step()?)).await?;
                step = self.empty_step()?;
            }
            step.cursor.unbacked += block.unbacked;
            step.cursor.dropped.add(&block.dropped);
            step.changes.extend(block.trades.into_iter().map(|trade| (Status::Finalized, trade)));
        }
        step.ranges.extend(self.coverage.add(&covered(start, scanned.through)));
        if self.hole(cursor, from, to).is_none() {
            step.fulfilled.push(id.to_owned());
        }
        self.commit(step).await?;
        self.backfill.span = self.backfill.span.saturating_add(1).min(self.plan.span.max(1));
        Ok(Activity::Appended)
    }

    /// The height up to which the past can no longer change: the node's finalized height, since there is no block of
    /// ours there to compare with. What the chain has not followed yet is no past: it comes by itself, and would come twice.
    fn settled_height(&self, cursor: &Cursor) -> u64 {
        let finalized = self.tip.as_ref().and_then(|tip| tip.finalized.as_ref()).or(cursor.finalized.as_ref());
        let lowest = || cursor.through.saturating_sub(MAX_REORG_BLOCKS as u64);
        finalized.map_or_else(lowest, |block| block.height.min(cursor.through))
    }

    /// The lowest heights from `from` to `to` that neither a range nor the chain itself covers.
    fn hole(&self, cursor: &Cursor, from: u64, to: u64) -> Option<(u64, u64)> {
        let followed = cursor.followed();
        self.coverage.hole(from, to, followed.as_ref())
    }
}
