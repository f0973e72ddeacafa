//! The trade feed: live trades through the service's group, and beside each partition of them the history and the replayed
//! letters of the same number. What does not validate goes to a dead-letter log.
//!
//! Decisions
//! * 2026-11-25 – history is read by a second consumer without a group. Context: what a user's book is made of must have
//!   one reader, and the group's assignor does not keep partitions of two topics together. Choice: the group decides over
//!   the live log alone; whoever gains a partition of it reads the companions too. Price: one more connection per reader, and
//!   positions of three logs are compared in each commit.

use crate::topics::{self, Reading};
use crate::watch::Watch;
use crate::{Arrival, Log, Reader, Record, Stored, dead_letter};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tape::{Batch, Delivery, Feed, Partition, Start, TradeRecord, Unavailable};

/// How often what is beside the live trades comes first.
const ASIDE_FIRST: u64 = 16;

/// What a feed counts, for whoever reports it; all of it should be zero.
#[derive(Debug, Default)]
pub struct Tallies {
    /// Records put aside since the start.
    pub dead_lettered: AtomicU64,
    /// Records that the chains count and that did not arrive.
    pub lost: AtomicU64,
    /// Records that arrived and that the chains do not count.
    pub doubled: AtomicU64,
    /// Heights that nothing covers, between others that are.
    pub gap: AtomicU64,
}

impl Tallies {
    /// The figures of several feeds of one service: every one is told of the same gaps, the rest is of what each read itself.
    pub fn together<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
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

    /// Names and figures, as `/health` shows them.
    pub fn read(&self) -> [(&'static str, u64); 4] {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        [
            ("deadLettered", of(&self.dead_lettered)),
            ("lost", of(&self.lost)),
            ("doubled", of(&self.doubled)),
            ("gap", of(&self.gap)),
        ]
    }
}

/// Reads trades for one service.
pub struct TradeFeed<E = TradeRecord> {
    log: Log,
    reading: Reading,
    live: Reader,
    aside: Reader,
    numbers: HashSet<u32>,
    turn: u64,
    watch: Watch,
    tallies: Arc<Tallies>,
    /// What follows from an arrival that said more than one thing.
    told: VecDeque<Delivery<E>>,
    /// A batch that may be delivered once its refused records are safe.
    held: Option<(Batch<E>, Vec<Record>)>,
}

impl<E> TradeFeed<E> {
    /// Joins the readers of live trades under the service's name.
    pub async fn join(log: &Log, reading: Reading) -> Result<Self, Unavailable> {
        let live = log.joined(reading.service, &topics::TRADES).await?;
        let aside = log.assigned(vec![(topics::PROGRESS.partition(0), Start::Beginning)]).await?;
        Ok(Self {
            log: log.clone(),
            reading,
            live,
            aside,
            numbers: HashSet::new(),
            turn: 0,
            watch: Watch::default(),
            tallies: Arc::default(),
            told: VecDeque::new(),
            held: None,
        })
    }

    /// What it counts.
    pub fn tallies(&self) -> Arc<Tallies> {
        Arc::clone(&self.tallies)
    }
}

impl<E: From<TradeRecord> + Send> Feed<E> for TradeFeed<E> {
    async fn next(&mut self) -> Result<Delivery<E>, Unavailable> {
        while self.held.is_none() {
            if let Some(delivery) = self.told.pop_front() {
                return Ok(delivery);
            }
            // The past waits while there is something live, though not for ever.
            self.turn += 1;
            let (first, second) = if self.turn.is_multiple_of(ASIDE_FIRST) {
                (&mut self.aside, &mut self.live)
            } else {
                (&mut self.live, &mut self.aside)
            };
            let arrival = tokio::select! {
                biased;
                arrival = first.next() => arrival?,
                arrival = second.next() => arrival?,
            };
            self.take(arrival);
        }
        // A failure here leaves the batch held: it is delivered, or its partition sought again, never skipped.
        if let Some((_, dead)) = self.held.as_ref().filter(|(_, dead)| !dead.is_empty()) {
            self.log.publish(dead.clone()).await?;
        }
        let Some((batch, dead)) = self.held.take() else {
            return Err(Unavailable::new("read the trade feed", "no batch is held"));
        };
        self.tallies.dead_lettered.fetch_add(dead.len() as u64, Ordering::Relaxed);
        Ok(Delivery::Batch(batch))
    }

    async fn seek(&mut self, partition: &Partition, start: Start) -> Result<(), Unavailable> {
        self.held.take_if(|(batch, _)| batch.partition == *partition);
        self.watch.begin(partition, if let Start::At(position) = start { position } else { 0 });
        let reader = if is_live(partition) { &mut self.live } else { &mut self.aside };
        reader.seek(partition, start).await
    }
}

impl<E: From<TradeRecord>> TradeFeed<E> {
    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Gained(live) => {
                self.numbers.insert(live.index);
                let aside = self.reading.aside().map(|topic| topic.partition(live.index));
                self.told.extend([live].into_iter().chain(aside).map(Delivery::Gained));
            }
            Arrival::Lost(live) => {
                self.numbers.remove(&live.index);
                self.watch.forget(&live);
                for partition in self.reading.aside().map(|topic| topic.partition(live.index)) {
                    self.aside.let_go(&partition);
                    self.watch.forget(&partition);
                    self.told.push_back(Delivery::Lost(partition));
                }
                self.told.push_back(Delivery::Lost(live));
            }
            Arrival::Records { partition, records, .. } if *partition.topic == *topics::PROGRESS.name => {
                // What is no progress says so to the operator where progress is served.
                let told =
                    records.iter().filter_map(|record| wire::v1::progress::decode(record.value.as_deref()?).ok());
                told.for_each(|progress| self.watch.told(&progress));
                self.report();
            }
            Arrival::Records { partition, records, next } if self.numbers.contains(&partition.index) => {
                self.watch.saw(&partition, records.iter().map(|record| (&*record.key, record.position)), next);
                self.report();
                self.held = Some(self.sort(partition, records, next));
            }
            Arrival::Records { .. } => {}
        }
    }

    /// Tells the figures, and the operator once when one that must not rise has risen.
    fn report(&self) {
        let total = self.watch.total();
        let lost = self.tallies.lost.swap(total.lost, Ordering::Relaxed);
        let doubled = self.tallies.doubled.swap(total.doubled, Ordering::Relaxed);
        self.tallies.gap.store(total.gap, Ordering::Relaxed);
        if total.lost > lost || total.doubled > doubled {
            let (lost, doubled) = (total.lost - lost, total.doubled - doubled);
            tracing::error!(event = "tape.miscounted", lost, doubled, "what was read is not what the chains count");
        }
    }

    /// Decodes what validates; the rest becomes dead letters.
    fn sort(&self, partition: Partition, records: Vec<Stored>, next: u64) -> (Batch<E>, Vec<Record>) {
        let mut events = Vec::with_capacity(records.len());
        let mut dead = vec![];
        let trace = records.last().and_then(Stored::traceparent).map(Arc::from);
        for mut record in records {
            let (position, has_value) = (record.position, record.value.is_some());
            match wire::v1::trade::told(position, record.value.take().unwrap_or_default()) {
                Ok(told) => events.push(told.into()),
                Err((reason, value)) => {
                    record.value = has_value.then_some(value);
                    tracing::error!(log = %partition.topic, partition = partition.index, position, %reason, "trade dead-lettered");
                    dead.push(dead_letter::for_record(
                        &self.reading.dead(&partition.topic),
                        &partition,
                        record,
                        &reason.to_string(),
                    ));
                }
            }
        }
        (Batch { partition, events, next, trace }, dead)
    }
}

fn is_live(partition: &Partition) -> bool {
    *partition.topic == *topics::TRADES.name
}
