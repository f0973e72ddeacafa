//! Records of the compacted journal, in which the ingestor keeps its state: a cursor, the trades of unfinalized blocks, the
//! ranges of heights that are on the tape, and requests to the chain's owner.

use super::trade;
use crate::check::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tape::{Status, Trade};

/// Key of a chain's cursor.
pub fn cursor_key(chain: &str) -> String {
    chain.to_owned()
}

/// Key of one part of a block's trades; heights sort as text.
pub fn block_key(chain: &str, height: u64, part: u32) -> String {
    format!("{chain}/{height:020}/{part:04}")
}

/// Chain, height and part of a block's key; none for a cursor's.
pub fn parse_block_key(key: &str) -> Option<(&str, u64, u32)> {
    let mut parts = key.rsplitn(3, '/');
    let part = parts.next()?.parse().ok()?;
    let height = parts.next()?.parse().ok()?;
    Some((parts.next()?, height, part))
}

/// Key of one covered range.
pub fn range_key(chain: &str, number: u32) -> String {
    format!("{chain}/range/{number:04}")
}

/// Chain and number of a covered range's key.
pub fn parse_range_key(key: &str) -> Option<(&str, u32)> {
    let (rest, number) = key.rsplit_once('/')?;
    Some((rest.strip_suffix("/range")?, number.parse().ok()?))
}

/// Key of a request; ids sort in the order of asking.
pub fn request_key(chain: &str, id: &str, request: &Request) -> String {
    format!("{chain}/{}/{id}", request.word())
}

/// Whether a key may be a request's: cheap, for readers that want nothing else.
pub fn is_request_key(key: &[u8]) -> bool {
    let has = |word: &str| {
        key.windows(word.len() + 2).any(|window| {
            window[0] == b'/' && window[window.len() - 1] == b'/' && window[1..=word.len()] == *word.as_bytes()
        })
    };
    REQUEST_WORDS.into_iter().any(has)
}

/// Chain and id of a request's key.
pub fn parse_request_key(key: &str) -> Option<(&str, &str)> {
    let (rest, id) = key.rsplit_once('/')?;
    let (chain, word) = rest.rsplit_once('/')?;
    REQUEST_WORDS.contains(&word).then_some((chain, id))
}

/// What stands in the keys of requests, one for each kind.
const REQUEST_WORDS: [&str; 4] = ["backfill", "rewind", "skip", "retry"];

/// Heights that are on the tape, by one detector. The heights from a cursor's `since` to its `through` are covered too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First height.
    pub from: u64,
    /// Last height.
    pub to: u64,
    /// SHA-256 of the component that scanned them.
    pub digest: String,
}

/// A request to the chain's owner, which removes it with the step that fulfils it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Request {
    /// Put the heights that no range covers on the tape.
    Backfill {
        /// First height.
        from: u64,
        /// Last height.
        to: u64,
    },
    /// Take back every trade above a height and follow on from there.
    Rewind {
        /// The last height to keep.
        to: u64,
    },
    /// Leave the trades of one height out.
    Skip {
        /// The height.
        height: u64,
    },
    /// Follow a parked chain again.
    Retry,
}

impl Request {
    fn word(&self) -> &'static str {
        match self {
            Self::Backfill { .. } => "backfill",
            Self::Rewind { .. } => "rewind",
            Self::Skip { .. } => "skip",
            Self::Retry => "retry",
        }
    }
}

/// How far a chain is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// Number of the last step.
    pub step: u64,
    /// The chain's own identity, pinned at the first step.
    pub network: String,
    /// The newest block on the tape.
    pub head: Option<super::progress::Block>,
    /// Every height up to this one is on the tape or proved empty.
    pub through: u64,
    /// Where the chain was begun: trades of lower blocks are in the history topic.
    pub origin: u64,
    /// The first height that the code below has followed without a break up to `through`.
    pub since: u64,
    /// The newest block that is final.
    pub finalized: Option<super::progress::Block>,
    /// The code that wrote the step.
    pub detector: super::progress::Generation,
    /// Running counts per partition of the trades topic.
    pub partitions: Vec<super::progress::PartitionProgress>,
    /// The same of the history topic.
    #[serde(default)]
    pub history: Vec<super::progress::PartitionProgress>,
    /// Running count of legs without backing.
    pub unbacked: u64,
    /// Running counts of what looks like a trade and became none, by `REASON.VENUE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
}

/// One part of an unfinalized block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Height.
    pub height: u64,
    /// Hash.
    pub hash: String,
    /// Its trades, or a part of them.
    pub trades: Vec<Trade>,
}

#[derive(Serialize, Deserialize)]
struct StoredBlock<'a> {
    height: u64,
    hash: String,
    #[serde(borrow)]
    trades: Vec<&'a RawValue>,
}

/// Largest journal record.
pub const MAX_PART_BYTES: usize = 512 * 1024;

/// The cursor's JSON.
pub fn encode_cursor(cursor: &Cursor) -> Vec<u8> {
    super::to_bytes(cursor)
}

/// Reads a cursor.
pub fn decode_cursor(bytes: &[u8]) -> Result<Cursor, Invalid> {
    super::from_bytes(bytes)
}

/// A covered range's JSON.
pub fn encode_range(range: &Range) -> Vec<u8> {
    super::to_bytes(range)
}

/// Reads a covered range.
pub fn decode_range(bytes: &[u8]) -> Result<Range, Invalid> {
    super::from_bytes(bytes)
}

/// A request's JSON.
pub fn encode_request(request: &Request) -> Vec<u8> {
    super::to_bytes(request)
}

/// The chain of a journal key, whatever kind of record it is.
pub fn chain_of_key(key: &str) -> &str {
    key.split_once('/').map_or(key, |(chain, _)| chain)
}

/// Reads a request.
pub fn decode_request(bytes: &[u8]) -> Result<Request, Invalid> {
    super::from_bytes(bytes)
}

/// A block's parts, each at most [`MAX_PART_BYTES`] bytes; a block without trades is one part.
pub fn encode_block(height: u64, hash: &str, trades: &[Trade]) -> Vec<Vec<u8>> {
    let events: Vec<String> = trades
        .iter()
        .map(|trade| {
            let event = trade::encode_as("journal", Status::Observed, trade);
            String::from_utf8(event).unwrap_or_default()
        })
        .collect();
    let mut parts: Vec<Vec<String>> = vec![vec![]];
    let mut size = 0;
    for event in events {
        if size + event.len() > MAX_PART_BYTES - 256 && size > 0 {
            parts.push(vec![]);
            size = 0;
        }
        size += event.len() + 1;
        if let Some(part) = parts.last_mut() {
            part.push(event);
        }
    }
    let whole = |part: Vec<String>| {
        let hash = serde_json::Value::from(hash);
        format!("{{\"height\":{height},\"hash\":{hash},\"trades\":[{}]}}", part.join(",")).into_bytes()
    };
    parts.into_iter().map(whole).collect()
}

/// Reads one part of a block.
pub fn decode_block(bytes: &[u8]) -> Result<Block, Invalid> {
    let stored: StoredBlock<'_> = super::from_bytes(bytes)?;
    let read = |raw: &&RawValue| trade::decode(raw.get().as_bytes()).map(|event| *event.trade);
    let trades = stored.trades.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Block { height: stored.height, hash: stored.hash, trades })
}
