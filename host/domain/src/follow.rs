//! The story of one chain: claim it, look at its head, append what is new, and on a break go back to the common ancestor.

use crate::block::{Block, Tip};
use crate::ports::{Chain, Clock, Failure, Journal, Lease, Outcome, Tape};
use crate::step::{Cursor, Progress, State, Step};
use crate::window::{Relation, Window};
use std::sync::Arc;
use tape::{BlockId, Status, Trade, Unavailable};

/// Where a chain without a cursor begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// At the newest block.
    Latest,
    /// At the newest final block.
    Finalized,
    /// At this height.
    Height(u64),
}

/// How a chain is to be followed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Id from the chain file.
    pub chain: String,
    /// Where to begin.
    pub beginning: Beginning,
    /// Heights asked for at once.
    pub span: u64,
    /// Milliseconds between looks at the head.
    pub poll_ms: u64,
    /// Changes in one step, unless one block has more.
    pub step_changes: usize,
}

/// Milliseconds after which an idle chain says that it is alive.
const IDLE_MS: u64 = 5_000;
/// Milliseconds of the first and the longest wait after a failure.
const BACKOFF_MS: (u64, u64) = (200, 30_000);

/// Blocks that may be left on a chain that calls nothing final.
const DEEP: usize = 4_096;

/// Why the story of a chain ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The process is to stop.
    Stopped,
    /// Nothing helps but a person; the sentence says what.
    Parked(String),
    /// Another instance holds the chain.
    Lost,
}

/// What interrupts the work on a claimed chain.
enum Break {
    End(End),
    /// A step may or may not be on the tape.
    Claim(Unavailable),
}

/// What is told about failures that are waited out; the caller logs it.
pub trait Witness: Send + Sync {
    /// Something failed and will be tried again after so many milliseconds.
    fn waits(&self, chain: &str, why: &str, ms: u64);
    /// A branch was left: so many blocks down to the ancestor.
    fn reorged(&self, chain: &str, ancestor: u64, blocks: usize);
}

/// Follows a chain until the end.
pub async fn follow(
    chain: &mut impl Chain,
    tape: &impl Tape,
    clock: &impl Clock,
    witness: &impl Witness,
    plan: &Plan,
) -> End {
    let mut patience = Patience::default();
    while !clock.stopping() {
        let claimed = match tape.claim(&plan.chain).await {
            Ok((lease, journal)) => {
                patience.reset();
                Follower::new(chain, lease, clock, witness, plan, journal).work().await
            }
            Err(unavailable) => Break::Claim(unavailable),
        };
        match claimed {
            Break::End(end) => return end,
            Break::Claim(unavailable) => {
                let ms = patience.next();
                witness.waits(&plan.chain, &told(&unavailable), ms);
                clock.pause(ms).await;
            }
        }
    }
    End::Stopped
}

fn told(unavailable: &Unavailable) -> String {
    format!("failed to {}: {}", unavailable.doing, unavailable.source)
}

/// Exponential waits.
#[derive(Default)]
struct Patience(u32);

impl Patience {
    fn next(&mut self) -> u64 {
        let ms = BACKOFF_MS.0.saturating_mul(1 << self.0.min(16)).min(BACKOFF_MS.1);
        self.0 += 1;
        ms
    }

    fn reset(&mut self) {
        self.0 = 0;
    }
}

struct Follower<'a, C, L, K, W> {
    chain: &'a mut C,
    lease: L,
    clock: &'a K,
    witness: &'a W,
    plan: &'a Plan,
    window: Window,
    cursor: Option<Cursor>,
    span: u64,
    proof: Arc<str>,
    told: Option<(Progress, u64)>,
}

/// What one look at the head led to.
enum Look {
    /// Something was appended: look again at once.
    Moved,
    /// Nothing new.
    Idle,
}

/// Why a look failed.
enum Trouble {
    Failure(Failure),
    Break(Break),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Break> for Trouble {
    fn from(cut: Break) -> Self {
        Self::Break(cut)
    }
}

impl<'a, C: Chain, L: Lease, K: Clock, W: Witness> Follower<'a, C, L, K, W> {
    fn new(chain: &'a mut C, lease: L, clock: &'a K, witness: &'a W, plan: &'a Plan, journal: Journal) -> Self {
        let mut window = Window::of(journal.blocks);
        if let Some(head) = journal.cursor.as_ref().and_then(|cursor| cursor.head.as_ref()) {
            window.push(head);
        }
        Self {
            chain,
            lease,
            clock,
            witness,
            plan,
            window,
            cursor: journal.cursor,
            span: plan.span.max(1),
            proof: Arc::from("none"),
            told: None,
        }
    }

    async fn work(&mut self) -> Break {
        let mut patience = Patience::default();
        while !self.clock.stopping() {
            let wait = match self.look().await {
                Ok(Look::Moved) => {
                    patience.reset();
                    continue;
                }
                Ok(Look::Idle) => {
                    patience.reset();
                    self.plan.poll_ms
                }
                Err(Trouble::Failure(Failure::TooWide(most))) => {
                    self.span = most.clamp(1, self.span.saturating_sub(1).max(1));
                    continue;
                }
                Err(Trouble::Failure(Failure::NotYet(_) | Failure::Reorged)) => self.plan.poll_ms,
                Err(Trouble::Failure(Failure::Retry { after_ms, why })) => {
                    let ms = patience.next().max(after_ms.unwrap_or(0));
                    self.witness.waits(&self.plan.chain, &why, ms);
                    ms
                }
                Err(Trouble::Failure(Failure::Hopeless(why))) => return self.park(why).await,
                Err(Trouble::Break(cut)) => return cut,
            };
            self.clock.pause(wait).await;
        }
        Break::End(End::Stopped)
    }

    /// Looks at the head and appends what is new.
    async fn look(&mut self) -> Result<Look, Trouble> {
        let tip = self.chain.head().await?;
        self.check_network(&tip)?;
        let Some(cursor) = self.cursor.clone() else {
            return self.begin(&tip).await;
        };
        if self.window.contradicts(&tip.latest) || tip.finalized.as_ref().is_some_and(|id| self.window.contradicts(id))
        {
            return self.leave_branch(&tip).await;
        }
        if tip.latest.height > cursor.through {
            return self.extend(&tip, cursor.through + 1).await;
        }
        self.idle(&tip).await
    }

    fn check_network(&mut self, tip: &Tip) -> Result<(), Failure> {
        let Some(cursor) = &self.cursor else { return Ok(()) };
        if cursor.network == tip.network {
            return Ok(());
        }
        let why = format!("the endpoint follows network {}, the tape has {}", tip.network, cursor.network);
        self.chain.blame(&why);
        Err(Failure::Retry { after_ms: None, why })
    }

    async fn begin(&mut self, tip: &Tip) -> Result<Look, Trouble> {
        let first = match self.plan.beginning {
            Beginning::Latest => tip.latest.height,
            Beginning::Finalized => tip.finalized.as_ref().unwrap_or(&tip.latest).height,
            Beginning::Height(height) => height,
        };
        if first > tip.latest.height {
            return Err(Failure::NotYet(first).into());
        }
        self.cursor = Some(Cursor {
            step: 0,
            network: Arc::clone(&tip.network),
            head: None,
            through: first.saturating_sub(1),
            finalized: None,
            unbacked: 0,
        });
        let looked = self.extend(tip, first).await;
        if self.cursor.as_ref().is_some_and(|cursor| cursor.step == 0) {
            self.cursor = None;
        }
        looked
    }

    /// Appends the next span.
    async fn extend(&mut self, tip: &Tip, first: u64) -> Result<Look, Trouble> {
        let last = tip.latest.height.min(first.saturating_add(self.span - 1));
        let finalized = tip.finalized.as_ref().map(|id| id.height);
        let scanned = self.chain.scan(first, last, finalized).await?;
        if self.span < self.plan.span {
            self.span += 1;
        }
        let mut branch = self.window.clone();
        let mut fresh = vec![];
        for block in scanned.blocks {
            match branch.relation(&block) {
                Relation::Known => {}
                Relation::Extends => {
                    branch.push(&block.id);
                    fresh.push(block);
                }
                Relation::Breaks if fresh.is_empty() => return self.leave_branch(tip).await,
                // The endpoint changed its mind within one answer: keep what fits, look again for the rest.
                Relation::Breaks => {
                    let through = fresh.last().map_or(0, |block: &Block| block.id.height);
                    return self.append(tip, vec![], fresh, through).await;
                }
            }
        }
        if scanned.through < first && fresh.is_empty() {
            return Err(Failure::NotYet(first).into());
        }
        self.append(tip, vec![], fresh, scanned.through).await
    }

    /// Goes back to the newest block that the endpoint has too, and takes its branch from there.
    async fn leave_branch(&mut self, tip: &Tip) -> Result<Look, Trouble> {
        let finalized = tip.finalized.as_ref().map(|id| id.height);
        let common = self.common_height(tip, finalized).await?;
        let floor = self.cursor.as_ref().and_then(|cursor| cursor.finalized.as_ref()).map(|id| id.height);
        let common = common.filter(|height| floor.is_none_or(|floor| *height >= floor));
        // Nothing is final yet and all that was ever taken is at hand: all of it can be given back.
        let whole = self.window.oldest().filter(|_| floor.is_none() && self.window.len() < DEEP);
        let Some(common) = common.or_else(|| whole.map(|oldest| oldest.saturating_sub(1))) else {
            return Err(self.below_finality(floor).into());
        };
        let last = tip.latest.height.min(common.saturating_add(self.span));
        let mut ancestor = common;
        let mut fresh = vec![];
        let mut through = common;
        if last > common {
            let scanned = self.chain.scan(common + 1, last, finalized).await?;
            let mut branch = self.window.clone();
            for block in scanned.blocks {
                if fresh.is_empty() && branch.holds(&block.id) {
                    ancestor = block.id.height;
                    continue;
                }
                if fresh.is_empty() {
                    branch.pop_above(ancestor);
                }
                if branch.relation(&block) != Relation::Extends {
                    return Err(Failure::Reorged.into());
                }
                branch.push(&block.id);
                fresh.push(block);
            }
            through = scanned.through.max(ancestor);
        }
        if self.window.head().is_none_or(|head| head.height <= ancestor) {
            // All that we have is on the endpoint's branch after all.
            return if fresh.is_empty() { Ok(Look::Idle) } else { self.append(tip, vec![], fresh, through).await };
        }
        let orphans = self.lease.above(ancestor).await.map_err(Break::Claim)?;
        let mut left = self.window.clone().pop_above(ancestor);
        self.witness.reorged(&self.plan.chain, ancestor, left.len());
        let mut reverts = vec![];
        for id in left.drain(..) {
            let trades = orphans.iter().find(|(orphan, _)| *orphan == id).map(|(_, trades)| trades.clone());
            let Some(trades) = trades else {
                let why = format!("the journal holds no trades of block {id}, which must be taken back");
                return Err(Failure::Hopeless(why).into());
            };
            reverts.push((id, trades));
        }
        self.append(tip, reverts, fresh, through).await
    }

    /// A height at which the endpoint has the block that we have; none down to the oldest we know.
    async fn common_height(&mut self, tip: &Tip, finalized: Option<u64>) -> Result<Option<u64>, Trouble> {
        for probe in self.window.probes() {
            if probe > tip.latest.height {
                continue;
            }
            let scanned = self.chain.scan(probe, probe, finalized).await?;
            if scanned.blocks.iter().any(|block| self.window.holds(&block.id)) {
                return Ok(Some(probe));
            }
        }
        Ok(None)
    }

    fn below_finality(&self, floor: Option<u64>) -> Failure {
        let chain = &self.plan.chain;
        let floor = floor.map_or_else(|| "the oldest block known".to_owned(), |height| format!("height {height}"));
        Failure::Hopeless(format!(
            "the chain left its branch below {floor}, which was final; check the endpoints, then run: \
             chain-ingestor rewind --chain {chain} --to HEIGHT"
        ))
    }

    /// Takes blocks back, newest first, and appends others, in as many steps as the bounds ask for.
    async fn append(
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
            if !settled {
                step.pushed.push(block);
            }
        }
        step.cursor.through = step.cursor.through.max(through);
        self.raise_finality(&mut step, tip);
        self.commit(step, tip).await?;
        Ok(Look::Moved)
    }

    fn empty_step(&self, tip: &Tip) -> Result<Step, Failure> {
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

    async fn commit(&mut self, mut step: Step, tip: &Tip) -> Result<Cursor, Break> {
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
    async fn idle(&mut self, tip: &Tip) -> Result<Look, Trouble> {
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
    async fn park(&mut self, why: String) -> Break {
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
