//! What was decided goes to the tape: in bounded steps, each true by itself, with finality and signs of life.

use super::{Break, DEEP, End, Follower, IDLE_MS, Look, Trouble, Witness};
use crate::block::{Block, Tip};
use crate::ports::{Chain, Clock, Failure, Lease, Outcome};
use crate::step::{Cursor, Progress, State, Step};
use std::sync::Arc;
use tape::{BlockId, Status, Trade};

/// About how many bytes a trade takes on the tape, and each of its legs and fees.
const TRADE_BYTES: usize = 1_200;
const LEG_BYTES: usize = 320;

impl<C: Chain, L: Lease, K: Clock, W: Witness> Follower<'_, C, L, K, W> {
    /// Takes blocks back, newest first, and appends others scanned by the code of that digest, in as many steps as the
    /// bounds ask for.
    pub(super) async fn append(
        &mut self,
        tip: &Tip,
        reverts: Vec<(BlockId, Vec<Trade>)>,
        fresh: Vec<Block>,
        through: u64,
        digest: &Arc<str>,
    ) -> Result<Look, Trouble> {
        let final_height = tip.finalized.as_ref().map(|id| id.height);
        let mut step = self.empty_step()?;
        for (id, trades) in reverts {
            self.flush_before(&mut step, &trades).await?;
            self.give_back(&mut step, id.height, trades);
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
            if settled {
                // It is not journalled and can never be given back: what was published as final is final.
                step.cursor.finalized = Some(block.id);
            } else {
                step.pushed.push(block);
            }
        }
        step.cursor.through = step.cursor.through.max(through);
        self.raise_finality(&mut step, tip);
        self.commit(step).await?;
        // Only what led to something widens the next span: a look that asks twice must not be refused for ever.
        self.span = self.span.saturating_add(1).min(self.plan.span.max(1));
        Ok(Look::Moved)
    }

    /// Takes the trades of the blocks from a height on back, which must be the newest ones.
    pub(super) fn give_back(&mut self, step: &mut Step, height: u64, trades: Vec<Trade>) {
        let below = height.saturating_sub(1);
        step.changes.extend(trades.into_iter().rev().map(|trade| (Status::Reverted, trade)));
        step.popped.extend(self.window.pop_above(below).into_iter().map(|id| id.height));
        step.ranges.extend(self.coverage.cut(below));
        let cursor = &mut step.cursor;
        if cursor.finalized.as_ref().is_some_and(|block| block.height > below) {
            // What was published as final is not all known by hash: the branch begins anew with the next block.
            step.popped.extend(self.window.clear());
            cursor.finalized = None;
        }
        cursor.head = self.window.head();
        cursor.through = below;
        cursor.since = cursor.since.min(height);
    }

    /// Other code begins where the code before it has ended.
    fn take_over(&mut self, step: &mut Step, digest: &Arc<str>) {
        if step.cursor.digest == *digest {
            return;
        }
        if let Some(followed) = step.cursor.followed() {
            step.ranges.extend(self.coverage.add(&followed));
        }
        // What no code has scanned stays a gap.
        if step.cursor.step > 0 {
            step.cursor.since = step.cursor.through + 1;
        }
        step.cursor.digest = Arc::clone(digest);
    }

    /// A step that changes nothing.
    pub(super) fn empty_step(&self) -> Result<Step, Failure> {
        let cursor = self.cursor.clone().ok_or_else(|| Failure::Hopeless("the chain has no cursor".to_owned()))?;
        Ok(self.step_to(cursor, State::Live))
    }

    fn step_to(&self, cursor: Cursor, state: State) -> Step {
        let latest = self.tip.as_ref().map(|tip| tip.latest.clone());
        let progress = Progress { state, latest, proof: Arc::clone(&self.proof) };
        Step::still(cursor, progress)
    }

    /// Whether these trades would make the step too large.
    pub(super) fn is_full_with(&self, step: &Step, trades: &[Trade]) -> bool {
        let bytes = |trade: &Trade| TRADE_BYTES + LEG_BYTES * (trade.legs.len() + trade.fees.len());
        let weight = step.changes.iter().map(|(_, trade)| bytes(trade)).chain(trades.iter().map(bytes)).sum::<usize>();
        let count = step.changes.len() + trades.len();
        !step.changes.is_empty() && (count > self.plan.step_changes || weight > self.plan.step_bytes)
    }

    /// Commits what has gathered when these trades would make the step too large.
    pub(super) async fn flush_before(&mut self, step: &mut Step, trades: &[Trade]) -> Result<(), Trouble> {
        if self.is_full_with(step, trades) {
            let full = std::mem::replace(step, self.empty_step()?);
            self.commit(full).await?;
            *step = self.empty_step()?;
        }
        Ok(())
    }

    /// Final is what the node calls final and we have too; it only rises. A chain that calls nothing final forgets
    /// what lies very deep.
    fn raise_finality(&mut self, step: &mut Step, tip: &Tip) {
        if tip.finalized.is_none() {
            step.settled = self.window.settle(step.cursor.through.saturating_sub(DEEP as u64));
        }
        let Some(id) = tip.finalized.as_ref().filter(|id| self.window.holds(id)) else { return };
        if step.cursor.finalized.as_ref().is_none_or(|known| known.height < id.height) {
            step.cursor.finalized = Some(id.clone());
            step.settled = self.window.settle(id.height);
        }
    }

    pub(super) async fn commit(&mut self, mut step: Step) -> Result<(), Break> {
        step.cursor.step += 1;
        let behind = self.tip.as_ref().is_some_and(|tip| step.cursor.through < tip.latest.height);
        step.progress.proof = Arc::clone(&self.proof);
        if !matches!(step.progress.state, State::Parked(_)) {
            step.progress.state = if behind { State::Catching } else { State::Live };
        }
        match self.lease.append(&step).await {
            Outcome::Done => {
                self.told = Some(self.clock.now_ms());
                self.cursor = Some(step.cursor);
                Ok(())
            }
            Outcome::Lost => Err(Break::End(End::Lost)),
            Outcome::Unknown(unavailable) => Err(Break::Claim(unavailable)),
        }
    }

    /// Says that the chain is alive when it has long said nothing, or when finality rises.
    pub(super) async fn idle(&mut self, tip: &Tip) -> Result<Look, Trouble> {
        let mut step = self.empty_step()?;
        self.raise_finality(&mut step, tip);
        let rose = self.cursor.as_ref().is_some_and(|cursor| cursor.finalized != step.cursor.finalized);
        let silent = self.told.is_none_or(|at| self.clock.now_ms().saturating_sub(at) >= IDLE_MS);
        if rose || silent {
            self.commit(step).await?;
        }
        Ok(Look::Idle)
    }

    /// Writes the sentence where readers see it, if the tape will have it.
    pub(super) async fn park(&mut self, why: String) -> Break {
        if let Some(cursor) = self.cursor.clone() {
            let step = self.step_to(cursor, State::Parked(why.clone()));
            if let Err(cut) = self.commit(step).await {
                return cut;
            }
        }
        Break::End(End::Parked(why))
    }
}
