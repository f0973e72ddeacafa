//! The guard of a consumer: it compares the log with what the consumer's database knows of it, at the start and while it
//! runs, and lets nothing through while the two do not belong together.
//!
//! A log that was lost and made anew, cut, or restored from an older copy has other records at the same positions. Read
//! on, they would be missed or counted twice, silently. So each read position is kept with the identity of its topic.

mod compare;
mod adopt;
mod progress;

pub use adopt::{AdoptCommand, adopt};
pub use compare::{KnownPartition, NotedPartition};
pub use progress::{PartitionProgress, ReadProgress};

use crate::Log;
use crate::identity::Identities;
use crate::topics::{HISTORY, ServiceTopics, TRADES, Topic};
use compare::{FoundLog, Verdict, compare};
use progress::read_progress;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tape::{Partition, Unavailable};
use tokio::sync::{Notify, watch};

/// Time between two looks at the identities.
const IDENTITY_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two looks at where all partitions begin and end.
const SPANS_INTERVAL: Duration = Duration::from_secs(10);
/// Nothing is let through when the last look that found all in order began longer ago.
const MAX_VERDICT_AGE: Duration = Duration::from_secs(2);

/// What a consumer's database knows of the log that its read positions belong to.
pub trait TapeMemory: Send + Sync {
    /// Every partition that was read, or is known.
    fn known_partitions(&self) -> impl Future<Output = Result<Vec<KnownPartition>, Unavailable>> + Send;
    /// Notes what is known of partitions from now on.
    fn note_partitions(&self, noted: &[NotedPartition]) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// In one transaction: notes what is known of partitions, and forgets the read positions of others.
    fn adopt_partitions(
        &self,
        noted: &[NotedPartition],
        unread: &[Partition],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Shared by the guard's task and the feeds that it lets through.
#[derive(Debug)]
pub struct TapeGuard {
    state: watch::Sender<State>,
    /// Rises when the log is in order again after it was not: then every position is read anew.
    epoch: AtomicU64,
    suspected: AtomicBool,
    look: Notify,
    read: watch::Sender<ReadProgress>,
}

#[derive(Clone, Debug)]
enum State {
    /// Nothing is known yet.
    Unknown,
    /// All was in order; the look began then.
    Sound(Instant),
    /// The log is not the one that was read: the sentence says why, and what to do.
    Unsound(Arc<str>),
}

impl Default for TapeGuard {
    fn default() -> Self {
        let (state, read) = (watch::Sender::new(State::Unknown), watch::Sender::default());
        Self { state, epoch: AtomicU64::new(0), suspected: AtomicBool::new(false), look: Notify::new(), read }
    }
}

impl TapeGuard {
    /// Waits until the log is known to be in order now.
    pub(crate) async fn sound(&self) {
        let mut state = self.state.subscribe();
        let is_sound = |state: &State| matches!(state, State::Sound(at) if at.elapsed() < MAX_VERDICT_AGE);
        loop {
            if is_sound(&state.borrow_and_update()) {
                return;
            }
            self.look.notify_one();
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// How often the log came into order again.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The log could not be read: everything is compared again before anything is let through.
    pub(crate) fn suspect(&self) {
        self.suspected.store(true, Ordering::Release);
        self.state.send_if_modified(|state| {
            let was_sound = matches!(state, State::Sound(_));
            if was_sound {
                *state = State::Unknown;
            }
            was_sound
        });
        self.look.notify_one();
    }

    /// Why nothing is let through, while the log is not the one that was read.
    pub fn problem(&self) -> Option<Arc<str>> {
        match &*self.state.borrow() {
            State::Unsound(why) => Some(Arc::clone(why)),
            State::Unknown | State::Sound(_) => None,
        }
    }

    /// How far the service has read, at the last comparison that found all in order.
    pub fn read_progress(&self) -> watch::Receiver<ReadProgress> {
        self.read.subscribe()
    }

    /// Compares for ever.
    pub async fn watch(&self, log: &Log, service: &ServiceTopics, memory: &impl TapeMemory) -> Infallible {
        let mut known: Option<(Identities, Instant)> = None;
        let mut waiting = false;
        loop {
            let begun = Instant::now();
            let suspected = self.suspected.swap(false, Ordering::AcqRel);
            known = known.filter(|(_, compared)| !suspected && compared.elapsed() < SPANS_INTERVAL);
            match look(log, service, memory, known.as_ref().map(|(identities, _)| identities)).await {
                Ok(Look::Same) => self.report(State::Sound(begun), service),
                Ok(Look::Compared(Verdict::Sound { .. }, found)) => {
                    self.read.send_replace(found.read);
                    known = Some((found.identities, begun));
                    self.report(State::Sound(begun), service);
                }
                Ok(Look::Compared(Verdict::Missing(topic), _)) => {
                    tracing::debug!(event = "tape.missing", service = service.name, topic, "a topic is not there yet");
                }
                Ok(Look::Compared(Verdict::Unsound(findings), _)) => {
                    self.report(State::Unsound(findings.sentence(service).into()), service);
                }
                Err(error) => {
                    if !waiting {
                        tracing::warn!(event = "tape.unverified", service = service.name, %error, cause = %error.source, "the tape cannot be compared with the database; reading waits");
                    }
                    (waiting, known) = (true, None);
                }
            }
            waiting &= known.is_none();
            // Whoever waits may ask for a look, though not without pause.
            tokio::time::sleep(IDENTITY_INTERVAL / 10).await;
            let _ = tokio::time::timeout(IDENTITY_INTERVAL, self.look.notified()).await;
        }
    }

    fn report(&self, now: State, service: &ServiceTopics) {
        let before = self.problem();
        match (&before, &now) {
            (None, State::Unsound(why)) => {
                tracing::error!(event = "tape.changed", service = service.name, %why, "the tape is not the one that was read");
            }
            (Some(_), State::Sound(_)) => {
                self.epoch.fetch_add(1, Ordering::AcqRel);
                tracing::info!(event = "tape.in-order", service = service.name, "the tape is in order again");
            }
            _ => {}
        }
        self.state.send_replace(now);
    }
}

/// Why the log is not the one that a database has read, if it is not; notes nothing.
pub async fn find_problem(
    log: &Log,
    service: &ServiceTopics,
    memory: &impl TapeMemory,
) -> Result<Option<String>, Unavailable> {
    let topics = topics_of(service);
    let known = memory.known_partitions().await?;
    let found = FoundLog::read(log, &topics, log.identities(&topics).await?).await?;
    Ok(match compare(&topics, &known, &found) {
        Verdict::Unsound(findings) => Some(findings.sentence(service)),
        Verdict::Sound { .. } | Verdict::Missing(_) => None,
    })
}

/// What one look found.
enum Look {
    /// The identities are those of the last comparison.
    Same,
    Compared(Verdict, Compared),
}

/// What was compared.
struct Compared {
    identities: Identities,
    read: ReadProgress,
}

/// The topics that a service reads by position.
fn topics_of(service: &ServiceTopics) -> [Topic; 3] {
    [TRADES, HISTORY, service.replay]
}

async fn look(
    log: &Log,
    service: &ServiceTopics,
    memory: &impl TapeMemory,
    known: Option<&Identities>,
) -> Result<Look, Unavailable> {
    let topics = topics_of(service);
    let identities = log.identities(&topics).await?;
    if known == Some(&identities) {
        return Ok(Look::Same);
    }
    // The database first: its positions only grow, and never beyond the end that the log has afterwards.
    let known = memory.known_partitions().await?;
    let found = FoundLog::read(log, &topics, identities).await?;
    let verdict = compare(&topics, &known, &found);
    if let Verdict::Sound { to_note } = &verdict
        && !to_note.is_empty()
    {
        tracing::info!(
            event = "tape.noted",
            service = service.name,
            partitions = to_note.len(),
            "the identity of the tape is noted"
        );
        memory.note_partitions(to_note).await?;
    }
    let read = read_progress(&known, &found);
    Ok(Look::Compared(verdict, Compared { identities: found.identities, read }))
}
