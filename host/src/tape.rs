//! Publish: a step becomes one atomic append of trades, journal and progress, and a claim reads the journal back.

use crate::chainfile::ChainFile;
use crate::in_force::{About, InForce};
use ingest_domain::{Cursor, Journal, Lease, Outcome, State, Step, Tape};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tape::{BlockId, Detector, Event, Share, Trade, Unavailable};
use tape_log::{Appended, Log, Record, Writer, topics};
use wire::headers::{cloud_event, kind};
use wire::v1::{journal, progress, trade};

/// The tape on a log, for one chain.
pub struct LogTape {
    log: Log,
    about: InForce,
}

impl LogTape {
    /// The tape of a chain that is read by this detector.
    pub fn new(log: Log, chain: &ChainFile, detector: Detector) -> Self {
        let about = About { detector, display: chain.display.clone(), providers: chain.providers.clone() };
        Self::following(log, InForce::new(about))
    }

    /// The tape of a chain that names whatever is in force at each step.
    pub fn following(log: Log, about: InForce) -> Self {
        Self { log, about }
    }
}

impl Tape for LogTape {
    type Lease = LogLease;

    async fn claim(&self, chain: &str) -> Result<(LogLease, Journal), Unavailable> {
        // Fence first, then read: nothing can be appended behind the journal that is read.
        let writer = self.log.writer(&format!("ingest.{chain}")).await?;
        let share = topics::JOURNAL.share_of(chain.as_bytes());
        let scribe = Scribe { about: self.about.clone(), chain: chain.to_owned(), share };
        let log = self.log.clone();
        let mut lease = LogLease { log, writer, scribe, parts: BTreeMap::new(), partitions: BTreeMap::new() };
        let journal = lease.read_journal().await?;
        Ok((lease, journal))
    }
}

/// The right to write one chain.
pub struct LogLease {
    log: Log,
    writer: Writer,
    scribe: Scribe,
    /// Journal records per height.
    parts: BTreeMap<u64, u32>,
    /// Per partition of the trades log: next offset and running count.
    partitions: BTreeMap<u32, (u64, u64)>,
}

/// Writes one chain's records.
struct Scribe {
    about: InForce,
    chain: String,
    share: Share,
}

/// Journalled blocks by height.
type Blocks = BTreeMap<u64, (Arc<str>, BTreeMap<u32, Vec<Trade>>)>;

impl LogLease {
    async fn read_journal(&mut self) -> Result<Journal, Unavailable> {
        let (cursor, blocks) = self.fold_journal().await?;
        self.parts = blocks.iter().map(|(height, (_, parts))| (*height, count(parts.len()))).collect();
        let Some(cursor) = cursor else { return Ok(Journal::default()) };
        self.partitions = cursor.partitions.iter().map(|p| (p.partition, (p.next, p.count))).collect();
        let blocks = blocks.into_iter().map(|(height, (hash, _))| BlockId { height, hash }).collect();
        let block = |block: progress::Block| BlockId { height: block.height, hash: block.hash.into() };
        let cursor = Cursor {
            step: cursor.step,
            network: cursor.network.into(),
            head: cursor.head.map(block),
            through: cursor.through,
            finalized: cursor.finalized.map(block),
            unbacked: cursor.unbacked,
        };
        Ok(Journal { cursor: Some(cursor), blocks })
    }

    /// The journal as it counts: the newest record of each key, entries above the cursor void.
    async fn fold_journal(&self) -> Result<(Option<journal::Cursor>, Blocks), Unavailable> {
        let mut newest: HashMap<Vec<u8>, Option<Vec<u8>>> = HashMap::new();
        for record in self.log.read_all(&self.scribe.share).await? {
            newest.insert(record.key, record.value);
        }
        let broken = |key: &str, e: wire::Invalid| Unavailable::new(format!("read journal record {key}"), e);
        let mut cursor = None;
        let mut blocks = Blocks::new();
        for (key, value) in newest {
            let (Ok(key), Some(value)) = (String::from_utf8(key), value) else { continue };
            if key == journal::cursor_key(&self.scribe.chain) {
                cursor = Some(journal::decode_cursor(&value).map_err(|e| broken(&key, e))?);
            } else if let Some((chain, height, part)) = journal::parse_block_key(&key)
                && chain == self.scribe.chain
            {
                let block = journal::decode_block(&value).map_err(|e| broken(&key, e))?;
                let entry = blocks.entry(height).or_insert_with(|| (block.hash.clone().into(), BTreeMap::new()));
                entry.1.insert(part, block.trades);
            }
        }
        let through = cursor.as_ref().map_or(0, |cursor: &journal::Cursor| cursor.through);
        blocks.retain(|height, _| *height <= through);
        Ok((cursor, blocks))
    }
}

impl Scribe {
    /// The trades of a step as records, in order.
    fn trades(&self, step: &Step) -> Vec<Record> {
        let number = step.cursor.step;
        let record = |(index, (status, trade)): (usize, &(tape::Status, Trade))| {
            let id = format!("{}/{number}/{index}", self.chain);
            let kind = match status {
                tape::Status::Reverted => kind::TRADE_REVERTED,
                tape::Status::Observed | tape::Status::Finalized => kind::TRADE_EXECUTED,
            };
            let headers = cloud_event(kind, &id, &format!("/chains/{}", self.chain), None);
            let key = trade.key().into_bytes();
            let event = Event { id, status: *status, trade: trade.clone() };
            Record { share: topics::TRADES.share_of(&key), key, headers, value: Some(trade::encode(&event)) }
        };
        step.changes.iter().enumerate().map(record).collect()
    }

    /// What the journal forgets and learns by a step, without the cursor; and its parts per height after it.
    fn journal(&self, step: &Step, mut parts: BTreeMap<u64, u32>) -> (Vec<Record>, BTreeMap<u64, u32>) {
        let mut records = vec![];
        for height in step.popped.iter().chain(&step.settled) {
            for part in 0..parts.remove(height).unwrap_or(0) {
                records.push(self.journal_record(journal::block_key(&self.chain, *height, part), None));
            }
        }
        for block in &step.pushed {
            let height = block.id.height;
            let encoded = journal::encode_block(height, &block.id.hash, &block.trades);
            parts.insert(height, count(encoded.len()));
            for (part, value) in encoded.into_iter().enumerate() {
                let key = journal::block_key(&self.chain, height, count(part));
                records.push(self.journal_record(key, Some(value)));
            }
        }
        (records, parts)
    }

    fn journal_record(&self, key: String, value: Option<Vec<u8>>) -> Record {
        Record { share: self.share.clone(), key: key.into_bytes(), headers: vec![], value }
    }

    /// The cursor and the progress of a step, once it is known where its trades stand.
    fn seal(&self, step: &Step, partitions: &BTreeMap<u32, (u64, u64)>) -> Vec<Record> {
        let about = self.about.get();
        let partitions: Vec<progress::Partition> = partitions
            .iter()
            .map(|(partition, (next, count))| progress::Partition { partition: *partition, next: *next, count: *count })
            .collect();
        let cursor = journal::Cursor {
            step: step.cursor.step,
            network: step.cursor.network.to_string(),
            head: step.cursor.head.as_ref().map(block),
            through: step.cursor.through,
            finalized: step.cursor.finalized.as_ref().map(block),
            detector: generation(&about),
            partitions: partitions.clone(),
            unbacked: step.cursor.unbacked,
        };
        let key = journal::cursor_key(&self.chain);
        vec![self.journal_record(key, Some(journal::encode_cursor(&cursor))), self.progress(step, &about, partitions)]
    }

    fn progress(&self, step: &Step, about: &About, partitions: Vec<progress::Partition>) -> Record {
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
            partitions,
            unbacked: step.cursor.unbacked,
        };
        let id = format!("{}/{}/progress", self.chain, step.cursor.step);
        Record {
            share: topics::PROGRESS.share(0),
            key: self.chain.clone().into_bytes(),
            headers: cloud_event(kind::CHAIN_PROGRESSED, &id, &format!("/chains/{}", self.chain), None),
            value: Some(progress::encode(&said)),
        }
    }
}

impl Lease for LogLease {
    #[tracing::instrument(name = "tape.step.append", skip_all, fields(chain.id = self.scribe.chain, step = step.cursor.step))]
    async fn append(&mut self, step: &Step) -> Outcome {
        // Everything that can be encoded is encoded before the transaction begins.
        let trades = self.scribe.trades(step);
        let (mut records, parts) = self.scribe.journal(step, self.parts.clone());
        let mut partitions = self.partitions.clone();
        for trade in &trades {
            partitions.entry(trade.share.number).or_default().1 += 1;
        }
        records.splice(0..0, trades);
        let mut after = partitions.clone();
        let scribe = &self.scribe;
        let appended = self
            .writer
            .append(records, |ends| {
                for (share, end) in ends.iter().filter(|(share, _)| *share.log == *topics::TRADES.name) {
                    partitions.entry(share.number).or_default().0 = *end;
                }
                after.clone_from(&partitions);
                scribe.seal(step, &partitions)
            })
            .await;
        match appended {
            Appended::Done => {
                (self.parts, self.partitions) = (parts, after);
                Outcome::Done
            }
            Appended::Lost => Outcome::Lost,
            Appended::Unknown(unavailable) => Outcome::Unknown(unavailable),
        }
    }

    async fn above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let (_, blocks) = self.fold_journal().await?;
        let above = blocks.into_iter().rev().take_while(|(found, _)| *found > height);
        Ok(above
            .map(|(height, (hash, parts))| (BlockId { height, hash }, parts.into_values().flatten().collect()))
            .collect())
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
