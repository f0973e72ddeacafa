//! Proves that no log is missing or changed: the header hashes to the block's hash, the receipts to the header's root.

use crate::chains::Proof;
use crate::rlp::{is_alone, put_bytes, put_header, put_quantity};
use crate::rpc::{Header, Log, Receipt, Text};
use crate::{hex, keccak, trie};
use alloy_primitives::{B256, Bloom, BloomInput};
use alloy_rlp::Encodable;
use std::ops::Range;

/// The attribute `proof` of a block whose every log is proved.
pub const PROVED_BY_RECEIPTS: &str = "receipts";

/// Proves a block; returns the number of receipts that the proof covers, or why it failed. Receipts beyond that number
/// belong to no root and must not be used.
pub fn block(rule: Proof, header: &Header<'_>, receipts: &[Receipt<'_>]) -> Result<usize, String> {
    let height = hex::for_message(header.number);
    let root = check_header(header)?;
    let mut is_read = false;
    for encoding in ENCODINGS {
        // Most blocks have the root at once; the other encodings differ only where a receipt has what they change.
        if encoding != Encoding::AsGiven && !receipts.iter().any(|receipt| encoding.changes(receipt)) {
            continue;
        }
        let Some(encoded) = Encoded::from_receipts(receipts, encoding) else { continue };
        is_read = true;
        if encoded.root(receipts.len()) == root {
            return Ok(receipts.len());
        }
        if rule == Proof::StateSyncApart
            && let [covered @ .., last] = receipts
            && is_state_sync(last)
            && encoded.root(covered.len()) == root
        {
            return Ok(covered.len());
        }
    }
    if !is_read {
        return Err(format!("a receipt of block {height} cannot be read"));
    }
    Err(format!("the receipts of block {height} do not have the root {root} that its header names"))
}

/// Proves a header by its hash, and with it all that stands in it; returns the receipts root that it names.
pub(crate) fn check_header(header: &Header<'_>) -> Result<B256, String> {
    let height = hex::for_message(header.number);
    let stated = hex::hash(header.hash).ok_or_else(|| format!("block {height} has no readable hash"))?;
    let computed = header_hash(header).ok_or_else(|| format!("the header of block {height} cannot be read"))?;
    if computed != stated {
        return Err(format!("the header of block {height} does not hash to {stated}"));
    }
    hex::hash(header.receipts_root).ok_or_else(|| format!("block {height} has no readable receipts root"))
}

/// How receipts are encoded where nodes differ in what they give; whichever has the header's root is right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// With the fields that the node gave.
    AsGiven,
    /// The bloom as the logs have it, whatever the node gave.
    OwnBlooms,
    /// Without the fields that a chain added: some nodes give them also for blocks from before they were encoded.
    WithoutAdded,
    /// With the version of deposits, where the node leaves it out.
    WithVersion,
}

const ENCODINGS: [Encoding; 4] =
    [Encoding::AsGiven, Encoding::OwnBlooms, Encoding::WithoutAdded, Encoding::WithVersion];

impl Encoding {
    /// Whether it may make another encoding of this receipt than the node's own.
    fn changes(self, receipt: &Receipt<'_>) -> bool {
        match self {
            Self::AsGiven => false,
            Self::OwnBlooms => receipt.logs_bloom.is_some(),
            Self::WithoutAdded => added_fields(receipt).is_some_and(|fields| fields.iter().any(Option::is_some)),
            Self::WithVersion => {
                let has_version = receipt.deposit_receipt_version.is_some();
                kind(receipt) == Some(DEPOSIT) && receipt.deposit_nonce.is_some() && !has_version
            }
        }
    }
}

/// The type of deposits on the OP stack.
const DEPOSIT: u8 = 0x7e;

/// The type of Celo's transactions whose fee is paid in another currency (CIP-64).
const CELO_FEE_CURRENCY: u8 = 0x7b;

/// The type of a receipt; none when it is none.
fn kind(receipt: &Receipt<'_>) -> Option<u8> {
    receipt.kind.map_or(Some(0), hex::quantity).and_then(|kind| u8::try_from(kind).ok())
}

/// What stands behind the logs in the encoding of a receipt, by its type; all other types have nothing there (those of
/// Ethereum, Celo's 0x7a and 0x7c, Arbitrum's 0x64 to 0x6a and 0x78, Polygon's 0x7f).
fn added_fields<'a>(receipt: &Receipt<'a>) -> Option<[Option<Text<'a>>; 2]> {
    match kind(receipt)? {
        // From the fork on that made the version part of the receipt.
        DEPOSIT => {
            let version = receipt.deposit_receipt_version;
            Some([version.map(|_| receipt.deposit_nonce.unwrap_or(b"0x0")), version])
        }
        // Since Celo is a second layer.
        CELO_FEE_CURRENCY => Some([receipt.base_fee, None]),
        _ => Some([None, None]),
    }
}

/// The hash of a header; none when a field cannot be read.
pub fn header_hash(header: &Header<'_>) -> Option<B256> {
    const NO_HASH: Text<'_> = b"0x0000000000000000000000000000000000000000000000000000000000000000";
    let mut fields = Vec::with_capacity(1024);
    for bytes in [Some(header.parent_hash), header.sha3_uncles, header.miner, header.state_root] {
        put_bytes(bytes?, &mut fields)?;
    }
    for bytes in [header.transactions_root?, header.receipts_root, header.logs_bloom] {
        put_bytes(bytes, &mut fields)?;
    }
    // Where the difficulty is always zero, some nodes leave it out. A wrong guess gives another hash.
    for quantity in
        [header.difficulty.unwrap_or(b"0x0"), header.number, header.gas_limit?, header.gas_used?, header.timestamp]
    {
        put_quantity(quantity, &mut fields)?;
    }
    put_bytes(header.extra_data?, &mut fields)?;
    put_bytes(header.mix_hash.unwrap_or(NO_HASH), &mut fields)?;
    put_bytes(header.nonce.unwrap_or(b"0x0000000000000000"), &mut fields)?;
    put_later_fields(header, &mut fields)?;
    let mut list = Vec::with_capacity(fields.len() + 4);
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut list);
    list.extend_from_slice(&fields);
    Some(keccak::hash(&list))
}

/// The fields that forks added, in their order; a chain that skips a fork leaves its fields out.
fn put_later_fields(header: &Header<'_>, out: &mut Vec<u8>) -> Option<()> {
    enum As<'a> {
        Bytes(Option<Text<'a>>),
        Quantity(Option<Text<'a>>),
    }
    use As::{Bytes, Quantity};
    let later = [
        Bytes(header.ext_data_hash),
        Quantity(header.base_fee_per_gas),
        Quantity(header.ext_data_gas_used),
        Quantity(header.block_gas_cost),
        Bytes(header.withdrawals_root),
        Quantity(header.blob_gas_used),
        Quantity(header.excess_blob_gas),
        Bytes(header.parent_beacon_block_root),
        Bytes(header.requests_hash),
        Bytes(header.block_access_list_hash),
        Quantity(header.slot_number),
        Quantity(header.timestamp_milliseconds),
        Quantity(header.min_delay_excess),
    ];
    for field in later {
        match field {
            Bytes(Some(text)) => put_bytes(text, out)?,
            Quantity(Some(text)) => put_quantity(text, out)?,
            Bytes(None) | Quantity(None) => {}
        }
    }
    Some(())
}

/// The root of a list of receipts; none when one cannot be read.
pub fn receipts_root(receipts: &[Receipt<'_>]) -> Option<B256> {
    Some(Encoded::from_receipts(receipts, Encoding::AsGiven)?.root(receipts.len()))
}

/// Receipts in their consensus encoding, one after the other.
struct Encoded {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Encoded {
    fn from_receipts(receipts: &[Receipt<'_>], encoding: Encoding) -> Option<Self> {
        let mut encoded = Self { bytes: Vec::new(), places: Vec::with_capacity(receipts.len()) };
        let (mut body, mut lengths) = (Vec::new(), Vec::new());
        for receipt in receipts {
            let start = encoded.bytes.len();
            put_receipt(receipt, encoding, &mut body, &mut lengths, &mut encoded.bytes)?;
            encoded.places.push(start..encoded.bytes.len());
        }
        Some(encoded)
    }

    /// The root of the first `count` receipts.
    fn root(&self, count: usize) -> B256 {
        trie::root(&self.bytes, &self.places[..count])
    }
}

/// The consensus encoding: the type, unless legacy, and a list of outcome, gas, bloom, logs, and what a chain added.
fn put_receipt(
    receipt: &Receipt<'_>,
    encoding: Encoding,
    body: &mut Vec<u8>,
    lengths: &mut Vec<Lengths>,
    out: &mut Vec<u8>,
) -> Option<()> {
    body.clear();
    match (receipt.status, receipt.root) {
        (Some(status), _) => put_quantity(status, body)?,
        (None, Some(root)) => put_bytes(root, body)?,
        (None, None) => return None,
    }
    put_quantity(receipt.cumulative_gas_used, body)?;
    match receipt.logs_bloom.filter(|_| encoding != Encoding::OwnBlooms) {
        Some(bloom) => put_bytes(bloom, body)?,
        None => bloom(&receipt.logs).encode(body),
    }
    lengths.clear();
    for log in &receipt.logs {
        lengths.push(Lengths::from_log(log)?);
    }
    put_header(true, lengths.iter().map(Lengths::total).sum(), body);
    for (log, lengths) in receipt.logs.iter().zip(&*lengths) {
        put_log(log, lengths, body)?;
    }
    let kind = kind(receipt)?;
    if encoding == Encoding::WithVersion && kind == DEPOSIT {
        put_quantity(receipt.deposit_nonce?, body)?;
        put_quantity(b"0x1", body)?;
    } else if encoding != Encoding::WithoutAdded {
        for field in added_fields(receipt)?.into_iter().flatten() {
            put_quantity(field, body)?;
        }
    }
    if kind != 0 {
        out.push(kind);
    }
    put_header(true, body.len(), out);
    out.extend_from_slice(body);
    Some(())
}

/// How long the parts of an encoded log are.
struct Lengths {
    topics: usize,
    data: usize,
}

impl Lengths {
    const ADDRESS: usize = 21;
    const TOPIC: usize = 33;

    fn from_log(log: &Log<'_>) -> Option<Self> {
        let count = log.data.len().checked_sub(2)? / 2;
        let data = if is_alone(log.data) { 1 } else { alloy_rlp::length_of_length(count) + count };
        Some(Self { topics: log.topics.as_slice().len() * Self::TOPIC, data })
    }

    fn payload(&self) -> usize {
        Self::ADDRESS + alloy_rlp::length_of_length(self.topics) + self.topics + self.data
    }

    fn total(&self) -> usize {
        alloy_rlp::length_of_length(self.payload()) + self.payload()
    }
}

fn put_log(log: &Log<'_>, lengths: &Lengths, out: &mut Vec<u8>) -> Option<()> {
    let end = out.len() + lengths.total();
    put_header(true, lengths.payload(), out);
    put_bytes(log.address, out)?;
    put_header(true, lengths.topics, out);
    for topic in log.topics.as_slice() {
        put_bytes(topic, out)?;
    }
    put_bytes(log.data, out)?;
    // An address or topic of another length than it must have would shift everything after it.
    (out.len() == end).then_some(())
}

/// The bloom that the node left out, from the logs; logs that cannot be read fail where they are encoded.
pub(crate) fn bloom(logs: &[Log<'_>]) -> Bloom {
    let mut bloom = Bloom::ZERO;
    let mut accrue = |bytes: &[u8]| bloom.accrue(BloomInput::Hash(keccak::hash(bytes)));
    for log in logs {
        if let Some(address) = hex::address(log.address) {
            accrue(address.as_slice());
        }
        for topic in log.topics.as_slice().iter().filter_map(hex::hash) {
            accrue(topic.as_slice());
        }
    }
    bloom
}

/// Polygon's state-sync transaction, from the zero address to the zero address, for what it read on Ethereum.
fn is_state_sync(receipt: &Receipt<'_>) -> bool {
    let nobody = |address: Text<'_>| hex::address(address).is_some_and(|address| address.is_zero());
    nobody(receipt.from) && receipt.to.is_none_or(nobody)
}
