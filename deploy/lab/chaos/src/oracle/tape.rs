//! Reads the topics with `read_committed` and checks that per trade apply and revert alternate, that a trader's trades are applied
//! in chain order and reverted newest first, and that progress counts every record.

use super::newest_progress;
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use tape::{Event, Place, Status};
use tape_log::{Log, Topic, topics};
use wire::v1::progress::PartitionProgress;
use wire::v1::trade;

/// The key of records that were published to be undecodable.
pub(super) const POISON: &[u8] = b"poison/poison";

/// What the topics contain.
#[derive(Default)]
pub(super) struct TapeRead {
    pub(super) live: BTreeSet<String>,
    pub(super) doubled: u64,
    pub(super) reverted: u64,
    pub(super) filled_in: u64,
    /// Where each event stands, by its id.
    places: BTreeMap<String, String>,
    /// Records of each chain per log and partition.
    counts: BTreeMap<(String, &'static str, u32), u64>,
    /// Each trader's live trades of the live log, in the order in which they came.
    lines: BTreeMap<(String, String), Vec<Place>>,
}

/// Reads both topics of trades.
pub(super) async fn read_tape(log: &Log, findings: &mut Vec<String>) -> anyhow::Result<TapeRead> {
    let mut tape = TapeRead::default();
    for topic in [topics::TRADES, topics::HISTORY] {
        for partition in topic.partitions() {
            for record in log.read_all(&partition).await?.into_iter().filter(|record| record.key != POISON) {
                let place = format!("{} partition {} offset {}", partition.topic, partition.index, record.position);
                let event = trade::decode(record.value.as_deref().unwrap_or_default()).context(place.clone())?;
                tape.count_event(&topic, partition.index, &event, &place, findings);
            }
        }
    }
    Ok(tape)
}

impl TapeRead {
    fn count_event(&mut self, topic: &Topic, number: u32, event: &Event, place: &str, findings: &mut Vec<String>) {
        let id = event.trade.id();
        if let Some(before) = self.places.insert(event.id.clone(), place.to_owned()) {
            findings.push(format!("event {} stands at {before} and at {place}", event.id));
            self.doubled += 1;
        }
        *self.counts.entry((event.trade.chain.to_string(), topic.name, number)).or_default() += 1;
        let alternates = if event.status == Status::Reverted {
            self.reverted += 1;
            self.live.remove(&id)
        } else {
            self.live.insert(id.clone())
        };
        if !alternates {
            findings.push(format!("{:?} of {id} twice in a row at {place}", event.status));
            self.doubled += 1;
        }
        if *topic == topics::TRADES {
            self.check_order(event, place, findings);
        } else {
            self.filled_in += 1;
        }
    }

    /// Trades of one trader are applied in chain order and reverted newest first.
    fn check_order(&mut self, event: &Event, place: &str, findings: &mut Vec<String>) {
        let trader = (event.trade.chain.to_string(), event.trade.trader.address.clone());
        let (line, stands) = (self.lines.entry(trader).or_default(), event.trade.place());
        let in_order = if event.status == Status::Reverted {
            line.pop() == Some(stands)
        } else {
            let after = line.last().is_none_or(|last| *last < stands);
            line.push(stands);
            after
        };
        if !in_order {
            findings.push(format!("{:?} of {} out of order at {place}", event.status, event.trade.id()));
        }
    }
}

/// Compares the counts in progress with the records that are there.
pub(super) async fn count_records(log: &Log, tape: &TapeRead, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let mut counted = BTreeMap::new();
    for (chain, progress) in newest_progress(log).await? {
        let mut add = |topic: Topic, partitions: Vec<PartitionProgress>| {
            for partition in partitions {
                counted.insert((chain.clone(), topic.name, partition.partition), partition.count);
            }
        };
        add(topics::TRADES, progress.partitions);
        add(topics::HISTORY, progress.history);
    }
    if counted != tape.counts {
        let differs = counted.iter().find(|(key, count)| tape.counts.get(*key) != Some(*count));
        findings.push(format!("progress counts differ from the records that are there: {differs:?}"));
    }
    Ok(())
}
