//! Receipts in their consensus encoding, as nodes with `debug_getRawReceipts` give them: proved byte for byte as they came, then
//! read. Only receipts that a trade may begin in are read log by log.

use crate::chains::Proof;
use crate::rpc::{Header, Log, Receipt, SentTransaction, Text, Topics};
use crate::topics::{KnownEvent, TopicTable};
use crate::{hex, keccak, reports, trie};
use alloy_primitives::{B256, Bloom, BloomInput};
use std::ops::Range;

/// The receipts of one block.
pub(crate) struct RawReceipts<'t> {
    /// As they came: hex with prefix.
    texts: &'t [Text<'t>],
    /// Their bytes, one behind the other.
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

/// An RLP item: whether it is a list, and where its payload stands.
struct Item {
    is_list: bool,
    payload: Range<usize>,
}

impl<'t> RawReceipts<'t> {
    /// The receipts of these texts; none where one is no hex.
    pub(crate) fn decode(texts: &'t [Text<'t>]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len() / 2).sum());
        let mut places = Vec::with_capacity(texts.len());
        for text in texts {
            let start = bytes.len();
            hex::append(text, &mut bytes)?;
            places.push(start..bytes.len());
        }
        // The trie takes no shorter items; a receipt has 256 bytes of bloom.
        places.iter().all(|place| place.len() >= 32).then_some(Self { texts, bytes, places })
    }

    /// How many of them have this root; none where they do not.
    pub(crate) fn covered_by(&self, root: B256, rule: Proof) -> Option<usize> {
        let all = self.places.len();
        let has_root = |count: usize| trie::root(&self.bytes, &self.places[..count]) == root;
        if has_root(all) {
            return Some(all);
        }
        let others = all.checked_sub(1).filter(|_| rule == Proof::StateSyncApart)?;
        has_root(others).then_some(others)
    }

    /// The bloom of all logs; none where a receipt cannot be read.
    pub(crate) fn logs_bloom(&self) -> Option<Bloom> {
        let mut bloom = Bloom::ZERO;
        for place in &self.places {
            for log in self.logs(place)? {
                let RawLog { address, topics, .. } = self.log(&log?)?;
                for part in std::iter::once(address).chain(topics) {
                    bloom.accrue(BloomInput::Hash(keccak::hash(&self.bytes[part])));
                }
            }
        }
        Some(bloom)
    }

    /// Reads the first `count` receipts, those of the header's transactions. None where the node gives no whole transactions,
    /// since sender and target stand in no receipt, or where a receipt cannot be read.
    pub(crate) fn spell(
        &self,
        count: usize,
        header: &Header<'_>,
        table: &'static TopicTable,
    ) -> Option<SpelledReceipts> {
        let sent = header.transactions.as_deref()?;
        let mut spelled = SpelledReceipts { texts: Vec::new(), receipts: Vec::with_capacity(count), logs_bloom: None };
        for (at, (place, sent)) in self.places[..count].iter().zip(sent).enumerate() {
            sent.from?;
            let index = spelled.put_text(format!("{at:x}").as_bytes());
            let outcome = self.outcome(place)?;
            let mut logs = vec![];
            if self.may_begin_a_trade(place, sent, table)? {
                for log in self.logs(place)? {
                    logs.push(self.spell_log(at, place, &log?, table, &mut spelled)?);
                }
            }
            spelled.receipts.push(SpelledReceipt { outcome, index, logs });
        }
        (spelled.receipts.len() == count).then_some(spelled)
    }

    /// Whether a transaction called a listed router, or a log is of an event that a trade begins with or that tells a price.
    fn may_begin_a_trade(
        &self,
        place: &Range<usize>,
        sent: &SentTransaction<'_>,
        table: &'static TopicTable,
    ) -> Option<bool> {
        if sent.to.and_then(hex::address).is_some_and(reports::is_filler) {
            return Some(true);
        }
        for log in self.logs(place)? {
            let known = self.known(&self.log(&log?)?, table);
            if known.is_some_and(|event| event.begins_a_trade() || event.tells_a_price()) {
                return Some(true);
            }
        }
        Some(false)
    }

    fn known(&self, log: &RawLog, table: &'static TopicTable) -> Option<&'static KnownEvent> {
        match log.topics.first() {
            Some(topic) => table.find_hash(&self.bytes[topic.clone()]),
            None => table.find_anonymous(log.data.len()),
        }
    }

    fn spell_log(
        &self,
        at: usize,
        place: &Range<usize>,
        log: &Item,
        table: &'static TopicTable,
        spelled: &mut SpelledReceipts,
    ) -> Option<SpelledLog> {
        let log = self.log(log)?;
        let known = self.known(&log, table);
        let RawLog { address, topics, data } = log;
        // The digits of a byte stand behind the prefix of its receipt's text.
        let digits = |bytes: Range<usize>| {
            let text = self.texts.get(at)?;
            text.get(2 + 2 * (bytes.start - place.start)..2 + 2 * (bytes.end - place.start))
        };
        let address = spelled.put_text(digits(address)?);
        let count = topics.len();
        let mut places: [Range<usize>; 4] = std::array::from_fn(|_| 0..0);
        for (place, topic) in places.iter_mut().zip(topics) {
            *place = spelled.put_text(digits(topic)?);
        }
        Some(SpelledLog { address, topics: (places, count), data: spelled.put_text(digits(data)?), known })
    }

    /// Where the fields of a receipt stand: outcome, gas, bloom, logs.
    fn fields(&self, place: &Range<usize>) -> Option<[Item; 4]> {
        // A type stands before the list; those of legacy transactions have none.
        let start = place.start + usize::from(*self.bytes.get(place.start)? < 0x80);
        let body = self.item(start, place.end)?;
        if !body.is_list || body.payload.end != place.end {
            return None;
        }
        let mut fields = self.items(body.payload);
        let fields = [fields.next()??, fields.next()??, fields.next()??, fields.next()??];
        let [outcome, gas, bloom, logs] = &fields;
        let are_strings = !outcome.is_list && !gas.is_list && !bloom.is_list;
        (are_strings && bloom.payload.len() == 256 && logs.is_list).then_some(fields)
    }

    /// Whether the transaction took effect.
    fn outcome(&self, place: &Range<usize>) -> Option<Outcome> {
        let [outcome, ..] = self.fields(place)?;
        match &self.bytes[outcome.payload] {
            [] => Some(Outcome::Failed),
            [1] => Some(Outcome::Succeeded),
            root if root.len() == 32 => Some(Outcome::Untold),
            _ => None,
        }
    }

    fn logs(&self, place: &Range<usize>) -> Option<impl Iterator<Item = Option<Item>> + '_> {
        let [.., logs] = self.fields(place)?;
        Some(self.items(logs.payload))
    }

    fn log(&self, log: &Item) -> Option<RawLog> {
        let mut parts = self.items(log.payload.clone());
        let [address, topics, data] = [parts.next()??, parts.next()??, parts.next()??];
        let topics: Vec<Range<usize>> = self
            .items(topics.payload)
            .map(|topic| topic.map(|topic| topic.payload).filter(|topic| topic.len() == 32))
            .collect::<Option<_>>()?;
        let is_log = log.is_list && parts.next().is_none() && address.payload.len() == 20 && topics.len() <= 4;
        (is_log && !data.is_list).then_some(RawLog { address: address.payload, topics, data: data.payload })
    }

    /// The items between two places; none for one that cannot be read, with which they end.
    fn items(&self, payload: Range<usize>) -> impl Iterator<Item = Option<Item>> + '_ {
        let mut next = Some(payload.start);
        std::iter::from_fn(move || {
            let at = next.filter(|at| *at < payload.end)?;
            let item = self.item(at, payload.end);
            next = item.as_ref().map(|item| item.payload.end);
            Some(item)
        })
    }

    fn item(&self, at: usize, end: usize) -> Option<Item> {
        let mut rest = self.bytes.get(at..end)?;
        let header = alloy_rlp::Header::decode(&mut rest).ok()?;
        let start = end - rest.len();
        let payload = start..start.checked_add(header.payload_length).filter(|last| *last <= end)?;
        Some(Item { is_list: header.list, payload })
    }
}

/// Where the parts of a log stand.
struct RawLog {
    address: Range<usize>,
    topics: Vec<Range<usize>>,
    data: Range<usize>,
}

/// Receipts as texts, as all that reads logs has them.
pub(crate) struct SpelledReceipts {
    texts: Vec<u8>,
    receipts: Vec<SpelledReceipt>,
    /// The bloom of all logs, also of those that are not read, where it is wanted.
    pub logs_bloom: Option<Bloom>,
}

/// What a receipt says of its transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    Failed,
    /// It has a state root instead, as before Byzantium.
    Untold,
}

struct SpelledReceipt {
    outcome: Outcome,
    index: Range<usize>,
    logs: Vec<SpelledLog>,
}

struct SpelledLog {
    address: Range<usize>,
    topics: ([Range<usize>; 4], usize),
    data: Range<usize>,
    known: Option<&'static KnownEvent>,
}

impl SpelledReceipts {
    /// Puts digits behind a prefix of their own.
    fn put_text(&mut self, digits: &[u8]) -> Range<usize> {
        let start = self.texts.len();
        self.texts.extend_from_slice(b"0x");
        self.texts.extend_from_slice(digits);
        start..self.texts.len()
    }

    /// The receipts of the transactions of this header. What stands in the encoding alone and is proved with it is left out.
    pub(crate) fn receipts<'s>(&'s self, header: &Header<'s>) -> Vec<Receipt<'s>> {
        let text = |place: &Range<usize>| &self.texts[place.clone()];
        let log = |log: &'s SpelledLog| {
            let (places, count) = &log.topics;
            let topics = Topics::new(std::array::from_fn(|at| text(&places[at])), *count);
            Log { address: text(&log.address), topics, data: text(&log.data), known: log.known }
        };
        let sent = header.transactions.iter().flatten();
        self.receipts
            .iter()
            .zip(sent)
            .map(|(receipt, sent)| Receipt {
                transaction_hash: sent.hash,
                transaction_index: text(&receipt.index),
                block_hash: header.hash,
                from: sent.from.unwrap_or_default(),
                to: sent.to,
                status: match receipt.outcome {
                    Outcome::Succeeded => Some(b"0x1"),
                    Outcome::Failed => Some(b"0x0"),
                    Outcome::Untold => None,
                },
                logs: receipt.logs.iter().map(log).collect(),
                ..Receipt::default()
            })
            .collect()
    }
}
