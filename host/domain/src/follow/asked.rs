//! What is asked of the chain's owner: to take trades back above a height, or to fill in the past.

use super::{Break, DEEP, Follower, Look, Patience, Trouble, Witness};
use crate::coverage::Range;
use crate::ports::{Ask, Chain, Clock, Failure, Lease, Request};
use crate::step::Cursor;
use std::sync::Arc;
use tape::Status;

/// The first rewind that is asked for.
pub(super) fn rewind(requests: &[Request]) -> Option<(String, u64)> {
    requests.iter().find_map(|request| match request.ask {
        Ask::Rewind { to } => Some((request.id.clone(), to)),
        Ask::Backfill { .. } => None,
    })
}

/// Moves of the head after which the past has its turn, while there is always something new.
const MOVES: u32 = 16;

/// When the past is looked at.
#[derive(Default)]
pub(super) struct Past {
    patience: Patience,
    /// After a failure.
    not_before_ms: u64,
    /// Moves of the head since it had its turn.
    moves: u32,
}

impl Past {
    /// Whether it has waited for so many moves.
    pub(super) fn has_its_turn(&mut self) -> bool {
        self.moves = (self.moves + 1) % MOVES;
        self.moves == 0
    }
}

impl<C: Chain, L: Lease, K: Clock, W: Witness> Follower<'_, C, L, K, W> {
    /// Takes back every live trade above a height, newest block first, and sets the cursor there, whatever is final. Cut
    /// short, it is asked again and takes back what is left.
    pub(super) async fn rewind(&mut self, id: String, to: u64) -> Result<Look, Trouble> {
        let mut step = self.empty_step()?;
        if to < step.cursor.through {
            let live = self.lease.recall(to).await.map_err(Break::Claim)?;
            self.witness.rewound(&self.plan.chain, to, live.len());
            for (block, trades) in live {
                self.flush_before(&mut step, &trades).await?;
                self.give_back(&mut step, block.height, trades);
            }
            self.give_back(&mut step, to + 1, vec![]);
        }
        step.answered.push(id);
        self.commit(step).await?;
        Ok(Look::Moved)
    }

    /// Puts the next few heights of the past on the tape, where some are asked for; a failure here delays nothing else.
    pub(super) async fn backfill(&mut self, requests: &[Request]) -> Result<Look, Trouble> {
        if self.past.not_before_ms > self.clock.now_ms() {
            return Ok(Look::Idle);
        }
        match self.fill(requests).await {
            Err(Trouble::Failure(Failure::Retry { after_ms, why })) => {
                let ms = self.past.patience.next(self.clock).max(after_ms.unwrap_or(0));
                self.past.not_before_ms = self.clock.now_ms() + ms;
                self.witness.waits(&self.plan.chain, &format!("the past cannot be filled in: {why}"), ms);
                Ok(Look::Idle)
            }
            Err(Trouble::Failure(Failure::NotYet(_) | Failure::Reorged)) => Ok(Look::Idle),
            filled => {
                self.past = Past::default();
                filled
            }
        }
    }

    async fn fill(&mut self, requests: &[Request]) -> Result<Look, Trouble> {
        let Some(cursor) = self.cursor.clone() else { return Ok(Look::Idle) };
        let settled = self.settled_height(&cursor);
        for Request { id, ask } in requests {
            let Ask::Backfill { from, to } = *ask else { continue };
            if let Some((first, last)) = self.hole(&cursor, from, to.min(settled)) {
                return self.fill_span(&cursor, id, (from, to), (first, last)).await;
            }
            if self.hole(&cursor, from, to).is_none() {
                let mut step = self.empty_step()?;
                step.answered.push(id.clone());
                self.commit(step).await?;
                return Ok(Look::Moved);
            }
            // What is left is not final yet.
        }
        Ok(Look::Idle)
    }

    /// Scans final heights and publishes them, in bounded steps of whole blocks that each say what they cover.
    async fn fill_span(
        &mut self,
        cursor: &Cursor,
        id: &str,
        (from, to): (u64, u64),
        (first, last): (u64, u64),
    ) -> Result<Look, Trouble> {
        let last = last.min(first.saturating_add(self.span - 1));
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
            step.changes.extend(block.trades.into_iter().map(|trade| (Status::Finalized, trade)));
        }
        step.ranges.extend(self.coverage.add(&covered(start, scanned.through)));
        if self.hole(cursor, from, to).is_none() {
            step.answered.push(id.to_owned());
        }
        self.commit(step).await?;
        Ok(Look::Moved)
    }

    /// Up to where the past can no longer change: the node's word, since we have no block there to compare with.
    fn settled_height(&self, cursor: &Cursor) -> u64 {
        let said = self.tip.as_ref().and_then(|tip| tip.finalized.as_ref()).or(cursor.finalized.as_ref());
        said.map_or_else(|| cursor.through.saturating_sub(DEEP as u64), |block| block.height)
    }

    /// The lowest heights from `from` to `to` that neither a range nor the chain itself covers.
    fn hole(&self, cursor: &Cursor, from: u64, to: u64) -> Option<(u64, u64)> {
        let followed = cursor.followed();
        self.coverage.hole(from, to, followed.as_ref())
    }
}
