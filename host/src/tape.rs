//! Publish: a step becomes one atomic append of trades, journal and progress, and a claim reads the journal back.

mod folded;
mod hold;
mod recent;

pub use hold::Hold;

use crate::chainfile::ChainFile;
use crate::in_force::{About, InForce, Waiting};
use crate::measures::Subject;
use crate::requests::Requests;
use folded::{Folded, Partitions};
use ingest_domain::{Block, Journal, Lease, Outcome, Range, Request, State, Step, Tape};
use recent::Recent;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tape::{BlockId, Detector, Partition, Trade, Unavailable};
use tape_log::{Appended, Log, Record, Topic, Writer, topics};
use wire::headers::{cloud_event, kind};
use wire::v1::{journal, progress, trade};

/// The tape on a log, for one chain.
pub struct LogTape {
    hold: Arc<Hold>,
    about: InForce,
}

impl LogTape {
    /// The tape of a chain that is read by this detector, written under this hold.
    pub fn new(hold: Arc<Hold>, chain: &ChainFile, detector: Detector) -> Self {
        let about = About {
            detector,
            display: chain.display.clone(),
            providers: chain.providers.clone(),
            waiting: Waiting::default(),
        };
        Self::following(hold, InForce::new(about))
    }

    /// The tape of a chain that names whatever is in force at each step.
    pub fn following(hold: Arc<Hold>, about: InForce) -> Self {
        Self { hold, about }
    }
}

impl Tape for LogTape {
    type Lease = LogLease;

    async fn claim(&self, chain: &str) -> Result<(LogLease, Journal), Unavailable> {
        let (writer, folded) = self.hold.claim(chain).await?;
        let scribe = Scribe {
            about: self.about.clone(),
            requests: self.hold.requests.clone(),
            chain: chain.to_owned(),
            partition: self.hold.partition.clone(),
        };
        let journal = folded.journal();
        let (log, recent) = (self.hold.log.clone(), Recent::default());
        let lease = LogLease { log, writer, scribe, known: folded.known(), recent };
        Ok((lease, journal))
    }
}

/// The right to write one chain.
pub struct LogLease {
    log: Log,
    writer: Writer,
    scribe: Scribe,
    known: Known,
    recent: Recent,
}

/// What the journal holds beside the domain's own cursor and window.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Journal records per height.
    parts: BTreeMap<u64, u32>,
    /// Covered ranges by number.
    ranges: BTreeMap<u32, Range>,
    /// Per partition of the trades log: next offset and running count.
    live: Partitions,
    /// The same of the history log.
    history: Partitions,
}

/// Writes one chain's records.
struct Scribe {
    about: InForce,
    requests: Requests,
    chain: String,
    partition: Partition,
}

/// The log that the trades of a height are on: for each trade always the same one, so that its coming and going stay in order.
fn log_of(height: u64, origin: u64) -> Topic {
    if height < origin { topics::HISTORY } else { topics::TRADES }
}

impl Scribe {
    /// The trades of a step as records, in order.
    fn trades(&self, step: &Step) -> Vec<Record> {
        let number = step.cursor.step;
        let trace = environment::telemetry::traceparent();
        let record = |(index, (status, trade)): (usize, &(tape::Status, Trade))| {
            let id = format!("{}/{number}/{index}", self.chain);
            let kind = match status {
                tape::Status::Reverted => kind::TRADE_REVERTED,
                tape::Status::Observed | tape::Status::Finalized => kind::TRADE_EXECUTED,
            };
            let headers = cloud_event(kind, &id, &format!("/chains/{}", self.chain), trace.as_deref());
            let key = trade.key().into_bytes();
            let partition = log_of(trade.block.id.height, step.cursor.origin).partition_of(&key);
            Record { partition, key, headers, value: Some(trade::encode_as(&id, *status, trade)) }
        };
        step.changes.iter().enumerate().map(record).collect()
    }

    /// What the journal forgets and learns by a step, without the cursor; `pushed` are its new blocks as they are written.
    fn journal(&self, step: &Step, pushed: &[(u64, Vec<Vec<u8>>)], known: &mut Known) -> Vec<Record> {
        let mut records = vec![];
        for height in step.popped.iter().chain(&step.settled) {
            for part in 0..known.parts.remove(height).unwrap_or(0) {
                records.push(self.journal_record(journal::block_key(&self.chain, *height, part), None));
            }
        }
        for (height, parts) in pushed {
            known.parts.insert(*height, count(parts.len()));
            for (part, value) in parts.iter().enumerate() {
                let key = journal::block_key(&self.chain, *height, count(part));
                records.push(self.journal_record(key, Some(value.clone())));
            }
        }
        for (number, range) in &step.ranges {
            let value = range.as_ref().map(|range| {
                let Range { from, to, digest } = range.clone();
                journal::encode_range(&journal::Range { from, to, digest: digest.to_string() })
            });
            match range {
                Some(range) => known.ranges.insert(*number, range.clone()),
                None => known.ranges.remove(number),
            };
            records.push(self.journal_record(journal::range_key(&self.chain, *number), value));
        }
        let struck = self.requests.keys(&self.chain, &step.answered);
        records.extend(struck.into_iter().map(|key| self.journal_record(key, None)));
        records
    }

    fn journal_record(&self, key: String, value: Option<Vec<u8>>) -> Record {
        Record { partition: self.partition.clone(), key: key.into_bytes(), headers: vec![], value }
    }

    /// The cursor and the progress of a step, once it is known where its trades stand.
    fn seal(&self, step: &Step, known: &Known) -> Vec<Record> {
        let about = self.about.get();
        let cursor = journal::Cursor {
            step: step.cursor.step,
            network: step.cursor.network.to_string(),
            head: step.cursor.head.as_ref().map(block),
            through: step.cursor.through,
            origin: step.cursor.origin,
            since: step.cursor.since,
            finalized: step.cursor.finalized.as_ref().map(block),
            detector: progress::Generation { digest: step.cursor.digest.to_string(), ..generation(&about) },
            partitions: folded::listed(&known.live),
            history: folded::listed(&known.history),
            unbacked: step.cursor.unbacked,
        };
        let key = journal::cursor_key(&self.chain);
        vec![self.journal_record(key, Some(journal::encode_cursor(&cursor))), self.progress(step, &about, known)]
    }

    fn progress(&self, step: &Step, about: &About, known: &Known) -> Record {
        let (state, reason) = match &step.progress.state {
            State::Live => (progress::State::Live, None),
            State::Catching => (progress::State::Catching, None),
            State::Parked(why) => (progress::State::Parked, Some(why.clone())),
        };
        let latest = step.progress.latest.as_ref();
        let said = progress::ChainProgressed {
            chain: self.chain.clone(),
            network: step.cursor.network.to_string(),
            step: step.cursor.step,
            at: environment::now_ms(),
            state,
            reason,
            published: step.cursor.head.as_ref().map(block),
            latest: latest.map(block),
            finalized: step.cursor.finalized.as_ref().map(block),
            lag_blocks: latest.map_or(0, |latest| latest.height.saturating_sub(step.cursor.through)),
            detector: generation(about),
            proof: step.progress.proof.to_string(),
            display: about.display.clone(),
            providers: about.providers.clone(),
            partitions: folded::listed(&known.live),
            history: folded::listed(&known.history),
            covered: folded::covered(&known.ranges, step.cursor.followed()),
            candidates: about.waiting.get().to_vec(),
            unbacked: step.cursor.unbacked,
        };
        let id = format!("{}/{}/progress", self.chain, step.cursor.step);
        Record {
            partition: topics::PROGRESS.partition(0),
            key: self.chain.clone().into_bytes(),
            headers: cloud_event(kind::CHAIN_PROGRESSED, &id, &format!("/chains/{}", self.chain), None),
            value: Some(progress::encode(&said)),
        }
    }
}

impl Lease for LogLease {
    #[tracing::instrument(name = "tape.step.append", skip_all, fields(chain.id = self.scribe.chain, step = step.cursor.step))]
    async fn append(&mut self, step: &Step) -> Outcome {
        let begun = Instant::now();
        // Everything that can be encoded is encoded before the transaction begins.
        let mut records = self.scribe.trades(step);
        let mut known = self.known.clone();
        for record in &records {
            known.partitions(&record.partition).entry(record.partition.index).or_default().1 += 1;
        }
        let encode =
            |block: &Block| (block.id.height, journal::encode_block(block.id.height, &block.id.hash, &block.trades));
        let pushed: Vec<(u64, Vec<Vec<u8>>)> = step.pushed.iter().map(encode).collect();
        records.extend(self.scribe.journal(step, &pushed, &mut known));
        let scribe = &self.scribe;
        let appended = self
            .writer
            .append(records, |ends| {
                for (partition, end) in ends.iter().filter(|(partition, _)| *partition.topic != *topics::JOURNAL.name) {
                    known.partitions(partition).entry(partition.index).or_default().0 = *end;
                }
                scribe.seal(step, &known)
            })
            .await;
        match appended {
            Appended::Done => {
                self.known = known;
                for height in step.popped.iter().chain(&step.settled) {
                    self.recent.forget(*height);
                }
                for (height, parts) in pushed {
                    self.recent.keep(height, parts);
                }
                let detector = &self.scribe.about.get().detector;
                Subject { chain: &self.scribe.chain, detector }.appended(begun.elapsed(), step);
                self.scribe.requests.answered(&self.scribe.chain, &step.answered);
                Outcome::Done
            }
            Appended::Lost => Outcome::Lost,
            Appended::Unknown(unavailable) => Outcome::Unknown(unavailable),
        }
    }

    async fn above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let heights = self.known.parts.keys().rev().copied().take_while(|found| *found > height);
        if let Some(recent) = self.recent.read(heights) {
            return Ok(recent);
        }
        let folded = Folded::read(&self.log, &self.scribe.partition, &self.scribe.chain).await?;
        Ok(folded.above(height))
    }

    async fn recall(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let live: Arc<Mutex<BTreeMap<String, Trade>>> = Arc::default();
        let mut partitions: Vec<Partition> =
            self.known.live.keys().map(|number| topics::TRADES.partition(*number)).collect();
        partitions.extend(self.known.history.keys().map(|number| topics::HISTORY.partition(*number)));
        for partition in partitions {
            let (live, prefix) = (Arc::clone(&live), format!("{}/", self.scribe.chain));
            let each = move |record: tape_log::Stored| {
                // What does not validate was not written by an ingestor.
                let ours = record.key.starts_with(prefix.as_bytes()).then_some(record.value).flatten();
                let Some(Ok(event)) = ours.map(|value| trade::decode(&value)) else { return };
                let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
                match event.status {
                    tape::Status::Reverted => drop(live.remove(&event.trade.id())),
                    _ if event.trade.block.id.height > height => drop(live.insert(event.trade.id(), *event.trade)),
                    _ => {}
                }
            };
            self.log.visit(&partition, each).await?;
        }
        let mut blocks: BTreeMap<BlockId, Vec<Trade>> = BTreeMap::new();
        for trade in std::mem::take(&mut *live.lock().unwrap_or_else(PoisonError::into_inner)).into_values() {
            blocks.entry(trade.block.id.clone()).or_default().push(trade);
        }
        for trades in blocks.values_mut() {
            trades.sort_by_key(Trade::place);
        }
        Ok(blocks.into_iter().rev().collect())
    }

    fn requests(&mut self) -> Vec<Request> {
        self.scribe.requests.of(&self.scribe.chain)
    }
}

impl Known {
    fn partitions(&mut self, partition: &Partition) -> &mut Partitions {
        if *partition.topic == *topics::HISTORY.name { &mut self.history } else { &mut self.live }
    }
}

fn generation(about: &About) -> progress::Generation {
    let Detector { plugin, version, digest } = about.detector.clone();
    progress::Generation { plugin, version, digest }
}

fn block(id: &BlockId) -> progress::Block {
    progress::Block { height: id.height, hash: id.hash.to_string() }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
