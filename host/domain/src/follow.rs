//! Follows one chain: claims it, reads its head, appends what is new, and on a reorg goes back to the common ancestor.

mod branch;
mod append;
mod extend;
mod requested;
mod condition;
mod refused;

use crate::block::Tip;
use crate::coverage::Coverage;
use crate::dropped::DroppedCounts;
use crate::ports::{AppendOutcome, ChainReader, Clock, Failure, Journal, Lease, Tape};
use crate::step::{ChainState, Cursor, Progress, Step};
use crate::window::Window;
use refused::RefusedStep;
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
    /// The program whose commands cure a parked chain, as an operator calls it: `chain-ingestor`.
    pub command: String,
}

/// Milliseconds after which an idle chain publishes its progress again.
const HEARTBEAT_MS: u64 = 5_000;
/// Milliseconds of the first wait after a failure.
const MIN_RETRY_DELAY_MS: u64 = 200;
/// Milliseconds of the longest wait after failures in a row.
const MAX_RETRY_DELAY_MS: u64 = 30_000;

/// Looks in a row that found the chain not ready, before the observer is told: one or two are usual at the head.
const MAX_SILENT_WAITS: u32 = 5;

/// Depth of the deepest reorg on a chain whose nodes call nothing final.
const MAX_REORG_BLOCKS: usize = 4_096;

/// Why a chain is not followed any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The process is to stop.
    Stopped,
    /// Only an operator can help; the sentence says how.
    Parked(String),
    /// Another instance holds the chain.
    Lost,
}

/// Why the work under one claim stops.
enum Interruption {
    End(End),
    /// A step may or may not be on the tape: the chain must be claimed again.
    ClaimAgain(Unavailable),
    /// A step holds a record that the tape does not take: the chain must be claimed again, too.
    Refused(RefusedStep),
}

/// Is notified of what happens while a chain is followed; the caller logs it.
pub trait FollowObserver: Send + Sync {
    /// Something failed and will be tried again after so many milliseconds.
    fn retrying(&self, chain: &str, why: &str, ms: u64);
    /// A branch was left: so many blocks down to the ancestor.
    fn reorged(&self, chain: &str, ancestor: u64, blocks: usize);
    /// A rewind was requested and begins: so many blocks with trades are reverted.
    fn rewinding(&self, chain: &str, to: u64, blocks: usize);
}

/// Follows a chain until the end.
pub async fn follow(
    chain: &mut impl ChainReader,
    tape: &impl Tape,
    clock: &impl Clock,
    observer: &impl FollowObserver,
    plan: &Plan,
) -> End {
    let mut delay = RetryDelay::default();
    let mut refused: Option<RefusedStep> = None;
    while !clock.stopping() {
        let interruption = match tape.claim(&plan.chain).await {
            Ok((lease, journal)) => {
                delay.reset();
                let unreadable = journal.unreadable.clone();
                let mut follower = Follower::new(chain, lease, clock, observer, plan, journal);
                match (unreadable, refused.take()) {
                    (Some(why), _) => follower.park(unreadable_journal(plan, &why)).await,
                    (None, Some(step)) if step.is_one_block() => follower.park(step.sentence(plan)).await,
                    // One block at a time, to find the one that is refused.
                    (None, Some(_)) => follower.narrowed().work().await,
                    (None, None) => follower.work().await,
                }
            }
            Err(unavailable) => Interruption::ClaimAgain(unavailable),
        };
        match interruption {
            Interruption::End(end) => return end,
            Interruption::Refused(step) => refused = Some(step),
            Interruption::ClaimAgain(unavailable) => {
                let ms = delay.next_ms(clock);
                observer.retrying(&plan.chain, &with_cause(&unavailable), ms);
                clock.pause(ms).await;
            }
        }
    }
    End::Stopped
}

/// Parks a chain that cannot be followed here, so that progress says why; one that was never followed has no progress.
pub async fn park(tape: &impl Tape, chain: &str, why: &str, now_ms: u64) -> Result<(), Unavailable> {
    let (mut lease, journal) = tape.claim(chain).await?;
    let state = ChainState::Parked(why.to_owned());
    let progress = Progress { state, latest: None, proof: Arc::from("none"), since_ms: now_ms, endpoint: None };
    let outcome = match journal.cursor {
        Some(mut cursor) => {
            cursor.step += 1;
            lease.append(&Step::without_changes(cursor, progress)).await
        }
        None if journal.unreadable.is_some() => lease.announce(None, &progress).await,
        None => return Ok(()),
    };
    match outcome {
        // The instance that holds it now publishes its progress.
        AppendOutcome::Done | AppendOutcome::Lost => Ok(()),
        AppendOutcome::Unknown(unavailable) | AppendOutcome::Refused(unavailable) => Err(unavailable),
    }
}

/// Why a chain whose journal cannot be read is parked, and what cures it.
fn unreadable_journal(plan: &Plan, why: &str) -> String {
    let Plan { chain, command, .. } = plan;
    format!(
        "{why}; to see what a repair would do, run: {command} repair --chain {chain}; to carry it out, add --confirm"
    )
}

fn with_cause(unavailable: &Unavailable) -> String {
    format!("failed to {}: {}", unavailable.doing, unavailable.source)
}

/// Waits whose bound doubles with each failure in a row, drawn with full jitter: the chains of a node that failed do not all
/// come back at once.
#[derive(Default)]
struct RetryDelay {
    failures: u32,
}

impl RetryDelay {
    fn next_ms(&mut self, clock: &impl Clock) -> u64 {
        let bound_ms = MIN_RETRY_DELAY_MS.saturating_mul(1 << self.failures.min(16)).min(MAX_RETRY_DELAY_MS);
        self.failures += 1;
        clock.draw(bound_ms)
    }

    fn reset(&mut self) {
        self.failures = 0;
    }
}

struct Follower<'a, C, L, K, O> {
    chain: &'a mut C,
    lease: L,
    clock: &'a K,
    observer: &'a O,
    plan: &'a Plan,
    window: Window,
    coverage: Coverage,
    cursor: Option<Cursor>,
    span: u64,
    proof: Arc<str>,
    /// The head as it was read last.
    tip: Option<Tip>,
    /// When the last step was appended.
    appended_ms: Option<u64>,
    backfill: requested::BackfillSchedule,
    condition: condition::Condition,
    /// Requests that the next step fulfils.
    to_fulfil: Vec<String>,
    /// Requests that are fulfilled once a height is on the tape.
    skipped: Vec<(String, u64)>,
    /// A step was refused: spans are not gathered until they are as wide again as the plan asks for.
    is_narrowed: bool,
}

/// What one turn led to.
enum Activity {
    /// Something was appended: the next turn follows at once.
    Appended,
    /// Nothing new.
    Idle,
}

/// Why a turn failed.
enum TurnError {
    Failure(Failure),
    Interruption(Interruption),
}

impl From<Failure> for TurnError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Interruption> for TurnError {
    fn from(interruption: Interruption) -> Self {
        Self::Interruption(interruption)
    }
}

impl<'a, C: ChainReader, L: Lease, K: Clock, O: FollowObserver> Follower<'a, C, L, K, O> {
    fn new(chain: &'a mut C, lease: L, clock: &'a K, observer: &'a O, plan: &'a Plan, journal: Journal) -> Self {
        // Blocks that were final when they were published are not journalled: only the cursor names them.
        let published = journal.cursor.iter().flat_map(|cursor| cursor.finalized.iter().chain(&cursor.head)).cloned();
        let window = Window::from_blocks(published.chain(journal.blocks));
        Self {
            chain,
            lease,
            clock,
            observer,
            plan,
            window,
            coverage: Coverage::from_ranges(journal.ranges),
            cursor: journal.cursor,
            span: plan.span.max(1),
            proof: Arc::from("none"),
            tip: None,
            appended_ms: None,
            backfill: requested::BackfillSchedule::with_span(plan.span),
            condition: condition::Condition::default(),
            to_fulfil: vec![],
            skipped: vec![],
            is_narrowed: false,
        }
    }

    /// Begins with single heights, each in a step of its own.
    fn narrowed(mut self) -> Self {
        (self.span, self.is_narrowed) = (1, true);
        self.backfill = requested::BackfillSchedule::with_span(1);
        self
    }

    async fn work(&mut self) -> Interruption {
        let mut delay = RetryDelay::default();
        let mut not_ready = 0;
        while !self.clock.stopping() {
            let wait = match self.turn().await {
                Ok(Activity::Appended) => {
                    (delay, not_ready) = (RetryDelay::default(), 0);
                    self.condition.recover(self.clock.now_ms());
                    continue;
                }
                Ok(Activity::Idle) => {
                    (delay, not_ready) = (RetryDelay::default(), 0);
                    self.condition.recover(self.clock.now_ms());
                    self.clock.rest(self.plan.poll_ms).await;
                    continue;
                }
                Err(TurnError::Failure(Failure::TooWide(most))) => {
                    self.span = most.clamp(1, self.span.saturating_sub(1).max(1));
                    continue;
                }
                Err(TurnError::Failure(failure @ (Failure::NotYet(_) | Failure::Reorged))) => {
                    not_ready += 1;
                    if not_ready > MAX_SILENT_WAITS {
                        self.observer.retrying(&self.plan.chain, &failure.to_string(), self.plan.poll_ms);
                        if let Err(interruption) = self.announce_waiting(&failure.to_string()).await {
                            return interruption;
                        }
                    }
                    self.clock.rest(self.plan.poll_ms).await;
                    continue;
                }
                Err(TurnError::Failure(Failure::Retry { after_ms, why })) => {
                    let ms = delay.next_ms(self.clock).max(after_ms.unwrap_or(0));
                    self.observer.retrying(&self.plan.chain, &why, ms);
                    if let Err(interruption) = self.announce_waiting(&why).await {
                        return interruption;
                    }
                    ms
                }
                Err(TurnError::Failure(Failure::Unreadable { height, why })) => {
                    return self.park(self.unreadable_sentence(height, &why)).await;
                }
                Err(TurnError::Failure(Failure::Hopeless(why))) => return self.park(why).await,
                Err(TurnError::Interruption(interruption)) => return interruption,
            };
            self.clock.pause(wait).await;
        }
        Interruption::End(End::Stopped)
    }

    /// One unit of work. A rewind comes before what is new, a backfill after it; but a backfill does not wait until a
    /// chain that is far behind has caught up.
    async fn turn(&mut self) -> Result<Activity, TurnError> {
        let requests = self.lease.requests();
        self.note_fulfilled(&requests);
        if let Some((id, to)) = requested::first_rewind(&requests).filter(|_| self.cursor.is_some()) {
            return self.rewind(id, to).await;
        }
        match self.follow_head().await? {
            Activity::Idle => self.backfill_next(&requests).await,
            Activity::Appended if self.backfill.is_due() => {
                self.backfill_next(&requests).await.map(|_| Activity::Appended)
            }
            Activity::Appended => Ok(Activity::Appended),
        }
    }

    /// Reads the head and appends what is new.
    async fn follow_head(&mut self) -> Result<Activity, TurnError> {
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

    async fn begin(&mut self, tip: &Tip) -> Result<Activity, TurnError> {
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
            dropped: DroppedCounts::default(),
        });
        let extended = self.extend(tip, first).await;
        if self.cursor.as_ref().is_some_and(|cursor| cursor.step == 0) {
            self.cursor = None;
        }
        extended
    }
}
