//! Dead letters: records that a service could not read, kept with the reason and their position, and their replay.
//!
//! A dead letter that can be read by now is copied to the service's own replay topic, into the partition with the index
//! it came from, so that the instance that holds the user's book reads it. Applied out of order, it could bring back a
//! trade that was reverted meanwhile: so only the newest record of a trade is replayed, and only once the trade's block
//! is final.

use crate::topics::{self, ServiceTopics, Topic};
use crate::{Log, Record, Stored};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tape::{Event, Partition, Unavailable};

const REASON_HEADER: &str = "dlq.reason";
const TOPIC_HEADER: &str = "dlq.topic";
const PARTITION_HEADER: &str = "dlq.partition";
const POSITION_HEADER: &str = "dlq.position";
/// How many bytes the value had that a dead letter is too small for.
const LEFT_OUT_HEADER: &str = "dlq.left-out";

/// Longest reason that a dead letter keeps, characters.
const MAX_KEPT_REASON: usize = 1_000;

/// Longest part of a key that is printed, characters.
const MAX_PRINTED_KEY: usize = 80;

/// A partition and a position in it.
type Place = (Partition, u64);

/// A record that its service could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The partition of the dead-letter topic and the position in it.
    pub place: Place,
    /// Where the record stood when the service first read it.
    pub origin: Place,
    /// Why it could not be read.
    pub reason: String,
    record: Stored,
}

/// What a replay came to for one dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// It was copied to the replay topic now.
    Replayed,
    /// It was copied there by an earlier replay.
    AlreadyReplayed,
    /// This version of the service cannot read it either.
    Unreadable(String),
    /// A later record about the same trade stands in the topic, so this one must not be applied after it.
    Superseded,
    /// A reorganization may still take its block back; it can be replayed once the block is final.
    NotFinal,
}

impl ReplayOutcome {
    /// Its name, for scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::AlreadyReplayed => "already-replayed",
            Self::Unreadable(_) => "unreadable",
            Self::Superseded => "superseded",
            Self::NotFinal => "not-final",
        }
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((dead, at), (from, position)) = (&self.place, &self.origin);
        let key = self.key();
        write!(f, "{}/{at} from {}/{}/{position} key {key:?}: {}", dead.topic, from.topic, from.index, self.reason)
    }
}

impl fmt::Display for ReplayOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replayed => f.write_str("replayed"),
            Self::AlreadyReplayed => f.write_str("was replayed before"),
            Self::Unreadable(reason) => write!(f, "still cannot be read: {reason}"),
            Self::Superseded => f.write_str("left: a later record has the last word on its trade"),
            Self::NotFinal => f.write_str("left: its block is not final yet, try again later"),
        }
    }
}

/// The dead letter of a record: its original bytes, with the reason and the position it was first read at as headers.
pub(crate) fn for_record(dead: &Topic, partition: &Partition, record: Stored, reason: &str) -> Record {
    let mut headers = record.headers;
    headers.retain(|(name, _)| name != REASON_HEADER);
    let reason: String = reason.chars().take(MAX_KEPT_REASON).collect();
    headers.push((REASON_HEADER.to_owned(), reason.into_bytes()));
    if !headers.iter().any(|(name, _)| name == TOPIC_HEADER) {
        headers.push((TOPIC_HEADER.to_owned(), partition.topic.as_bytes().to_vec()));
        headers.push((PARTITION_HEADER.to_owned(), partition.index.to_string().into_bytes()));
        headers.push((POSITION_HEADER.to_owned(), record.position.to_string().into_bytes()));
    }
    Record { partition: dead.partition(0), key: record.key, headers, value: record.value }
}

/// A dead letter that its topic takes: where brokers take no larger messages than those of trades, the value is left
/// out. It still stands where the record was read, which is kept for ever.
pub(crate) fn shrunk_to(max_bytes: usize, mut letter: Record) -> Record {
    let bytes = letter.bytes();
    if bytes > max_bytes {
        let left_out = letter.value.replace(vec![]).map_or(0, |value| value.len());
        letter.headers.push((LEFT_OUT_HEADER.to_owned(), left_out.to_string().into_bytes()));
    }
    letter
}

/// Every dead letter of one service, the oldest of each topic first.
pub async fn list(log: &Log, service: &ServiceTopics) -> Result<Vec<DeadLetter>, Unavailable> {
    let mut letters = vec![];
    for dead in [service.dlq, service.history_dlq] {
        let partition = dead.partition(0);
        let stored = log.read_all(&partition).await?;
        letters.extend(stored.into_iter().filter_map(|record| DeadLetter::read(&partition, record)));
    }
    Ok(letters)
}

/// Copies every dead letter that may be read again to the replay topic; returns each with its outcome.
pub async fn replay(log: &Log, service: &ServiceTopics) -> Result<Vec<(DeadLetter, ReplayOutcome)>, Unavailable> {
    let letters = list(log, service).await?;
    let finalized = finalized_heights(log).await?;
    let mut by_origin: BTreeMap<Partition, Vec<DeadLetter>> = BTreeMap::new();
    for letter in letters {
        by_origin.entry(letter.origin.0.clone()).or_default().push(letter);
    }
    let mut outcomes = vec![];
    for (origin, letters) in by_origin {
        let mut replayed = replayed_origins(log, &service.replay.partition(origin.index)).await?;
        let newest = newest_positions(log, &origin, &letters).await?;
        for letter in letters {
            let is_new = replayed.insert(letter.origin.clone());
            let outcome = if is_new { letter.outcome(&finalized, &newest) } else { ReplayOutcome::AlreadyReplayed };
            if outcome == ReplayOutcome::Replayed {
                log.publish(vec![letter.copy_for(service)]).await?;
            }
            outcomes.push((letter, outcome));
        }
    }
    Ok(outcomes)
}

impl DeadLetter {
    /// The key of the record, as far as it is printed.
    pub fn key(&self) -> String {
        String::from_utf8_lossy(&self.record.key).chars().take(MAX_PRINTED_KEY).collect()
    }

    fn read(dead: &Partition, record: Stored) -> Option<Self> {
        let origin = origin(&record)?;
        let reason = header(&record, REASON_HEADER).unwrap_or_default();
        Some(Self { place: (dead.clone(), record.position), origin, reason, record })
    }

    fn event(&self) -> Result<Event, String> {
        if let Some(bytes) = header(&self.record, LEFT_OUT_HEADER) {
            return Err(format!(
                "its {bytes} bytes are too large for a dead letter, and stand only where they were read"
            ));
        }
        wire::v1::trade::decode(self.record.value.as_deref().unwrap_or_default()).map_err(|e| e.to_string())
    }

    /// What a replay would come to, given the finalized height of each chain and the newest position of each trade.
    fn outcome(&self, finalized: &HashMap<String, u64>, newest: &HashMap<String, u64>) -> ReplayOutcome {
        let event = match self.event() {
            Ok(event) => event,
            Err(reason) => return ReplayOutcome::Unreadable(reason),
        };
        if newest.get(&event.trade.id()).is_some_and(|position| *position > self.origin.1) {
            return ReplayOutcome::Superseded;
        }
        let height = event.trade.block.id.height;
        let is_final = finalized.get(&*event.trade.chain).is_some_and(|finalized| height <= *finalized);
        if is_final { ReplayOutcome::Replayed } else { ReplayOutcome::NotFinal }
    }

    /// The record as it stands in the replay topic.
    fn copy_for(&self, service: &ServiceTopics) -> Record {
        let Stored { key, headers, value, .. } = self.record.clone();
        Record { partition: service.replay.partition(self.origin.0.index), key, headers, value }
    }
}

/// The finalized height of each chain.
async fn finalized_heights(log: &Log) -> Result<HashMap<String, u64>, Unavailable> {
    let mut heights = HashMap::new();
    for record in log.read_all(&topics::PROGRESS.partition(0)).await? {
        let progress = record.value.as_deref().and_then(|value| wire::v1::progress::decode(value).ok());
        if let Some((chain, block)) = progress.and_then(|progress| Some((progress.chain, progress.finalized?))) {
            heights.insert(chain, block.height);
        }
    }
    Ok(heights)
}

/// The origins of all dead letters that were replayed into a partition before.
async fn replayed_origins(log: &Log, partition: &Partition) -> Result<HashSet<Place>, Unavailable> {
    Ok(log.read_all(partition).await?.iter().filter_map(origin).collect())
}

/// The position of the newest record of each trade that one of these dead letters is about, by the trade's id.
async fn newest_positions(
    log: &Log,
    partition: &Partition,
    letters: &[DeadLetter],
) -> Result<HashMap<String, u64>, Unavailable> {
    let asked: HashMap<String, u64> =
        letters.iter().filter_map(|letter| Some((letter.event().ok()?.trade.id(), letter.origin.1))).collect();
    if asked.is_empty() {
        return Ok(asked);
    }
    let newest = Arc::new(Mutex::new(asked));
    let shared = Arc::clone(&newest);
    let visit = move |stored: Stored| {
        let Ok(event) = wire::v1::trade::decode(stored.value.as_deref().unwrap_or_default()) else { return };
        let mut newest = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = newest.get_mut(&event.trade.id()) {
            *position = (*position).max(stored.position);
        }
    };
    log.visit(partition, visit).await?;
    Ok(std::mem::take(&mut *newest.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn origin(record: &Stored) -> Option<Place> {
    let index = header(record, PARTITION_HEADER)?.parse().ok()?;
    Some((
        Partition { topic: header(record, TOPIC_HEADER)?.into(), index },
        header(record, POSITION_HEADER)?.parse().ok()?,
    ))
}

fn header(record: &Stored, name: &str) -> Option<String> {
    let (_, value) = record.headers.iter().find(|(one, _)| one == name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_shrinks_to_what_its_topic_takes_and_says_so() {
        let stored = |bytes| Stored {
            position: 7,
            key: b"mock/ann".to_vec(),
            headers: vec![],
            value: Some(vec![b'x'; bytes]),
            timestamp_ms: 0,
        };
        let origin = topics::TRADES.partition(3);
        let letter =
            |bytes, reason: &str| shrunk_to(10_000, for_record(&topics::METRICS_DLQ, &origin, stored(bytes), reason));
        assert_eq!(letter(9_000, "why").value.unwrap().len(), 9_000);
        assert!(letter(1, &"long ".repeat(10_000)).bytes() < 2_000, "a reason has an end");
        let small = letter(10_000, "why");
        assert!(small.bytes() < 1_000);
        let Record { key, headers, value, .. } = small;
        let record = Stored { position: 0, key, headers, value, timestamp_ms: 0 };
        let letter = DeadLetter::read(&topics::METRICS_DLQ.partition(0), record).unwrap();
        assert_eq!(letter.origin, (origin, 7));
        let outcome = letter.outcome(&HashMap::new(), &HashMap::new());
        assert!(matches!(outcome, ReplayOutcome::Unreadable(why) if why.starts_with("its 10000 bytes are too large")));
    }
}
