//! Chains of mainnet's shape, as long as they are wanted: recorded blocks again and again, each on top of the one before it.
//!
//! A copy differs from its recording in height, time, parent and hash, and in the last digits of its transactions' hashes, so that
//! no trade comes twice. Its header hashes to its hash and its receipts have the header's root; transactions do not have theirs.

use anyhow::{Context, ensure};
use chain_plugin_sdk::json::Cursor;
use evm_plugin::prove;
use evm_plugin::rpc::Header;
use nodes::replay::{MadeBlocks, Node, Recording};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Digits at the end of a transaction's hash that say which copy it is in.
const COPY_DIGITS: usize = 8;
/// Seconds from one block to the next.
const BLOCK_SECONDS: u64 = 12;

/// What a place of a text becomes in a copy.
#[derive(Clone, Copy)]
enum Field {
    Hash,
    Parent,
    Height,
    Time,
    /// The last digits of a transaction's hash.
    Copy,
}

/// A text, and the places in it that differ from copy to copy.
struct Template {
    text: String,
    places: Vec<(usize, Field)>,
}

/// What the places of a copy hold, each as long as it was recorded.
struct Values<'a> {
    hash: &'a str,
    parent: &'a str,
    height: String,
    time: String,
    copy: String,
}

impl Template {
    fn filled(&self, values: &Values<'_>) -> String {
        let mut text = String::with_capacity(self.text.len());
        let mut done = 0;
        for (place, field) in &self.places {
            let value = match field {
                Field::Hash => values.hash,
                Field::Parent => values.parent,
                Field::Height => &values.height,
                Field::Time => &values.time,
                Field::Copy => &values.copy,
            };
            text.push_str(&self.text[done..*place]);
            text.push_str(value);
            done = place + value.len();
        }
        text.push_str(&self.text[done..]);
        text
    }
}

/// One recorded block.
struct Base {
    whole: Template,
    slim: Template,
    receipts: Template,
    /// In their consensus encoding receipts name neither block nor transaction.
    raw: String,
    timestamp: u64,
}

/// The chain.
pub struct ShapedChain {
    chain_id: u64,
    bases: Vec<Base>,
    first: u64,
    /// By height: the hash of each block, behind that of the first one's parent.
    hashes: Vec<String>,
}

impl ShapedChain {
    /// So many blocks like these, from the height of the first on.
    pub fn new(recordings: &[Recording], blocks: u64) -> anyhow::Result<Self> {
        let base = recordings.first().context("no recorded block")?;
        let (chain_id, first) = (base.chain_id(), base.height());
        let bases = recordings.iter().map(Base::new).collect::<anyhow::Result<Vec<_>>>()?;
        let header: Value = serde_json::from_str(base.block_json())?;
        let parent = header["parentHash"].as_str().context("a parent")?.to_owned();
        let mut chain = Self { chain_id, bases, first, hashes: vec![parent] };
        ensure!(format!("{:#x}", first + blocks).len() == format!("{first:#x}").len(), "{blocks} blocks are too many");
        for height in first..first + blocks {
            let parent = chain.hash_below(height).to_owned();
            let unhashed = chain.base(height).slim.filled(&chain.values(height, &parent, &parent));
            let header = Header::read(&mut Cursor::new(&unhashed)).ok().flatten().context("read a header")?;
            let hash = prove::header_hash(&header).context("hash a header")?;
            chain.hashes.push(format!("{hash:#x}"));
        }
        Ok(chain)
    }

    /// A node that serves it.
    pub fn node(self: &Arc<Self>) -> anyhow::Result<Node> {
        let (chain, last) = (Arc::clone(self), self.last());
        let make = Arc::new(move |height| chain.block(height));
        Node::making(self.chain_id, MadeBlocks { first: self.first, last, make })
    }

    /// First height.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Last height.
    pub fn last(&self) -> u64 {
        self.first + self.hashes.len() as u64 - 2
    }

    /// The hash that a recorded transaction has in the block of a height.
    pub fn transaction_in(height: u64, recorded: &str) -> String {
        format!("{}{height:0COPY_DIGITS$x}", &recorded[..recorded.len() - COPY_DIGITS])
    }

    fn base(&self, height: u64) -> &Base {
        let at = usize::try_from(height - self.first).unwrap_or(0) % self.bases.len();
        &self.bases[at]
    }

    fn hash_below(&self, height: u64) -> &str {
        &self.hashes[usize::try_from(height - self.first).unwrap_or(0)]
    }

    fn values<'a>(&self, height: u64, hash: &'a str, parent: &'a str) -> Values<'a> {
        let time = self.bases[0].timestamp + BLOCK_SECONDS * (height - self.first);
        let copy = format!("{height:0COPY_DIGITS$x}");
        Values { hash, parent, height: format!("{height:#x}"), time: format!("{time:#x}"), copy }
    }

    fn block(&self, height: u64) -> Recording {
        let (base, hash) = (self.base(height), self.hash_below(height + 1));
        let values = self.values(height, hash, self.hash_below(height));
        let [whole, slim, receipts] = [&base.whole, &base.slim, &base.receipts].map(|text| text.filled(&values));
        Recording::from_texts(self.chain_id, (height, hash.to_owned()), [whole, slim, receipts, base.raw.clone()])
    }
}

impl Base {
    fn new(recording: &Recording) -> anyhow::Result<Self> {
        let header: Value = serde_json::from_str(recording.slim_json())?;
        let text = |name: &str| header[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
        let mut fields = HashMap::from([(text("hash")?, Field::Hash), (text("parentHash")?, Field::Parent)]);
        for transaction in header["transactions"].as_array().into_iter().flatten() {
            fields.insert(transaction.as_str().context("a transaction's hash")?.to_owned(), Field::Copy);
        }
        let (height, time) = (text("number")?, text("timestamp")?);
        let template = |text: &str| -> anyhow::Result<Template> {
            // In one spelling.
            let text = serde_json::from_str::<Value>(text)?.to_string();
            let places = places(&text, &fields, &height, &time);
            Ok(Template { text, places })
        };
        Ok(Self {
            whole: template(recording.block_json())?,
            slim: template(recording.slim_json())?,
            receipts: template(recording.receipts_json())?,
            raw: recording.raw_receipts().to_owned(),
            timestamp: u64::from_str_radix(time.trim_start_matches("0x"), 16)?,
        })
    }
}

/// The places of a text that differ from copy to copy.
fn places(text: &str, fields: &HashMap<String, Field>, height: &str, time: &str) -> Vec<(usize, Field)> {
    let mut places = vec![];
    for (quote, _) in text.match_indices("\"0x") {
        let start = quote + 1;
        let Some(length) = text[start..].find('"') else { continue };
        let (value, before) = (&text[start..start + length], &text[..quote]);
        match fields.get(value) {
            Some(Field::Copy) => places.push((start + length - COPY_DIGITS, Field::Copy)),
            Some(field) => places.push((start, *field)),
            None if value == height && (before.ends_with("umber\":")) => places.push((start, Field::Height)),
            None if value == time && before.ends_with("imestamp\":") => places.push((start, Field::Time)),
            None => {}
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use evm_plugin::events;
    use evm_plugin::rpc::Receipt;
    use nodes::replay::{blocks_dir, read_all};

    #[test]
    fn every_copy_is_provable_and_no_transaction_comes_twice() {
        let recordings = read_all(&blocks_dir(), 1).unwrap();
        let chain = ShapedChain::new(&recordings, 12).unwrap();
        assert_eq!((chain.first(), chain.last()), (14_000_000, 14_000_011));
        let mut parent = chain.hashes[0].clone();
        let mut seen = std::collections::BTreeSet::new();
        for height in chain.first()..=chain.last() {
            let block = chain.block(height);
            let header = Header::read(&mut Cursor::new(block.block_json())).unwrap().unwrap();
            let receipts =
                Receipt::read_all(&mut Cursor::new(block.receipts_json()), events::table()).unwrap().unwrap();
            let hex = |hash| format!("{hash:#x}").into_bytes();
            assert_eq!(prove::header_hash(&header).map(hex).as_deref(), Some(header.hash));
            assert_eq!(prove::receipts_root(&receipts).map(hex).as_deref(), Some(header.receipts_root));
            assert_eq!(header.parent_hash, parent.as_bytes());
            block.hash().clone_into(&mut parent);
            let sent = header.transactions.as_ref().unwrap();
            assert_eq!(sent.len(), receipts.len());
            for (sent, receipt) in sent.iter().zip(&receipts) {
                assert_eq!((sent.hash, header.hash), (receipt.transaction_hash, receipt.block_hash));
                assert!(seen.insert(sent.hash.to_vec()), "{height}");
            }
            let recorded: Value = serde_json::from_str(recordings[(height % 5) as usize].receipts_json()).unwrap();
            if let Some(first) = recorded[0]["transactionHash"].as_str() {
                assert_eq!(receipts[0].transaction_hash, ShapedChain::transaction_in(height, first).as_bytes());
            }
        }
    }
}
