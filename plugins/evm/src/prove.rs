//! Proof that nothing was left out: the header hashes to the block's hash, the receipts to the header's root.

use crate::chains::Proof;
use crate::hex;
use crate::rpc::{Header, Log, Receipt};
use alloy_primitives::{B256, Bloom, BloomInput, keccak256};
use alloy_rlp::{EMPTY_STRING_CODE, Encodable};
use alloy_trie::root::ordered_trie_root_encoded;

/// The word for a block whose every log is proved.
pub const WHOLE: &str = "receipts";

/// Proves a block; gives the number of receipts that the proof covers, or why it failed. Receipts beyond that number
/// belong to no root and must not be used.
pub fn block(rule: Proof, header: &Header<'_>, receipts: &[Receipt<'_>]) -> Result<usize, String> {
    let height = header.number;
    let stated = hex::hash(header.hash).ok_or_else(|| format!("block {height} has no readable hash"))?;
    let computed = header_hash(header).ok_or_else(|| format!("the header of block {height} cannot be read"))?;
    if computed != stated {
        return Err(format!("the header of block {height} does not hash to {stated}"));
    }
    let root =
        hex::hash(header.receipts_root).ok_or_else(|| format!("block {height} has no readable receipts root"))?;
    let encoded = encode(receipts).ok_or_else(|| format!("a receipt of block {height} cannot be read"))?;
    if ordered_trie_root_encoded(&encoded) == root {
        return Ok(receipts.len());
    }
    if rule == Proof::StateSyncApart
        && let [covered @ .., last] = receipts
        && is_state_sync(last)
        && ordered_trie_root_encoded(&encoded[..covered.len()]) == root
    {
        return Ok(covered.len());
    }
    Err(format!("the receipts of block {height} do not have the root {root} that its header names"))
}

/// The hash of a header; none when a field cannot be read.
pub fn header_hash(header: &Header<'_>) -> Option<B256> {
    const NO_HASH: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";
    let mut fields = Vec::with_capacity(1024);
    for bytes in [Some(header.parent_hash), header.sha3_uncles, header.miner, header.state_root] {
        put_bytes(bytes?, &mut fields)?;
    }
    for bytes in [header.transactions_root?, header.receipts_root, header.logs_bloom] {
        put_bytes(bytes, &mut fields)?;
    }
    // Where the difficulty is always zero, some nodes leave it out. The hash tells whether that was right.
    for quantity in
        [header.difficulty.unwrap_or("0x0"), header.number, header.gas_limit?, header.gas_used?, header.timestamp]
    {
        put_quantity(quantity, &mut fields)?;
    }
    put_bytes(header.extra_data?, &mut fields)?;
    put_bytes(header.mix_hash.unwrap_or(NO_HASH), &mut fields)?;
    put_bytes(header.nonce.unwrap_or("0x0000000000000000"), &mut fields)?;
    put_later_fields(header, &mut fields)?;
    let mut list = Vec::with_capacity(fields.len() + 4);
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut list);
    list.extend_from_slice(&fields);
    Some(keccak256(list))
}

/// What forks have added, in the order they did; a chain that skips one leaves it out.
fn put_later_fields(header: &Header<'_>, out: &mut Vec<u8>) -> Option<()> {
    enum As<'a> {
        Bytes(Option<&'a str>),
        Quantity(Option<&'a str>),
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
    Some(ordered_trie_root_encoded(&encode(receipts)?))
}

fn encode(receipts: &[Receipt<'_>]) -> Option<Vec<Vec<u8>>> {
    let mut scratch = Vec::new();
    receipts.iter().map(|receipt| encode_receipt(receipt, &mut scratch)).collect()
}

/// The consensus encoding: the type, unless legacy, and a list of outcome, gas, bloom, logs. Deposits of the OP stack
/// add their nonce and version from the fork on that made the version part of the receipt.
fn encode_receipt(receipt: &Receipt<'_>, body: &mut Vec<u8>) -> Option<Vec<u8>> {
    const DEPOSIT: u8 = 0x7e;
    body.clear();
    match (receipt.status, receipt.root) {
        (Some(status), _) => put_quantity(status, body)?,
        (None, Some(root)) => put_bytes(root, body)?,
        (None, None) => return None,
    }
    put_quantity(receipt.cumulative_gas_used, body)?;
    match receipt.logs_bloom {
        Some(bloom) => put_bytes(bloom, body)?,
        None => bloom(&receipt.logs)?.encode(body),
    }
    let lengths = receipt.logs.iter().map(Lengths::of).collect::<Option<Vec<_>>>()?;
    alloy_rlp::Header { list: true, payload_length: lengths.iter().map(Lengths::total).sum() }.encode(body);
    for (log, lengths) in receipt.logs.iter().zip(&lengths) {
        put_log(log, lengths, body)?;
    }
    let kind = receipt.kind.map_or(Some(0), hex::quantity).and_then(|kind| u8::try_from(kind).ok())?;
    if kind == DEPOSIT
        && let Some(version) = receipt.deposit_receipt_version
    {
        put_quantity(receipt.deposit_nonce.unwrap_or("0x0"), body)?;
        put_quantity(version, body)?;
    }
    let mut out = Vec::with_capacity(body.len() + 5);
    if kind != 0 {
        out.push(kind);
    }
    alloy_rlp::Header { list: true, payload_length: body.len() }.encode(&mut out);
    out.extend_from_slice(body);
    Some(out)
}

/// How long the parts of an encoded log are.
struct Lengths {
    topics: usize,
    data: usize,
}

impl Lengths {
    const ADDRESS: usize = 21;
    const TOPIC: usize = 33;

    fn of(log: &Log<'_>) -> Option<Self> {
        let digits = log.data.strip_prefix("0x")?;
        let count = digits.len() / 2;
        let alone = count == 1 && u8::from_str_radix(digits, 16).is_ok_and(|byte| byte < EMPTY_STRING_CODE);
        let data = if alone { 1 } else { alloy_rlp::length_of_length(count) + count };
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
    alloy_rlp::Header { list: true, payload_length: lengths.payload() }.encode(out);
    put_bytes(log.address, out)?;
    alloy_rlp::Header { list: true, payload_length: lengths.topics }.encode(out);
    for topic in log.topics.as_slice() {
        put_bytes(topic, out)?;
    }
    put_bytes(log.data, out)?;
    // An address or topic of another length than it must have would shift everything after it.
    (out.len() == end).then_some(())
}

fn bloom(logs: &[Log<'_>]) -> Option<Bloom> {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        bloom.accrue(BloomInput::Raw(hex::address(log.address)?.as_slice()));
        for topic in log.topics.as_slice() {
            bloom.accrue(BloomInput::Raw(hex::hash(topic)?.as_slice()));
        }
    }
    Some(bloom)
}

/// Appends bytes as an RLP string.
fn put_bytes(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let digits = text.strip_prefix("0x")?;
    if digits.len() == 2 && u8::from_str_radix(digits, 16).ok()? < EMPTY_STRING_CODE {
        return hex::append(text, out);
    }
    alloy_rlp::Header { list: false, payload_length: digits.len() / 2 }.encode(out);
    hex::append(text, out)
}

/// Appends a number as an RLP string without leading zeros.
fn put_quantity(text: &str, out: &mut Vec<u8>) -> Option<()> {
    match hex::quantity(text) {
        Some(small) => small.encode(out),
        None => hex::big(text)?.encode(out),
    }
    Some(())
}

/// Polygon appends a transaction of its own, from nobody to nobody, for what it read on Ethereum.
fn is_state_sync(receipt: &Receipt<'_>) -> bool {
    let nobody = |address: &str| hex::address(address).is_some_and(|address| address.is_zero());
    nobody(receipt.from) && receipt.to.is_none_or(nobody)
}
