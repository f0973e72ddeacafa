//! Appends what was decided to the tape: in bounded steps, each consistent by itself, with finality and heartbeats.

use super::refused::RefusedStep;
use super::{Activity, End, FollowObserver, Follower, HEARTBEAT_MS, Interruption, MAX_REORG_BLOCKS, TurnError};
use crate::block::{Block, Tip};
use crate::ports::{AppendOutcome, ChainReader, Clock, Failure, Lease};
use crate::step::{ChainState, Cursor, Progress, Step};
use std::sync::Arc;
use tape::{BlockId, Status, Trade};

/// About how many bytes a trade takes on the tape, and each of its legs and fees.
const TRADE_BYTES: usize = 1_200;
const LEG_BYTES: usize = 320;

impl<C: ChainReader, L: Lease, K: Clock, O: FollowObserver> Follower<'_, C, L, K, O> {
    /// Takes blocks back, newest first, and appends others scanned by the code of that digest, in as many steps as the
    /// bounds ask for.
    pub(super) async fn append(
        &mut self,
        tip: &Tip,
        reverts: Vec<(BlockId, Vec<Trade>)>,
        fresh: Vec<Block>,
        through: u64,
        digest: &Arc<str>,
    ) -> Result<Activity, TurnError> {
        let final_height = tip.finalized.as_ref().map(|id| id.height);
        let mut step = self.empty_step()?;
        for (id, trades) in reverts {
            self.flush_before(&mut step, &trades).await?;
            self.take_back(&mut step, id.height, trades);
        }
        self.take_over(&mut step, digest);
        for block in fresh {
            self.flush_before(&mut step, &block.trades).await?;
            let settled = block.parent.is_none() || final_height.is_some_and(|height| block.id.height <= height);
            let status = if settled { Status::Finalized } else { Status::Observed };
            step.changes.extend(block.trades.iter().map(|trade| (status, trade.clone())));
            self.window.push(&block.id);
            self.proof = Arc::clone(&block.proof);
            step.cursor.head = Some(block.id.clone());
            step.cursor.through = block.id.height;
            step.cursor.unbacked += block.unbacked;
            step.cursor.dropped.add(&block.dropped);
            if settled {
                // It is not journalled: what was published as final is never taken back by a reorg.
                step.cursor.finalized = Some(block.id);
            } else {
                step.pushed.push(block);
            }
        }
        step.cursor.through = step.cursor.through.max(through);
        self.raise_finality(&mut step, tip);
        self.commit(step).await?;
        self.widen_span();
        Ok(Activity::Appended)
    }

    /// Widens the next span. Only a successful append does: a span that is refused as too wide must not be asked for
    /// again and again.
    fn widen_span(&mut self) {
        self.span = self.span.saturating_add(1).min(self.plan.span.max(1));
        self.is_narrowed &= self.span < self.plan.span;
    }

    /// Takes the trades of the blocks from a height on back, which must be the newest ones.
    pub(super) fn take_back(&mut self, step: &mut Step, height: u64, trades: Vec<Trade>) {
        let below = height.saturating_sub(1);
        step.changes.extend(trades.into_iter().rev().map(|trade| (Status::Reverted, trade)));
        step.popped.extend(self.window.pop_above(below).into_iter().map(|id| id.height));
        step.ranges.extend(self.coverage.cut(below));
        let cursor = &mut step.cursor;
        if cursor.finalized.as_ref().is_some_and(|block| block.height > below) {
            // Not all blocks that were published as final are known by hash: the branch begins anew with the next
            // block.
            step.popped.extend(self.window.clear());
            cursor.finalized = None;
        }
        cursor.head = self.window.head();
        cursor.through = below;
        cursor.since = cursor.since.min(height);
    }

    /// Lets other code begin where the code before it has ended.
    fn take_over(&mut self, step: &mut Step, digest: &Arc<str>) {
        if step.cursor.digest == *digest {
            return;
        }
        if let Some(followed) = step.cursor.followed() {
            step.ranges.extend(self.coverage.add(&followed));
        }
        // Heights that no code has scanned stay a gap.
        if step.cursor.step > 0 {
            step.cursor.since = step.cursor.through + 1;
        }
        step.cursor.digest = Arc::clone(digest);
    }

    /// A step that changes nothing.
    pub(super) fn empty_step(&self) -> Result<Step, Failure> {
        let cursor = self.cursor.clone().ok_or_else(|| Failure::Hopeless("the chain has no cursor".to_owned()))?;
        Ok(self.step_to(cursor, ChainState::Live))
    }

    fn step_to(&self, cursor: Cursor, state: ChainState) -> Step {
        Step::without_changes(cursor, self.progress(state))
    }

    /// What is published about the chain; since when it is so is filled in when it is published.
    pub(super) fn progress(&self, state: ChainState) -> Progress {
        let latest = self.tip.as_ref().map(|tip| tip.latest.clone());
        let (proof, endpoint) = (Arc::clone(&self.proof), self.chain.endpoint());
        Progress { state, latest, proof, since_ms: 0, endpoint }
    }

    /// Whether these trades would make the step too large.
    pub(super) fn is_full_with(&self, step: &Step, trades: &[Trade]) -> bool {
        let bytes = |trade: &Trade| TRADE_BYTES + LEG_BYTES * (trade.legs.len() + trade.fees.len());
        let weight = step.changes.iter().map(|(_, trade)| bytes(trade)).chain(trades.iter().map(bytes)).sum::<usize>();
        let count = step.changes.len() + trades.len();
        !step.changes.is_empty() && (count > self.plan.step_changes || weight > self.plan.step_bytes)
    }

    /// Commits what has gathered when these trades would make the step too large.
    pub(super) async fn flush_before(&mut self, step: &mut Step, trades: &[Trade]) -> Result<(), TurnError> {
        if self.is_full_with(step, trades) {
            let full = std::mem::replace(step, self.empty_step()?);
            self.commit(full).await?;
            *step = self.empty_step()?;
        }
        Ok(())
    }

    /// Raises finality to the block that the node calls final, if it is on the tape; it never falls. A chain whose
    /// nodes call nothing final forgets the blocks that lie very deep.
    fn raise_finality(&mut self, step: &mut Step, tip: &Tip) {
        if tip.finalized.is_none() {
            step.settled = self.window.settle(step.cursor.through.saturating_sub(MAX_REORG_BLOCKS as u64));
        }
        let Some(id) = tip.finalized.as_ref().filter(|id| self.window.holds(id)) else { return };
        if step.cursor.finalized.as_ref().is_none_or(|known| known.height < id.height) {
            step.cursor.finalized = Some(id.clone());
            step.settled = self.window.settle(id.height);
        }
    }

    pub(super) async fn commit(&mut self, mut step: Step) -> Result<(), Interruption> {
        step.cursor.step += 1;
        step.fulfilled.append(&mut self.to_fulfil);
        let skipped = self.skipped.extract_if(.., |(_, height)| *height <= step.cursor.through);
        step.fulfilled.extend(skipped.map(|(id, _)| id));
        let behind = self.tip.as_ref().is_some_and(|tip| step.cursor.through < tip.latest.height);
        step.progress.proof = Arc::clone(&self.proof);
        if !matches!(step.progress.state, ChainState::Parked(_)) {
            step.progress.state = if behind { ChainState::Catching } else { ChainState::Live };
        }
        step.progress.since_ms = self.condition.since(&step.progress.state, self.clock.now_ms());
        match self.lease.append(&step).await {
            AppendOutcome::Done => {
                self.appended_ms = Some(self.clock.now_ms());
                self.condition.published(&step.progress.state);
                self.cursor = Some(step.cursor);
                Ok(())
            }
            AppendOutcome::Lost => Err(Interruption::End(End::Lost)),
            AppendOutcome::Refused(why) => Err(Interruption::Refused(RefusedStep::new(&step, &why))),
            AppendOutcome::Unknown(unavailable) => Err(Interruption::ClaimAgain(unavailable)),
        }
    }

    /// Publishes progress when nothing was appended for a while, or when finality rises.
    pub(super) async fn idle(&mut self, tip: &Tip) -> Result<Activity, TurnError> {
        let mut step = self.empty_step()?;
        self.raise_finality(&mut step, tip);
        let rose = self.cursor.as_ref().is_some_and(|cursor| cursor.finalized != step.cursor.finalized);
        let heartbeat_due = self.appended_ms.is_none_or(|at| self.clock.now_ms().saturating_sub(at) >= HEARTBEAT_MS);
        if rose || heartbeat_due || self.condition.is_to_be_corrected() {
            self.commit(step).await?;
        }
        Ok(Activity::Idle)
    }

    /// Parks the chain, with the sentence in its progress.
    pub(super) async fn park(&mut self, why: String) -> Interruption {
        let state = ChainState::Parked(why.clone());
        let published = match self.cursor.clone() {
            Some(cursor) => self.commit(self.step_to(cursor, state)).await,
            None => self.announce(state).await,
        };
        match published {
            Ok(()) | Err(Interruption::Refused(_)) => Interruption::End(End::Parked(why)),
            Err(interruption) => interruption,
        }
    }
}
