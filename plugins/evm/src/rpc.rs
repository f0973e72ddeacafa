//! The JSON-RPC calls of an EVM node, and its responses, borrowed from the bytes that came.

use crate::hex;
use crate::topics::{KnownEvent, Role, TopicTable};
use chain_plugin_sdk::json::{self, Cursor, Malformed};
use chain_plugin_sdk::jsonrpc::Call;

/// A JSON string as it came, most often `0x` and hex digits, not yet checked.
pub type Text<'a> = &'a [u8];

/// Reads the named fields of an object into places of the same type, and passes the others.
macro_rules! fields {
    ($cursor:expr, { $($name:literal => $place:expr),+ $(,)? } $(, $other:literal => $read:expr)*) => {
        $cursor.object(|name, value| {
            $(if json::is(name, $name) { $place = value.optional_text()?; } else)+
            $(if json::is(name, $other) { ($read)(value)?; } else)*
            { value.skip()?; }
            Ok::<_, Malformed>(())
        })
    };
}

/// A block's header, with the hashes of its transactions.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the node's own names")]
pub struct Header<'a> {
    pub hash: Text<'a>,
    pub parent_hash: Text<'a>,
    pub number: Text<'a>,
    pub timestamp: Text<'a>,
    pub receipts_root: Text<'a>,
    pub logs_bloom: Text<'a>,
    pub sha3_uncles: Option<Text<'a>>,
    pub miner: Option<Text<'a>>,
    pub state_root: Option<Text<'a>>,
    pub transactions_root: Option<Text<'a>>,
    pub difficulty: Option<Text<'a>>,
    pub gas_limit: Option<Text<'a>>,
    pub gas_used: Option<Text<'a>>,
    pub extra_data: Option<Text<'a>>,
    pub mix_hash: Option<Text<'a>>,
    pub nonce: Option<Text<'a>>,
    pub ext_data_hash: Option<Text<'a>>,
    pub base_fee_per_gas: Option<Text<'a>>,
    pub ext_data_gas_used: Option<Text<'a>>,
    pub block_gas_cost: Option<Text<'a>>,
    pub withdrawals_root: Option<Text<'a>>,
    pub blob_gas_used: Option<Text<'a>>,
    pub excess_blob_gas: Option<Text<'a>>,
    pub parent_beacon_block_root: Option<Text<'a>>,
    pub requests_hash: Option<Text<'a>>,
    pub block_access_list_hash: Option<Text<'a>>,
    pub slot_number: Option<Text<'a>>,
    pub timestamp_milliseconds: Option<Text<'a>>,
    pub min_delay_excess: Option<Text<'a>>,
    /// The block's transactions, in order, where the node gives them.
    pub transactions: Option<Vec<SentTransaction<'a>>>,
}

impl<'a> Header<'a> {
    /// Reads a header; none where the node says `null`.
    pub fn read(cursor: &mut Cursor<'a>) -> Result<Option<Self>, Malformed> {
        if cursor.null() {
            return Ok(None);
        }
        let mut header = Self::default();
        let [mut hash, mut parent_hash, mut number, mut timestamp, mut receipts_root, mut logs_bloom] = [None; 6];
        fields!(cursor, {
            b"hash" => hash,
            b"parentHash" => parent_hash,
            b"number" => number,
            b"timestamp" => timestamp,
            b"receiptsRoot" => receipts_root,
            b"logsBloom" => logs_bloom,
            b"sha3Uncles" => header.sha3_uncles,
            b"miner" => header.miner,
            b"stateRoot" => header.state_root,
            b"transactionsRoot" => header.transactions_root,
            b"difficulty" => header.difficulty,
            b"gasLimit" => header.gas_limit,
            b"gasUsed" => header.gas_used,
            b"extraData" => header.extra_data,
            b"mixHash" => header.mix_hash,
            b"nonce" => header.nonce,
            b"extDataHash" => header.ext_data_hash,
            b"baseFeePerGas" => header.base_fee_per_gas,
            b"extDataGasUsed" => header.ext_data_gas_used,
            b"blockGasCost" => header.block_gas_cost,
            b"withdrawalsRoot" => header.withdrawals_root,
            b"blobGasUsed" => header.blob_gas_used,
            b"excessBlobGas" => header.excess_blob_gas,
            b"parentBeaconBlockRoot" => header.parent_beacon_block_root,
            b"requestsHash" => header.requests_hash,
            b"blockAccessListHash" => header.block_access_list_hash,
            b"slotNumber" => header.slot_number,
            b"timestampMilliseconds" => header.timestamp_milliseconds,
            b"minDelayExcess" => header.min_delay_excess,
        }, b"transactions" => |list: &mut Cursor<'a>| {
            header.transactions = SentTransaction::read_all(list)?;
            Ok::<_, Malformed>(())
        })?;
        let needed = |field: Option<Text<'a>>| field.ok_or(cursor.malformed("a whole header before this place"));
        header.hash = needed(hash)?;
        header.parent_hash = needed(parent_hash)?;
        header.number = needed(number)?;
        header.timestamp = needed(timestamp)?;
        header.receipts_root = needed(receipts_root)?;
        header.logs_bloom = needed(logs_bloom)?;
        Ok(Some(header))
    }
}

/// A transaction as it was sent. Some nodes send whole transactions whatever they are asked, others only hashes.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the node's own names")]
pub struct SentTransaction<'a> {
    pub hash: Text<'a>,
    pub from: Option<Text<'a>>,
    pub to: Option<Text<'a>>,
    pub value: Option<Text<'a>>,
    pub input: Option<Text<'a>>,
    /// Its whole JSON, where the node gave more than the hash.
    pub whole: Option<Text<'a>>,
}

impl<'a> SentTransaction<'a> {
    fn read_all(cursor: &mut Cursor<'a>) -> Result<Option<Vec<Self>>, Malformed> {
        if cursor.null() {
            return Ok(None);
        }
        let mut all = vec![];
        cursor.list(|element| {
            let (mut sent, mut hash) = (Self::default(), None);
            if element.peek() == Some(b'{') {
                let start = element.place();
                fields!(element, {
                    b"hash" => hash,
                    b"from" => sent.from,
                    b"to" => sent.to,
                    b"value" => sent.value,
                    b"input" => sent.input,
                })?;
                sent.whole = Some(element.since(start));
            } else {
                hash = Some(element.text()?);
            }
            sent.hash = hash.ok_or(element.malformed("a transaction's hash"))?;
            all.push(sent);
            Ok::<_, Malformed>(())
        })?;
        Ok(Some(all))
    }
}

/// A block's hash and number.
#[derive(Debug)]
#[expect(missing_docs, reason = "the node's own names")]
pub struct BlockName<'a> {
    pub hash: Text<'a>,
    pub number: Text<'a>,
}

impl<'a> BlockName<'a> {
    /// Reads the hash and number of a block; none where the node says `null`.
    pub fn read(cursor: &mut Cursor<'a>) -> Result<Option<Self>, Malformed> {
        if cursor.null() {
            return Ok(None);
        }
        let [mut hash, mut number] = [None; 2];
        fields!(cursor, { b"hash" => hash, b"number" => number })?;
        match (hash, number) {
            (Some(hash), Some(number)) => Ok(Some(Self { hash, number })),
            _ => Err(cursor.malformed("a block with hash and number before this place")),
        }
    }
}

/// A transaction's receipt.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the node's own names")]
pub struct Receipt<'a> {
    pub transaction_hash: Text<'a>,
    pub transaction_index: Text<'a>,
    pub block_hash: Text<'a>,
    pub from: Text<'a>,
    pub to: Option<Text<'a>>,
    pub status: Option<Text<'a>>,
    pub root: Option<Text<'a>>,
    pub cumulative_gas_used: Text<'a>,
    pub logs_bloom: Option<Text<'a>>,
    pub kind: Option<Text<'a>>,
    pub deposit_nonce: Option<Text<'a>>,
    pub deposit_receipt_version: Option<Text<'a>>,
    pub base_fee: Option<Text<'a>>,
    pub logs: Vec<Log<'a>>,
}

impl<'a> Receipt<'a> {
    /// Reads a block's receipts; none where the node says `null`.
    pub fn read_all(cursor: &mut Cursor<'a>, table: &'a TopicTable) -> Result<Option<Vec<Self>>, Malformed> {
        if cursor.null() {
            return Ok(None);
        }
        let mut receipts = vec![];
        cursor.list(|element| {
            receipts.push(Self::read(element, table)?.ok_or(element.malformed("a receipt"))?);
            Ok::<_, Malformed>(())
        })?;
        Ok(Some(receipts))
    }

    /// Reads one receipt; none where the node says `null`.
    pub fn read(cursor: &mut Cursor<'a>, table: &'a TopicTable) -> Result<Option<Self>, Malformed> {
        if cursor.null() {
            return Ok(None);
        }
        let mut receipt = Self::default();
        let [mut hash, mut index, mut block_hash, mut from, mut gas] = [None; 5];
        let mut has_logs = false;
        fields!(cursor, {
            b"transactionHash" => hash,
            b"transactionIndex" => index,
            b"blockHash" => block_hash,
            b"from" => from,
            b"to" => receipt.to,
            b"status" => receipt.status,
            b"root" => receipt.root,
            b"cumulativeGasUsed" => gas,
            b"logsBloom" => receipt.logs_bloom,
            b"type" => receipt.kind,
            b"depositNonce" => receipt.deposit_nonce,
            b"depositReceiptVersion" => receipt.deposit_receipt_version,
            b"baseFee" => receipt.base_fee,
        }, b"logs" => |list: &mut Cursor<'a>| {
            has_logs = true;
            list.list(|element| {
                receipt.logs.push(Log::read(element, table)?);
                Ok::<_, Malformed>(())
            })
        })?;
        let needed = |field: Option<Text<'a>>| field.ok_or(cursor.malformed("a whole receipt before this place"));
        receipt.transaction_hash = needed(hash)?;
        receipt.transaction_index = needed(index)?;
        receipt.block_hash = needed(block_hash)?;
        receipt.from = needed(from)?;
        receipt.cumulative_gas_used = needed(gas)?;
        if has_logs { Ok(Some(receipt)) } else { Err(cursor.malformed("a receipt with logs before this place")) }
    }

    /// Whether the transaction took effect. Where there is no status, as before Byzantium, a failed one has no logs, so
    /// that whatever is in its logs took effect.
    pub fn succeeded(&self) -> bool {
        self.status.is_none_or(|status| hex::quantity(status) == Some(1))
    }
}

/// One event.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the node's own names")]
pub struct Log<'a> {
    pub address: Text<'a>,
    pub topics: Topics<'a>,
    pub data: Text<'a>,
    /// The event, if its first topic is in the table.
    pub known: Option<&'a KnownEvent>,
}

impl<'a> Log<'a> {
    /// Reads one log, and finds its event in the table.
    pub fn read(cursor: &mut Cursor<'a>, table: &'a TopicTable) -> Result<Self, Malformed> {
        let [mut address, mut data] = [None; 2];
        let mut topics = Topics::default();
        fields!(cursor, { b"address" => address, b"data" => data }, b"topics" => |list: &mut Cursor<'a>| {
            list.list(|element| {
                let place = topics.all.get_mut(topics.count).ok_or(element.malformed("at most four topics"))?;
                *place = element.text()?;
                topics.count += 1;
                Ok::<_, Malformed>(())
            })
        })?;
        match (address, data) {
            (Some(address), Some(data)) => {
                let known = match topics.as_slice().first() {
                    Some(topic) => table.find(topic),
                    None => table.find_anonymous(data.len().saturating_sub(2) / 2),
                };
                Ok(Self { address, topics, data, known })
            }
            _ => Err(cursor.malformed("a log with address and data before this place")),
        }
    }

    /// What it means beside a swap.
    #[inline]
    pub fn role(&self) -> Option<Role> {
        self.known?.role
    }

    /// The place of the venue that has such a swap event, in the list of venues.
    #[inline]
    pub fn venue(&self) -> Option<usize> {
        self.known?.venue
    }
}

/// A log's topics, at most four.
#[derive(Clone, Copy, Debug, Default)]
pub struct Topics<'a> {
    all: [Text<'a>; 4],
    count: usize,
}

impl<'a> Topics<'a> {
    /// The first `count` of these.
    pub fn new(all: [Text<'a>; 4], count: usize) -> Self {
        Self { all, count: count.min(4) }
    }

    /// In order.
    pub fn as_slice(&self) -> &[Text<'a>] {
        &self.all[..self.count]
    }
}

/// The chain's number.
pub fn chain_id() -> Call {
    Call::new("eth_chainId", "[]")
}

/// A block by `latest`, `finalized` or a number from [`encode_height`], with the hashes of its transactions.
pub fn block(which: &str) -> Call {
    Call::new("eth_getBlockByNumber", format!(r#"["{which}",false]"#))
}

/// A block with its whole transactions: their value in native coin is in no log.
pub fn whole_block(height: u64) -> Call {
    Call::new("eth_getBlockByNumber", format!(r#"["{}",true]"#, encode_height(height)))
}

/// All receipts of a block.
pub fn receipts(height: u64) -> Call {
    Call::new("eth_getBlockReceipts", format!(r#"["{}"]"#, encode_height(height)))
}

/// All receipts of a block in their consensus encoding.
pub fn raw_receipts(height: u64) -> Call {
    Call::new("debug_getRawReceipts", format!(r#"["{}"]"#, encode_height(height)))
}

/// One receipt.
pub fn receipt(transaction: &str) -> Call {
    Call::new("eth_getTransactionReceipt", format!(r#"["{transaction}"]"#))
}

/// A height as nodes write it: hex digits with prefix.
pub fn encode_height(height: u64) -> String {
    format!("{height:#x}")
}
