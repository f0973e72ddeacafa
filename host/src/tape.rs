//! Publish: writes a step as one atomic append of trades, journal and progress; a claim reads the journal back.

mod encoder;
mod hold;
mod journal;
mod lines;
mod recent;
pub(crate) mod repair;

pub use hold::Hold;

use self::journal::{ChainJournal, OnTape};
use crate::in_force::InForce;
use crate::measures::Subject;
use encoder::StepEncoder;
use futures_util::{StreamExt, TryStreamExt, stream};
use ingest_domain::{AppendOutcome, Block, Cursor, Journal, Lease, Progress, Request, Step, Tape};
use recent::RecentBlocks;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tape::{BlockId, Trade, Unavailable};
use tape_log::{Appended, Log, Writer, topics};
use wire::v1::{journal as wire_journal, progress, trade};

/// Partitions that are read side by side where all of a chain's trades are: most of the time is spent on connecting.
const PARTITIONS_READ_AT_ONCE: usize = 8;

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
        let lease = LogLease { log, writer, encoder, on_tape: chain_journal.on_tape(), recent, published_before: None };
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
    published_before: Option<progress::ChainProgressed>,
}

impl Lease for LogLease {
    #[tracing::instrument(name = "tape.step.append", skip_all, fields(chain.id = self.encoder.chain, step = step.cursor.step))]
    async fn append(&mut self, step: &Step) -> AppendOutcome {
        let begun = Instant::now();
        // Everything that can be encoded is encoded before the transaction begins.
        let mut records = self.encoder.trades(step);
        let mut on_tape = self.on_tape.clone();
        for record in &records {
            on_tape.counts_of(&record.partition).entry(record.partition.index).or_default().1 += 1;
        }
        let encode = |block: &Block| {
            (block.id.height, wire_journal::encode_block(block.id.height, &block.id.hash, &block.trades))
        };
        let pushed: Vec<(u64, Vec<Vec<u8>>)> = step.pushed.iter().map(encode).collect();
        records.extend(self.encoder.journal(step, &pushed, &mut on_tape));
        on_tape.written_by = Some(self.encoder.writer_of(step));
        let encoder = &self.encoder;
        let appended = self
            .writer
            .append(records, |ends| {
                for (partition, end) in ends.iter().filter(|(partition, _)| *partition.topic != *topics::JOURNAL.name) {
                    on_tape.counts_of(partition).entry(partition.index).or_default().0 = *end;
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
                lines::log_published(&self.encoder.chain, step);
                AppendOutcome::Done
            }
            Appended::Lost => AppendOutcome::Lost,
            Appended::Refused(why) => AppendOutcome::Refused(why),
            Appended::Unknown(unavailable) => AppendOutcome::Unknown(unavailable),
        }
    }

    async fn announce(&mut self, cursor: Option<&Cursor>, progress: &Progress) -> AppendOutcome {
        let record = match cursor {
            Some(cursor) => self.encoder.progress(cursor, progress, &self.on_tape),
            None => match self.published_before().await {
                Ok(before) => self.encoder.progress_after(before, progress),
                Err(unavailable) => return AppendOutcome::Unknown(unavailable),
            },
        };
        match self.writer.append(vec![], |_| vec![record]).await {
            Appended::Done => AppendOutcome::Done,
            Appended::Lost => AppendOutcome::Lost,
            Appended::Refused(why) => AppendOutcome::Refused(why),
            Appended::Unknown(unavailable) => AppendOutcome::Unknown(unavailable),
        }
    }

    async fn journalled_above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let heights = self.on_tape.parts.keys().rev().copied().take_while(|found| *found > height);
        if let Some(recent) = self.recent.blocks(heights) {
            return Ok(recent);
        }
        let journal = ChainJournal::read(&self.log, &self.encoder.partition, &self.encoder.chain).await?;
        if let Some(why) = journal.unreadable_records() {
            return Err(Unavailable::new("read the journal", why));
        }
        Ok(journal.blocks_above(height))
    }

    async fn live_above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let live: Arc<Mutex<BTreeMap<String, Trade>>> = Arc::default();
        let log = &self.log;
        let visits = self.on_tape.trade_partitions().into_iter().map(|partition| {
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
            async move { log.visit(&partition, each).await }
        });
        stream::iter(visits).buffer_unordered(PARTITIONS_READ_AT_ONCE).try_collect::<()>().await?;
        let live = std::mem::take(&mut *live.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(by_block(live.into_values()))
    }

    fn requests(&mut self) -> Vec<Request> {
        self.encoder.requests.of_chain(&self.encoder.chain)
    }
}

impl LogLease {
    /// What was published of the chain last, read once: of a chain whose cursor is not known this is all there is.
    async fn published_before(&mut self) -> Result<progress::ChainProgressed, Unavailable> {
        if let Some(before) = &self.published_before {
            return Ok(before.clone());
        }
        let published = newest_progress(&self.log, &self.encoder.chain).await?;
        // A record that cannot be read is as good as none.
        let before = published.and_then(Result::ok).unwrap_or_else(|| self.encoder.nothing_followed());
        Ok(self.published_before.insert(before).clone())
    }
}

/// The newest progress of a chain, if there is one.
pub(crate) async fn newest_progress(
    log: &Log,
    chain: &str,
) -> Result<Option<Result<progress::ChainProgressed, wire::Invalid>>, Unavailable> {
    let newest: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let (kept, key) = (Arc::clone(&newest), chain.as_bytes().to_vec());
    let each = move |record: tape_log::Stored| {
        if record.key == key {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = record.value;
        }
    };
    log.visit(&topics::PROGRESS.partition(0), each).await?;
    let newest = newest.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(newest.map(|value| progress::decode(&value)))
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
