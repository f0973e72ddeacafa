//! Publish: writes a step as one atomic append of trades, journal and progress; a claim reads the journal back.

mod hold;
mod journal;
mod recent;

pub use hold::Hold;

use self::journal::{ChainJournal, PartitionCounts, covered, partition_progress};
use crate::in_force::{Entry, InForce};
use crate::measures::Subject;
use crate::requests::Requests;
use ingest_domain::{AppendOutcome, Block, ChainState, Journal, Lease, Range, Request, Step, Tape};
use recent::RecentBlocks;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tape::{BlockId, Detector, Partition, Trade, Unavailable};
use tape_log::{Appended, Log, Record, Topic, Writer, topics};
use wire::headers::{cloud_event, kind};
use wire::v1::{journal as wire_journal, progress, trade};

/// The tape on a log, for one chain.
pub struct LogTape {
    hold: Arc<Hold>,
    in_force: InForce,
}

impl LogTape {
    /// The tape of a chain, written under this hold; each step names what is in force then.
    pub fn new(hold: Arc<Hold>, in_force: InForce) -> Self {
        Self { hold, in_force }
    }
}

impl Tape for LogTape {
    type Lease = LogLease;

    async fn claim(&self, chain: &str) -> Result<(LogLease, Journal), Unavailable> {
        let (writer, chain_journal) = self.hold.claim(chain).await?;
        let encoder = StepEncoder {
            in_force: self.in_force.clone(),
            requests: self.hold.requests.clone(),
            chain: chain.to_owned(),
            partition: self.hold.partition.clone(),
        };
        let (log, recent) = (self.hold.log.clone(), RecentBlocks::default());
        let journal = chain_journal.journal();
        let lease = LogLease { log, writer, encoder, on_tape: chain_journal.on_tape(), recent };
        Ok((lease, journal))
    }
}

/// The right to write one chain.
pub struct LogLease {
    log: Log,
    writer: Writer,
    encoder: StepEncoder,
    on_tape: OnTape,
    recent: RecentBlocks,
}

/// What is on the tape of a chain, besides the domain's own cursor and window.
#[derive(Clone, Debug, Default)]
struct OnTape {
    /// Journal records per height.
    parts: BTreeMap<u64, u32>,
    /// Covered ranges by number.
    ranges: BTreeMap<u32, Range>,
    /// Per partition of the live topic: next offset and number of records.
    live: PartitionCounts,
    /// The same of the history topic.
    history: PartitionCounts,
}

/// Encodes one chain's steps as records.
struct StepEncoder {
    in_force: InForce,
    requests: Requests,
    chain: String,
    partition: Partition,
}

/// The topic of a height's trades: for each trade always the same one, so that its applies and reverts stay in order.
fn topic_of_height(height: u64, origin: u64) -> Topic {
    if height < origin { topics::HISTORY } else { topics::TRADES }
}

impl StepEncoder {
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
            let partition = topic_of_height(trade.block.id.height, step.cursor.origin).partition_of(&key);
            Record { partition, key, headers, value: Some(trade::encode_as(&id, *status, trade)) }
        };
        step.changes.iter().enumerate().map(record).collect()
    }

    /// The journal records of a step, without the cursor; `pushed` are its new blocks, encoded.
    fn journal(&self, step: &Step, pushed: &[(u64, Vec<Vec<u8>>)], on_tape: &mut OnTape) -> Vec<Record> {
        let mut records = vec![];
        for height in step.popped.iter().chain(&step.settled) {
            for part in 0..on_tape.parts.remove(height).unwrap_or(0) {
                records.push(self.journal_record(wire_journal::block_key(&self.chain, *height, part), None));
            }
        }
        for (height, parts) in pushed {
            on_tape.parts.insert(*height, count(parts.len()));
            for (part, value) in parts.iter().enumerate() {
                let key = wire_journal::block_key(&self.chain, *height, count(part));
                records.push(self.journal_record(key, Some(value.clone())));
            }
        }
        for (number, range) in &step.ranges {
            let value = range.as_ref().map(|range| {
                let Range { from, to, digest } = range.clone();
                wire_journal::encode_range(&wire_journal::Range { from, to, digest: digest.to_string() })
            });
            match range {
                Some(range) => on_tape.ranges.insert(*number, range.clone()),
                None => on_tape.ranges.remove(number),
            };
            records.push(self.journal_record(wire_journal::range_key(&self.chain, *number), value));
        }
        let fulfilled = self.requests.keys(&self.chain, &step.fulfilled);
        records.extend(fulfilled.into_iter().map(|key| self.journal_record(key, None)));
        records
    }

    fn journal_record(&self, key: String, value: Option<Vec<u8>>) -> Record {
        Record { partition: self.partition.clone(), key: key.into_bytes(), headers: vec![], value }
    }

    /// The cursor and the progress of a step, once the positions of its trades are on_tape.
    fn cursor_and_progress(&self, step: &Step, on_tape: &OnTape) -> Vec<Record> {
        let entry = self.in_force.get();
        let cursor = wire_journal::Cursor {
            step: step.cursor.step,
            network: step.cursor.network.to_string(),
            head: step.cursor.head.as_ref().map(block),
            through: step.cursor.through,
            origin: step.cursor.origin,
            since: step.cursor.since,
            finalized: step.cursor.finalized.as_ref().map(block),
            detector: progress::Generation { digest: step.cursor.digest.to_string(), ..generation(&entry.detector) },
            partitions: partition_progress(&on_tape.live),
            history: partition_progress(&on_tape.history),
            unbacked: step.cursor.unbacked,
        };
        let key = wire_journal::cursor_key(&self.chain);
        vec![self.journal_record(key, Some(wire_journal::encode_cursor(&cursor))), self.progress(step, &entry, on_tape)]
    }

    fn progress(&self, step: &Step, entry: &Entry, on_tape: &OnTape) -> Record {
        let (state, reason) = match &step.progress.state {
            ChainState::Live => (progress::State::Live, None),
            ChainState::Catching => (progress::State::Catching, None),
            ChainState::Parked(why) => (progress::State::Parked, Some(why.clone())),
        };
        let latest = step.progress.latest.as_ref();
        let progressed = progress::ChainProgressed {
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
            detector: generation(&entry.detector),
            proof: step.progress.proof.to_string(),
            display: entry.file.display.clone(),
            providers: entry.file.providers.clone(),
            partitions: partition_progress(&on_tape.live),
            history: partition_progress(&on_tape.history),
            covered: covered(&on_tape.ranges, step.cursor.followed()),
            candidates: entry.others.get().to_vec(),
            unbacked: step.cursor.unbacked,
        };
        let id = format!("{}/{}/progress", self.chain, step.cursor.step);
        Record {
            partition: topics::PROGRESS.partition(0),
            key: self.chain.clone().into_bytes(),
            headers: cloud_event(kind::CHAIN_PROGRESSED, &id, &format!("/chains/{}", self.chain), None),
            value: Some(progress::encode(&progressed)),
        }
    }
}

impl Lease for LogLease {
    #[tracing::instrument(name = "tape.step.append", skip_all, fields(chain.id = self.encoder.chain, step = step.cursor.step))]
    async fn append(&mut self, step: &Step) -> AppendOutcome {
        let begun = Instant::now();
        // Everything that can be encoded is encoded before the transaction begins.
        let mut records = self.encoder.trades(step);
        let mut on_tape = self.on_tape.clone();
        for record in &records {
            on_tape.partitions(&record.partition).entry(record.partition.index).or_default().1 += 1;
        }
        let encode = |block: &Block| {
            (block.id.height, wire_journal::encode_block(block.id.height, &block.id.hash, &block.trades))
        };
        let pushed: Vec<(u64, Vec<Vec<u8>>)> = step.pushed.iter().map(encode).collect();
        records.extend(self.encoder.journal(step, &pushed, &mut on_tape));
        let encoder = &self.encoder;
        let appended = self
            .writer
            .append(records, |ends| {
                for (partition, end) in ends.iter().filter(|(partition, _)| *partition.topic != *topics::JOURNAL.name) {
                    on_tape.partitions(partition).entry(partition.index).or_default().0 = *end;
                }
                encoder.cursor_and_progress(step, &on_tape)
            })
            .await;
        match appended {
            Appended::Done => {
                self.on_tape = on_tape;
                for height in step.popped.iter().chain(&step.settled) {
                    self.recent.remove(*height);
                }
                for (height, parts) in pushed {
                    self.recent.insert(height, parts);
                }
                let detector = &self.encoder.in_force.get().detector;
                Subject { chain: &self.encoder.chain, detector }.record_append(begun.elapsed(), step);
                self.encoder.requests.mark_fulfilled(&self.encoder.chain, &step.fulfilled);
                AppendOutcome::Done
            }
            Appended::Lost => AppendOutcome::Lost,
            Appended::Unknown(unavailable) => AppendOutcome::Unknown(unavailable),
        }
    }

    async fn journalled_above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let heights = self.on_tape.parts.keys().rev().copied().take_while(|found| *found > height);
        if let Some(recent) = self.recent.blocks(heights) {
            return Ok(recent);
        }
        let journal = ChainJournal::read(&self.log, &self.encoder.partition, &self.encoder.chain).await?;
        Ok(journal.blocks_above(height))
    }

    async fn live_above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let live: Arc<Mutex<BTreeMap<String, Trade>>> = Arc::default();
        for partition in self.on_tape.trade_partitions() {
            let (live, prefix) = (Arc::clone(&live), format!("{}/", self.encoder.chain));
            let each = move |record: tape_log::Stored| {
                // Records that do not decode were not written by an ingestor.
                let value = record.key.starts_with(prefix.as_bytes()).then_some(record.value).flatten();
                let Some(Ok(event)) = value.map(|value| trade::decode(&value)) else { return };
                let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
                match event.status {
                    tape::Status::Reverted => drop(live.remove(&event.trade.id())),
                    _ if event.trade.block.id.height > height => drop(live.insert(event.trade.id(), *event.trade)),
                    _ => {}
                }
            };
            self.log.visit(&partition, each).await?;
        }
        let live = std::mem::take(&mut *live.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(by_block(live.into_values()))
    }

    fn requests(&mut self) -> Vec<Request> {
        self.encoder.requests.of_chain(&self.encoder.chain)
    }
}

impl OnTape {
    fn partitions(&mut self, partition: &Partition) -> &mut PartitionCounts {
        if *partition.topic == *topics::HISTORY.name { &mut self.history } else { &mut self.live }
    }

    /// The partitions that hold trades of the chain.
    fn trade_partitions(&self) -> Vec<Partition> {
        let live = self.live.keys().map(|index| topics::TRADES.partition(*index));
        live.chain(self.history.keys().map(|index| topics::HISTORY.partition(*index))).collect()
    }
}

/// Trades by their block, newest block first, each block's in chain order.
fn by_block(trades: impl Iterator<Item = Trade>) -> Vec<(BlockId, Vec<Trade>)> {
    let mut blocks: BTreeMap<BlockId, Vec<Trade>> = BTreeMap::new();
    for trade in trades {
        blocks.entry(trade.block.id.clone()).or_default().push(trade);
    }
    for trades in blocks.values_mut() {
        trades.sort_by_key(Trade::place);
    }
    blocks.into_iter().rev().collect()
}

fn generation(detector: &Detector) -> progress::Generation {
    let Detector { plugin, version, digest } = detector.clone();
    progress::Generation { plugin, version, digest }
}

fn block(id: &BlockId) -> progress::Block {
    progress::Block { height: id.height, hash: id.hash.to_string() }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
