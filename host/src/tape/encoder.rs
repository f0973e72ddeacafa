//! Encodes a step as the records of one append: trades, journal, cursor and progress.

use super::journal::{OnTape, count, covered, partition_progress};
use super::lines::event_id;
use crate::in_force::InForce;
use crate::requests::Requests;
use ingest_domain::{ChainState, Cursor, Progress, Range, Step};
use std::collections::BTreeMap;
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
            let id = event_id(&self.chain, number, index);
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

    /// The code that a step is of.
    pub(super) fn writer_of(&self, step: &Step) -> progress::Generation {
        progress::Generation { digest: step.cursor.digest.to_string(), ..generation(&self.in_force.get().detector) }
    }

    /// The cursor and the progress of a step, once the positions of its trades are on_tape.
    pub(super) fn cursor_and_progress(&self, step: &Step, on_tape: &OnTape) -> Vec<Record> {
        let cursor = wire_journal::Cursor {
            step: step.cursor.step,
            network: step.cursor.network.to_string(),
            head: step.cursor.head.as_ref().map(block),
            through: step.cursor.through,
            origin: step.cursor.origin,
            since: step.cursor.since,
            finalized: step.cursor.finalized.as_ref().map(block),
            detector: self.writer_of(step),
            partitions: partition_progress(&on_tape.live),
            history: partition_progress(&on_tape.history),
            unbacked: step.cursor.unbacked,
            dropped: dropped(&step.cursor),
        };
        let key = wire_journal::cursor_key(&self.chain);
        let progress = self.progress(&step.cursor, &step.progress, on_tape);
        vec![self.journal_record(key, Some(wire_journal::encode_cursor(&cursor))), progress]
    }

    /// How a chain with a cursor is doing.
    pub(super) fn progress(&self, cursor: &Cursor, progress: &Progress, on_tape: &OnTape) -> Record {
        let before = progress::ChainProgressed {
            network: cursor.network.to_string(),
            step: cursor.step,
            published: cursor.head.as_ref().map(block),
            finalized: cursor.finalized.as_ref().map(block),
            partitions: partition_progress(&on_tape.live),
            history: partition_progress(&on_tape.history),
            covered: covered(&on_tape.ranges, cursor.followed()),
            unbacked: cursor.unbacked,
            dropped: dropped(cursor),
            lag_blocks: progress.latest.as_ref().map_or(0, |latest| latest.height.saturating_sub(cursor.through)),
            written_by: on_tape.written_by.clone(),
            ..self.nothing_followed()
        };
        self.progress_after(before, progress)
    }

    /// How a chain is doing whose cursor is not known: what was published before stays as it was.
    pub(super) fn progress_after(&self, before: progress::ChainProgressed, progress: &Progress) -> Record {
        let entry = self.in_force.get();
        let (state, waiting, reason) = match &progress.state {
            ChainState::Live => (progress::State::Live, false, None),
            ChainState::Catching => (progress::State::Catching, false, None),
            // Readers of before know three states only.
            ChainState::Waiting(why) => (progress::State::Catching, true, Some(why.clone())),
            ChainState::Parked(why) => (progress::State::Parked, false, Some(why.clone())),
        };
        let known = |now: &BTreeMap<String, String>, before| if now.is_empty() { before } else { now.clone() };
        let detector = generation(&entry.detector);
        let written_by = Some(before.known_code().clone()).filter(|code| *code != detector);
        let progressed = progress::ChainProgressed {
            at: environment::now_ms(),
            state,
            waiting,
            reason: reason.map(|reason| entry.file.without_secrets(&reason)),
            since: progress.since_ms,
            endpoint: progress.endpoint.as_deref().map(|name| entry.file.without_secrets(name)),
            latest: progress.latest.as_ref().map(block).or(before.latest),
            detector,
            written_by,
            proof: progress.proof.to_string(),
            display: known(&entry.file.display, before.display),
            providers: known(&entry.file.providers, before.providers),
            candidates: entry.others.get().to_vec(),
            ..before
        };
        let id = format!("{}/{}/progress", self.chain, progressed.step);
        Record {
            partition: topics::PROGRESS.partition(0),
            key: self.chain.clone().into_bytes(),
            headers: cloud_event(kind::CHAIN_PROGRESSED, &id, &format!("/chains/{}", self.chain), None),
            value: Some(progress::encode(&progressed)),
        }
    }

    /// The progress of a chain of which nothing is on the tape.
    pub(super) fn nothing_followed(&self) -> progress::ChainProgressed {
        progress::ChainProgressed {
            chain: self.chain.clone(),
            network: String::new(),
            step: 0,
            at: 0,
            state: progress::State::Catching,
            reason: None,
            published: None,
            latest: None,
            finalized: None,
            lag_blocks: 0,
            detector: generation(&self.in_force.get().detector),
            proof: "none".to_owned(),
            display: BTreeMap::new(),
            providers: BTreeMap::new(),
            partitions: vec![],
            history: vec![],
            covered: vec![],
            candidates: vec![],
            unbacked: 0,
            dropped: BTreeMap::new(),
            waiting: false,
            since: 0,
            endpoint: None,
            written_by: None,
        }
    }
}

fn dropped(cursor: &Cursor) -> BTreeMap<String, u64> {
    cursor.dropped.iter().map(|(kind, count)| (kind.to_string(), count)).collect()
}

fn generation(detector: &Detector) -> progress::Generation {
    let Detector { plugin, version, digest } = detector.clone();
    progress::Generation { plugin, version, digest }
}

fn block(id: &BlockId) -> progress::Block {
    progress::Block { height: id.height, hash: id.hash.to_string() }
}
