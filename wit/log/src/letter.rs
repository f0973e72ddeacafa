//! Dead letters: records that were none, kept with the reason and where they stood, and how they are read again.
//!
//! A letter that can be read by now is copied to the service's own replay log, into the partition of the number it came
//! from, so that its reader is the one who has the user's book. Applied out of order, it could bring a trade back that was
//! taken back meanwhile: so only the last word on a trade is replayed, and only once the trade's block is final.

use crate::topics::{self, Reading, Topic};
use crate::{Log, Record, Stored};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tape::{Event, Partition, Unavailable};

const REASON: &str = "dlq.reason";
const TOPIC: &str = "dlq.topic";
const PARTITION: &str = "dlq.partition";
const POSITION: &str = "dlq.position";

/// Where a record stood.
type Place = (Partition, u64);

/// A record that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The dead-letter log and the letter's position in it.
    pub place: Place,
    /// Where the record stood when it was read.
    pub origin: Place,
    /// Why it was put aside.
    pub reason: String,
    record: Stored,
}

/// What becomes of a letter that shall be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the replay log now.
    Replayed,
    /// It was there before.
    Before,
    /// It cannot be read by this version either.
    Unreadable(String),
    /// A later record has the last word on its trade.
    Superseded,
    /// Its block may still be left; later.
    NotFinal,
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((log, at), (from, position)) = (&self.place, &self.origin);
        let key = String::from_utf8_lossy(&self.record.key).chars().take(80).collect::<String>();
        write!(f, "{}/{at} from {}/{}/{position} key {key:?}: {}", log.topic, from.topic, from.index, self.reason)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replayed => f.write_str("replayed"),
            Self::Before => f.write_str("was replayed before"),
            Self::Unreadable(reason) => write!(f, "still cannot be read: {reason}"),
            Self::Superseded => f.write_str("left: a later record has the last word on its trade"),
            Self::NotFinal => f.write_str("left: its block is not final yet, try again later"),
        }
    }
}

/// The record put aside, with its original bytes, why, and where it stood first.
pub(crate) fn of(dead: &Topic, partition: &Partition, record: Stored, reason: &str) -> Record {
    let mut headers = record.headers;
    headers.retain(|(name, _)| name != REASON);
    headers.push((REASON.to_owned(), reason.as_bytes().to_vec()));
    if !headers.iter().any(|(name, _)| name == TOPIC) {
        headers.push((TOPIC.to_owned(), partition.topic.as_bytes().to_vec()));
        headers.push((PARTITION.to_owned(), partition.index.to_string().into_bytes()));
        headers.push((POSITION.to_owned(), record.position.to_string().into_bytes()));
    }
    Record { partition: dead.partition(0), key: record.key, headers, value: record.value }
}

/// Every letter of one service, the oldest of each log first.
pub async fn list(log: &Log, reading: &Reading) -> Result<Vec<Letter>, Unavailable> {
    let mut letters = vec![];
    for dead in [reading.dlq, reading.history_dlq] {
        let partition = dead.partition(0);
        let stored = log.read_all(&partition).await?;
        letters.extend(stored.into_iter().filter_map(|record| Letter::read(&partition, record)));
    }
    Ok(letters)
}

/// Has every letter read again that can be; says what became of each.
pub async fn replay(log: &Log, reading: &Reading) -> Result<Vec<(Letter, Fate)>, Unavailable> {
    let letters = list(log, reading).await?;
    let finalized = finalized(log).await?;
    let mut numbers: BTreeMap<Partition, Vec<Letter>> = BTreeMap::new();
    for letter in letters {
        numbers.entry(letter.origin.0.clone()).or_default().push(letter);
    }
    let mut fates = vec![];
    for (origin, letters) in numbers {
        let mut before = replayed(log, &reading.replay.partition(origin.index)).await?;
        let last = last_words(log, &origin, &letters).await?;
        for letter in letters {
            let fate = if before.insert(letter.origin.clone()) { letter.fate(&finalized, &last) } else { Fate::Before };
            if fate == Fate::Replayed {
                log.publish(vec![letter.again(reading)]).await?;
            }
            fates.push((letter, fate));
        }
    }
    Ok(fates)
}

impl Letter {
    fn read(dead: &Partition, record: Stored) -> Option<Self> {
        let origin = origin(&record)?;
        let reason = header(&record, REASON).unwrap_or_default();
        Some(Self { place: (dead.clone(), record.position), origin, reason, record })
    }

    fn event(&self) -> Result<Event, String> {
        wire::v1::trade::decode(self.record.value.as_deref().unwrap_or_default()).map_err(|e| e.to_string())
    }

    fn fate(&self, finalized: &HashMap<String, u64>, last: &HashMap<String, u64>) -> Fate {
        let event = match self.event() {
            Ok(event) => event,
            Err(reason) => return Fate::Unreadable(reason),
        };
        if last.get(&event.trade.id()).is_some_and(|position| *position > self.origin.1) {
            return Fate::Superseded;
        }
        let height = event.trade.block.id.height;
        let is_final = finalized.get(&*event.trade.chain).is_some_and(|finalized| height <= *finalized);
        if is_final { Fate::Replayed } else { Fate::NotFinal }
    }

    fn again(&self, reading: &Reading) -> Record {
        let Stored { key, headers, value, .. } = self.record.clone();
        Record { partition: reading.replay.partition(self.origin.0.index), key, headers, value }
    }
}

/// The finalized height of each chain.
async fn finalized(log: &Log) -> Result<HashMap<String, u64>, Unavailable> {
    let mut heights = HashMap::new();
    for record in log.read_all(&topics::PROGRESS.partition(0)).await? {
        let told = record.value.as_deref().and_then(|value| wire::v1::progress::decode(value).ok());
        if let Some((chain, block)) = told.and_then(|told| Some((told.chain, told.finalized?))) {
            heights.insert(chain, block.height);
        }
    }
    Ok(heights)
}

/// What was replayed into a partition before.
async fn replayed(log: &Log, partition: &Partition) -> Result<HashSet<Place>, Unavailable> {
    Ok(log.read_all(partition).await?.iter().filter_map(origin).collect())
}

/// Where the last record stands of each trade that a letter of this partition is about.
async fn last_words(log: &Log, partition: &Partition, letters: &[Letter]) -> Result<HashMap<String, u64>, Unavailable> {
    let asked: HashMap<String, u64> =
        letters.iter().filter_map(|letter| Some((letter.event().ok()?.trade.id(), letter.origin.1))).collect();
    if asked.is_empty() {
        return Ok(asked);
    }
    let last = Arc::new(Mutex::new(asked));
    let kept = Arc::clone(&last);
    let visit = move |stored: Stored| {
        let Ok(event) = wire::v1::trade::decode(stored.value.as_deref().unwrap_or_default()) else { return };
        let mut last = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = last.get_mut(&event.trade.id()) {
            *position = (*position).max(stored.position);
        }
    };
    log.visit(partition, visit).await?;
    Ok(std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn origin(record: &Stored) -> Option<Place> {
    let index = header(record, PARTITION)?.parse().ok()?;
    Some((Partition { topic: header(record, TOPIC)?.into(), index }, header(record, POSITION)?.parse().ok()?))
}

fn header(record: &Stored, name: &str) -> Option<String> {
    let (_, value) = record.headers.iter().find(|(one, _)| one == name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}
