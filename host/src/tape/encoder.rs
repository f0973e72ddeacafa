//! Encodes a step as the records of one append: trades, journal, cursor and progress.

use super::journal::{OnTape, count, covered, partition_progress};
use crate::in_force::{Entry, InForce};
use crate::requests::Requests;
use ingest_domain::{ChainState, Range, Step};
use tape::{BlockId, Detector, Partition, Trade};
use tape_log::{Record, Topic, topics};
use wire::headers::{cloud_event, kind};
use wire::v1::{journal as wire_journal, progress, trade};

/// Encodes one chain's steps as records.
pub(super) struct StepEncoder {
    pub(super) in_force: InForce,
    pub(super) requests: Requests,
    pub(super) chain: String,
    pub(super) partition: Partition,
}

/// The topic of a height's trades: for each trade always the same one, so that its applies and reverts stay in order.
fn topic_of_height(height: u64, origin: u64) -> Topic {
    if height < origin { topics::HISTORY } else { topics::TRADES }
}

impl StepEncoder {
    /// The trades of a step as records, in order.
    pub(super) fn trades(&self, step: &Step) -> Vec<Record> {
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
    pub(super) fn journal(&self, step: &Step, pushed: &[(u64, Vec<Vec<u8>>)], on_tape: &mut OnTape) -> Vec<Record> {
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
    pub(super) fn cursor_and_progress(&self, step: &Step, on_tape: &OnTape) -> Vec<Record> {
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

fn generation(detector: &Detector) -> progress::Generation {
    let Detector { plugin, version, digest } = detector.clone();
    progress::Generation { plugin, version, digest }
}

fn block(id: &BlockId) -> progress::Block {
    progress::Block { height: id.height, hash: id.hash.to_string() }
}
