//! The story of one chain: claim it, look at its head, append what is new, and on a break go back to the common ancestor.

mod branch;
mod append;
mod asked;

use crate::block::{Block, Tip};
use crate::coverage::Coverage;
use crate::ports::{Chain, Clock, Failure, Journal, Lease, Outcome, Tape};
use crate::step::{Cursor, Progress, State, Step};
use crate::window::{Relation, Window};
use std::sync::Arc;
use tape::Unavailable;

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
    /// Estimated bytes of the changes in one step, unless one block has more.
    pub step_bytes: usize,
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
    /// What stood above a height is taken back because that was asked: so many blocks with trades.
    fn rewound(&self, chain: &str, to: u64, blocks: usize);
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
                let ms = patience.next(clock);
                witness.waits(&plan.chain, &told(&unavailable), ms);
                clock.pause(ms).await;
            }
        }
    }
    End::Stopped
}

/// Parks a chain that cannot be followed here, so that readers see why; one without a cursor has no readers yet.
pub async fn park(tape: &impl Tape, chain: &str, why: &str) -> Result<(), Unavailable> {
    let (mut lease, journal) = tape.claim(chain).await?;
    let Some(mut cursor) = journal.cursor else { return Ok(()) };
    cursor.step += 1;
    let progress = Progress { state: State::Parked(why.to_owned()), latest: None, proof: Arc::from("none") };
    match lease.append(&Step::still(cursor, progress)).await {
        // Whoever has it now says what there is to say.
        Outcome::Done | Outcome::Lost => Ok(()),
        Outcome::Unknown(unavailable) => Err(unavailable),
    }
}

fn told(unavailable: &Unavailable) -> String {
    format!("failed to {}: {}", unavailable.doing, unavailable.source)
}

/// Exponential waits with full jitter, so that the chains of a node that failed do not all come back at once.
#[derive(Default)]
struct Patience(u32);

impl Patience {
    fn next(&mut self, clock: &impl Clock) -> u64 {
        let bound = BACKOFF_MS.0.saturating_mul(1 << self.0.min(16)).min(BACKOFF_MS.1);
        self.0 += 1;
        clock.draw(bound)
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
    coverage: Coverage,
    cursor: Option<Cursor>,
    span: u64,
    proof: Arc<str>,
    /// What the endpoint said last.
    tip: Option<Tip>,
    /// When something was last said.
    told: Option<u64>,
    past: asked::Past,
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
        // What was final when it was published is not journalled: the cursor alone remembers it.
        let remembered = journal.cursor.iter().flat_map(|cursor| cursor.finalized.iter().chain(&cursor.head)).cloned();
        let window = Window::of(remembered.chain(journal.blocks));
        Self {
            chain,
            lease,
            clock,
            witness,
            plan,
            window,
            coverage: Coverage::of(journal.ranges),
            cursor: journal.cursor,
            span: plan.span.max(1),
            proof: Arc::from("none"),
            tip: None,
            told: None,
            past: asked::Past::default(),
        }
    }

    async fn work(&mut self) -> Break {
        let mut patience = Patience::default();
        while !self.clock.stopping() {
            let wait = match self.turn().await {
                Ok(Look::Moved) => {
                    patience.reset();
                    continue;
                }
                Ok(Look::Idle) => {
                    patience.reset();
                    self.clock.rest(self.plan.poll_ms).await;
                    continue;
                }
                Err(Trouble::Failure(Failure::TooWide(most))) => {
                    self.span = most.clamp(1, self.span.saturating_sub(1).max(1));
                    continue;
                }
                Err(Trouble::Failure(Failure::NotYet(_) | Failure::Reorged)) => {
                    self.clock.rest(self.plan.poll_ms).await;
                    continue;
                }
                Err(Trouble::Failure(Failure::Retry { after_ms, why })) => {
                    let ms = patience.next(self.clock).max(after_ms.unwrap_or(0));
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

    /// What was asked comes before what is new, except for the past: it has time, though a chain that is far behind does not
    /// make it wait until it has caught up.
    async fn turn(&mut self) -> Result<Look, Trouble> {
        let requests = self.lease.requests();
        if let Some((id, to)) = asked::rewind(&requests).filter(|_| self.cursor.is_some()) {
            return self.rewind(id, to).await;
        }
        match self.look().await? {
            Look::Idle => self.backfill(&requests).await,
            Look::Moved if self.past.has_its_turn() => self.backfill(&requests).await.map(|_| Look::Moved),
            Look::Moved => Ok(Look::Moved),
        }
    }

    /// Looks at the head and appends what is new.
    async fn look(&mut self) -> Result<Look, Trouble> {
        let tip = self.chain.head().await?;
        self.check_network(&tip)?;
        self.tip = Some(tip.clone());
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
            origin: first,
            since: first,
            digest: Arc::from(""),
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
                    return self.append(tip, vec![], fresh, through, &scanned.digest).await;
                }
            }
        }
        if scanned.through < first && fresh.is_empty() {
            return Err(Failure::NotYet(first).into());
        }
        self.append(tip, vec![], fresh, scanned.through, &scanned.digest).await
    }
}
