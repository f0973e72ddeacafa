//! What was decided goes to the tape: in bounded steps, each true by itself, with finality and signs of life.

use super::{Break, DEEP, End, Follower, IDLE_MS, Look, Trouble, Witness};
use crate::block::{Block, Tip};
use crate::ports::{Chain, Clock, Failure, Lease, Outcome};
use crate::step::{Cursor, Progress, State, Step};
use std::sync::Arc;
use tape::{BlockId, Status, Trade};

impl<C: Chain, L: Lease, K: Clock, W: Witness> Follower<'_, C, L, K, W> {
    /// Takes blocks back, newest first, and appends others, in as many steps as the bounds ask for.
    pub(super) async fn append(
        &mut self,
        tip: &Tip,
        reverts: Vec<(BlockId, Vec<Trade>)>,
        fresh: Vec<Block>,
        through: u64,
    ) -> Result<Look, Trouble> {
        let final_height = tip.finalized.as_ref().map(|id| id.height);
        let mut step = self.empty_step(tip)?;
        for (id, trades) in reverts {
            self.flush_before(&mut step, trades.len(), tip).await?;
            step.changes.extend(trades.into_iter().rev().map(|trade| (Status::Reverted, trade)));
            self.window.pop_above(id.height.saturating_sub(1));
            step.popped.push(id.height);
            step.cursor.head = self.window.head();
            step.cursor.through = id.height.saturating_sub(1);
        }
        for block in fresh {
            self.flush_before(&mut step, block.trades.len(), tip).await?;
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
        self.commit(step, tip).await?;
        Ok(Look::Moved)
    }

    pub(super) fn empty_step(&self, tip: &Tip) -> Result<Step, Failure> {
        let cursor = self.cursor.clone().ok_or_else(|| Failure::Hopeless("the chain has no cursor".to_owned()))?;
        let progress =
            Progress { state: State::Live, latest: Some(tip.latest.clone()), proof: Arc::clone(&self.proof) };
        Ok(Step { changes: vec![], popped: vec![], pushed: vec![], settled: vec![], cursor, progress })
    }

    /// Commits what has gathered when `more` changes would make the step too large.
    async fn flush_before(&mut self, step: &mut Step, more: usize, tip: &Tip) -> Result<(), Trouble> {
        if step.changes.is_empty() || step.changes.len() + more <= self.plan.step_changes {
            return Ok(());
        }
        self.raise_finality(step, tip);
        let full = std::mem::replace(step, self.empty_step(tip)?);
        let cursor = self.commit(full, tip).await?;
        step.cursor = cursor;
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

    pub(super) async fn commit(&mut self, mut step: Step, tip: &Tip) -> Result<Cursor, Break> {
        step.cursor.step += 1;
        let behind = step.cursor.through < tip.latest.height;
        step.progress.proof = Arc::clone(&self.proof);
        if !matches!(step.progress.state, State::Parked(_)) {
            step.progress.state = if behind { State::Catching } else { State::Live };
        }
        match self.lease.append(&step).await {
            Outcome::Done => {
                self.told = Some((step.progress, self.clock.now_ms()));
                self.cursor = Some(step.cursor.clone());
                Ok(step.cursor)
            }
            Outcome::Lost => Err(Break::End(End::Lost)),
            Outcome::Unknown(unavailable) => Err(Break::Claim(unavailable)),
        }
    }

    /// Says that the chain is alive when it has long said nothing, or when finality rises.
    pub(super) async fn idle(&mut self, tip: &Tip) -> Result<Look, Trouble> {
        let mut step = self.empty_step(tip)?;
        self.raise_finality(&mut step, tip);
        let rose = self.cursor.as_ref().is_some_and(|cursor| cursor.finalized != step.cursor.finalized);
        let silent = self.told.as_ref().is_none_or(|(_, at)| self.clock.now_ms().saturating_sub(*at) >= IDLE_MS);
        if rose || silent {
            self.commit(step, tip).await?;
        }
        Ok(Look::Idle)
    }

    /// Writes the sentence where readers see it, if the tape will have it.
    pub(super) async fn park(&mut self, why: String) -> Break {
        if let Some(cursor) = self.cursor.clone() {
            let mut cursor = cursor;
            cursor.step += 1;
            let progress = Progress { state: State::Parked(why.clone()), latest: None, proof: Arc::clone(&self.proof) };
            let step = Step { changes: vec![], popped: vec![], pushed: vec![], settled: vec![], cursor, progress };
            match self.lease.append(&step).await {
                Outcome::Done => {}
                Outcome::Lost => return Break::End(End::Lost),
                Outcome::Unknown(unavailable) => return Break::Claim(unavailable),
            }
        }
        Break::End(End::Parked(why))
    }
}
