//! The trade feed: live trades through the service's group, and with each partition its companions, the partitions of
//! the history topic and of the replay topic with the same index. What does not validate goes to a dead-letter topic.
//!
//! Decisions
//! * 2026-11-25 – history is read by a second consumer without a group. Context: what a user's book is made of must
//!   have one reader, and the group's assignor does not keep partitions of two topics together. Choice: the group
//!   decides over the live topic alone; whoever gains a partition of it reads the companions too. Price: one more
//!   connection per reader, and positions of three topics are compared in each commit.

mod assigned;

use crate::completeness::CompletenessAudit;
use crate::guard::{ReadProgress, TapeGuard};
use crate::partition_range::PartitionRange;
use crate::topics::{self, ServiceTopics};
use crate::{Arrival, Log, Reader, Record, Stored, dead_letter};
use assigned::AssignmentChanges;
use environment::telemetry::{continued, has_event_line};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tape::{Batch, Delivery, Feed, Partition, Start, TradeRecord, Unavailable};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// In one of so many turns the companions come before the live trades, so that they are never starved.
const COMPANIONS_FIRST_EVERY: u64 = 16;

/// What a feed counts, for `/health`; all of it should be zero.
#[derive(Debug, Default)]
pub struct FeedCounters {
    /// Records that became dead letters since the start.
    pub dead_lettered: AtomicU64,
    /// Records that a chain's progress counts and that did not arrive.
    pub lost: AtomicU64,
    /// Records that arrived and that no chain's progress counts.
    pub doubled: AtomicU64,
    /// Heights that nothing covers, between others that are.
    pub gap: AtomicU64,
}

impl FeedCounters {
    /// The sum over several feeds of one service. Each of them sees the same gaps, so of these the most counts.
    pub fn sum_of<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let sum = Self::default();
        for one in all {
            let add = |to: &AtomicU64, from: &AtomicU64| to.fetch_add(from.load(Ordering::Relaxed), Ordering::Relaxed);
            add(&sum.dead_lettered, &one.dead_lettered);
            add(&sum.lost, &one.lost);
            add(&sum.doubled, &one.doubled);
            sum.gap.fetch_max(one.gap.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        sum
    }

    /// Names and values, as `/health` shows them.
    pub fn named(&self) -> [(&'static str, u64); 4] {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("deadLettered", value(&self.dead_lettered)),
            ("lost", value(&self.lost)),
            ("doubled", value(&self.doubled)),
            ("gap", value(&self.gap)),
        ]
    }
}

/// Reads trades for one service.
pub struct TradeFeed<E = TradeRecord> {
    log: Log,
    service: ServiceTopics,
    /// All that is read, where that is not every partition.
    range: Option<PartitionRange>,
    live: Reader,
    companions: Reader,
    /// Indexes of the partitions that this reader has.
    indexes: HashSet<u32>,
    changes: AssignmentChanges,
    turn: u64,
    audit: CompletenessAudit,
    counters: Arc<FeedCounters>,
    /// Deliveries that follow from an arrival and were not handed out yet.
    pending: VecDeque<Delivery<E>>,
    /// A batch that may be delivered once its refused records are safe.
    held: Option<(Batch<E>, Vec<Record>)>,
    /// The publication of the held batch's refused records, which goes on when nobody waits for it.
    publishing: Option<JoinHandle<Result<(), Unavailable>>>,
    /// What lets through only what belongs to the database, and how often it had to be reset.
    guard: Option<(Arc<TapeGuard>, u64)>,
    /// What the guard finds committed in the database.
    committed: Option<watch::Receiver<ReadProgress>>,
}

impl<E> TradeFeed<E> {
    /// Joins the readers of live trades under the service's name.
    pub async fn join(log: &Log, service: ServiceTopics) -> Result<Self, Unavailable> {
        Self::join_range(log, service, None).await
    }

    /// The same for a part of the partitions, in the group of that part: partitions beyond it are neither read nor committed.
    pub async fn join_range(
        log: &Log,
        service: ServiceTopics,
        range: Option<PartitionRange>,
    ) -> Result<Self, Unavailable> {
        let (live, companions) = open_readers(log, &service, range).await?;
        Ok(Self {
            log: log.clone(),
            service,
            range,
            live,
            companions,
            indexes: HashSet::new(),
            changes: AssignmentChanges::default(),
            turn: 0,
            audit: CompletenessAudit::default(),
            counters: Arc::default(),
            pending: VecDeque::new(),
            held: None,
            publishing: None,
            guard: None,
            committed: None,
        })
    }

    /// Delivers only while the guard finds that the log is the one that the consumer's database knows.
    #[must_use]
    pub fn guarded_by(mut self, guard: &Arc<TapeGuard>) -> Self {
        self.guard = Some((Arc::clone(guard), guard.epoch()));
        self.committed = Some(guard.read_progress());
        self
    }

    /// Waits until the guard lets through. After a time in which it did not, everything is read anew, from the positions
    /// that the database has then.
    async fn wait_for_guard(&mut self) -> Result<(), Unavailable> {
        let Some((guard, epoch)) = &mut self.guard else { return Ok(()) };
        guard.sound().await;
        if guard.epoch() == *epoch {
            return Ok(());
        }
        let now = guard.epoch();
        (self.live, self.companions) = open_readers(&self.log, &self.service, self.range).await?;
        *epoch = now;
        (self.held, self.publishing, self.audit) = (None, None, CompletenessAudit::default());
        self.pending.clear();
        for index in std::mem::take(&mut self.indexes) {
            let held = [topics::TRADES].into_iter().chain(self.service.companions());
            self.pending.extend(held.map(|topic| Delivery::Lost(topic.partition(index))));
        }
        Ok(())
    }

    /// Commits to the group what the database has committed, for those who look at the group's lag. Nobody reads on from
    /// there: the database alone is trusted.
    fn publish_positions(&mut self) {
        let Some(committed) = &self.committed else { return };
        let committed = committed.borrow().clone();
        let held = committed.iter().filter(|it| is_live(&it.partition) && self.indexes.contains(&it.partition.index));
        let positions: Vec<_> = held.filter_map(|it| Some((it.partition.clone(), it.next?))).collect();
        if !positions.is_empty() {
            self.live.publish_positions(positions);
        }
    }

    /// What it counts.
    pub fn counters(&self) -> Arc<FeedCounters> {
        Arc::clone(&self.counters)
    }
}

impl<E: From<TradeRecord> + Send> Feed<E> for TradeFeed<E> {
    /// Cancel-safe: a call that is dropped loses and repeats nothing.
    async fn next(&mut self) -> Result<Delivery<E>, Unavailable> {
        while self.held.is_none() {
            self.wait_for_guard().await?;
            if let Some(delivery) = self.pending.pop_front() {
                return Ok(delivery);
            }
            // Companions wait while there is something live, though not for ever.
            self.turn += 1;
            let (first, second) = if self.turn.is_multiple_of(COMPANIONS_FIRST_EVERY) {
                (&mut self.companions, &mut self.live)
            } else {
                (&mut self.live, &mut self.companions)
            };
            self.changes.log_when_due(self.service.name, self.indexes.len());
            let arrival = tokio::select! {
                biased;
                arrival = first.next() => arrival,
                arrival = second.next() => arrival,
                () = self.changes.due() => continue,
                () = changed(&mut self.committed) => {
                    self.publish_positions();
                    continue;
                }
            };
            match arrival {
                Ok(arrival) => self.take_arrival(arrival),
                Err(error) => {
                    // A position that is not there, maybe: the guard says why.
                    if let Some((guard, _)) = &self.guard {
                        guard.suspect();
                    }
                    return Err(error);
                }
            }
        }
        self.wait_for_guard().await?;
        // A failure here leaves the batch held: it is delivered, or its partition sought again, never skipped.
        if let Some((_, dead)) = self.held.as_ref().filter(|(_, dead)| !dead.is_empty()) {
            let publishing = self.publishing.get_or_insert_with(|| {
                let (log, dead) = (self.log.clone(), dead.clone());
                tokio::spawn(async move { log.publish(dead).await })
            });
            let published = publishing.await;
            self.publishing = None;
            published.map_err(|e| Unavailable::new("publish dead letters", e))??;
        }
        let Some((batch, dead)) = self.held.take() else {
            return Err(Unavailable::new("read the trade feed", "the tape was not the one that was read"));
        };
        self.counters.dead_lettered.fetch_add(dead.len() as u64, Ordering::Relaxed);
        Ok(Delivery::Batch(batch))
    }

    async fn seek(&mut self, partition: &Partition, start: Start) -> Result<(), Unavailable> {
        if self.held.take_if(|(batch, _)| batch.partition == *partition).is_some() {
            self.publishing = None;
        }
        self.audit.begin(partition, if let Start::At(position) = start { position } else { 0 });
        let reader = if is_live(partition) { &mut self.live } else { &mut self.companions };
        reader.seek(partition, start).await
    }
}

impl<E: From<TradeRecord>> TradeFeed<E> {
    fn take_arrival(&mut self, arrival: Arrival) {
        match arrival {
            // What is not sought is not read.
            Arrival::Gained(live) | Arrival::Lost(live) if self.range.is_some_and(|range| !range.contains(&live)) => {}
            Arrival::Gained(live) => {
                self.indexes.insert(live.index);
                self.changes.note_gained();
                let companions = self.service.companions().map(|topic| topic.partition(live.index));
                self.pending.extend([live].into_iter().chain(companions).map(Delivery::Gained));
            }
            Arrival::Lost(live) => {
                self.indexes.remove(&live.index);
                self.changes.note_lost();
                self.audit.forget(&live);
                for partition in self.service.companions().map(|topic| topic.partition(live.index)) {
                    self.companions.let_go(&partition);
                    self.audit.forget(&partition);
                    self.pending.push_back(Delivery::Lost(partition));
                }
                self.pending.push_back(Delivery::Lost(live));
            }
            Arrival::Records { partition, records, .. } if *partition.topic == *topics::PROGRESS.name => {
                // A progress record that cannot be read is reported by the api, which serves progress.
                let read =
                    records.iter().filter_map(|record| wire::v1::progress::decode(record.value.as_deref()?).ok());
                read.for_each(|progress| self.audit.take_progress(&progress));
                self.report();
            }
            Arrival::Records { partition, records, next } if self.indexes.contains(&partition.index) => {
                self.audit.take_records(&partition, records.iter().map(|record| (&*record.key, record.position)), next);
                self.report();
                self.held = Some(self.decode_records(partition, records, next));
            }
            Arrival::Records { .. } => {}
        }
    }

    /// Publishes what the audit found, and logs it when records were lost or doubled since the last time.
    fn report(&self) {
        let total = self.audit.total();
        let lost = self.counters.lost.swap(total.lost, Ordering::Relaxed);
        let doubled = self.counters.doubled.swap(total.doubled, Ordering::Relaxed);
        self.counters.gap.store(total.gap, Ordering::Relaxed);
        if total.lost > lost || total.doubled > doubled {
            let (lost, doubled) = (total.lost - lost, total.doubled - doubled);
            let service = self.service.name;
            tracing::error!(
                event = "tape.miscounted",
                service,
                lost,
                doubled,
                "what was read is not what the chains count"
            );
        }
    }

    /// Decodes what validates; the rest becomes dead letters.
    fn decode_records(&self, partition: Partition, records: Vec<Stored>, next: u64) -> (Batch<E>, Vec<Record>) {
        let mut events = Vec::with_capacity(records.len());
        let mut dead = vec![];
        let trace: Option<Arc<str>> = records.last().and_then(Stored::traceparent).map(Arc::from);
        let span = tracing::info_span!(
            "tape.records.read", service = self.service.name, log = %partition.topic, partition = partition.index
        );
        let _reading = continued(span, trace.as_deref()).entered();
        for mut record in records {
            let (position, has_value) = (record.position, record.value.is_some());
            let event_id = wire::headers::event_id(&record.headers).unwrap_or_default();
            if has_event_line(event_id) {
                tracing::info!(event = "trade.read", eventId = event_id, position, "trade read");
            }
            match wire::v1::trade::decode_record(position, record.value.take().unwrap_or_default()) {
                Ok(decoded) => events.push(decoded.into()),
                Err((reason, value)) => {
                    record.value = has_value.then_some(value);
                    tracing::error!(
                        event = "trade.dead-lettered", position, eventId = event_id, %reason, "trade dead-lettered"
                    );
                    let topic = self.service.dead_letters_of(&partition.topic);
                    let letter = dead_letter::for_record(&topic, &partition, record, &reason.to_string());
                    dead.push(dead_letter::shrunk_to(self.log.max_bytes(&topic), letter));
                }
            }
        }
        (Batch { partition, events, next, trace }, dead)
    }
}

/// Waits until the guard has compared again.
async fn changed(committed: &mut Option<watch::Receiver<ReadProgress>>) {
    let compared = match committed {
        Some(committed) => committed.changed().await.is_ok(),
        None => false,
    };
    if !compared {
        std::future::pending::<()>().await;
    }
}

/// The reader of live trades through the service's group, and the one of everything else.
async fn open_readers(
    log: &Log,
    service: &ServiceTopics,
    range: Option<PartitionRange>,
) -> Result<(Reader, Reader), Unavailable> {
    let group = range.map_or_else(|| service.name.to_owned(), |range| range.group_of(service.name));
    let live = log.joined(&group, &topics::TRADES).await?;
    let companions = log.assigned(vec![(topics::PROGRESS.partition(0), Start::Beginning)]).await?;
    Ok((live, companions))
}

fn is_live(partition: &Partition) -> bool {
    *partition.topic == *topics::TRADES.name
}
