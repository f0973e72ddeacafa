//! The calls to a Solana node, and what its refusals of a block mean.

use crate::numbers::{number, optional};
use chain_plugin_sdk::jsonrpc::{Call, Error};
use chain_plugin_sdk::{Failure, Span};
use serde::Deserialize;

/// The commitment from which blocks are read: the cluster has voted for them. Should a fork replace one, the host
/// reverts it.
pub(crate) const CONFIRMED: &str = "confirmed";
/// The commitment of blocks that no fork replaces.
pub(crate) const FINALIZED: &str = "finalized";

/// The hash and the parent of a block.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockName<'a> {
    /// Its hash.
    pub(crate) blockhash: &'a str,
    /// The slot of its parent.
    #[serde(deserialize_with = "number")]
    pub(crate) parent_slot: u64,
    /// Seconds since the Unix epoch; absent in old blocks.
    #[serde(rename = "blockTime", default, deserialize_with = "optional")]
    pub(crate) time: Option<i64>,
}

/// The hash of the first block, which tells one network from another.
pub(crate) fn genesis_hash() -> Call {
    Call::new("getGenesisHash", "[]")
}

/// The newest slot.
pub(crate) fn newest_slot(commitment: &str) -> Call {
    Call::new("getSlot", format!(r#"[{{"commitment":"{commitment}"}}]"#))
}

/// The slots of a span that have blocks.
pub(crate) fn slots_with_blocks(span: Span, commitment: &str) -> Call {
    Call::new("getBlocks", format!(r#"[{},{},{{"commitment":"{commitment}"}}]"#, span.first, span.last))
}

/// The first slot from `from` on that has a block.
pub(crate) fn next_slot(from: u64, commitment: &str) -> Call {
    Call::new("getBlocksWithLimit", format!(r#"[{from},1,{{"commitment":"{commitment}"}}]"#))
}

/// A block with all its transactions. Version 1 is the newest version of transactions; a node refuses blocks with a
/// newer one than the request allows.
pub(crate) fn block(slot: u64) -> Call {
    Call::new("getBlock", params(slot, CONFIRMED, r#""encoding":"json","transactionDetails":"full""#))
}

/// A block's hash and parent only.
pub(crate) fn block_name(slot: u64, commitment: &str) -> Call {
    Call::new("getBlock", params(slot, commitment, r#""transactionDetails":"none""#))
}

fn params(slot: u64, commitment: &str, details: &str) -> String {
    format!(r#"[{slot},{{{details},"rewards":false,"maxSupportedTransactionVersion":1,"commitment":"{commitment}"}}]"#)
}

/// What the refusal of `getBlock` means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BlockRefusal {
    /// The node knows the slot but has no block for it yet.
    NotYet,
    /// The scan fails.
    Failure(Failure),
}

/// Sorts a refusal by its code. Nodes share the codes; their messages differ.
pub(crate) fn block_refusal(error: Error, slot: u64) -> BlockRefusal {
    let elsewhere = |why: &str| BlockRefusal::Failure(Failure::Elsewhere(format!("slot {slot}: {why}: {error}")));
    match error.code {
        // Not available, no status yet, minimum slot not reached.
        Some(-32_004 | -32_014 | -32_016) => BlockRefusal::NotYet,
        Some(-32_001) => elsewhere("the endpoint has deleted the block"),
        Some(-32_007 | -32_009) => elsewhere("the endpoint listed a block and then reports the slot as skipped"),
        Some(-32_011) => elsewhere("the endpoint keeps no history"),
        Some(-32_015) => {
            let why = format!("slot {slot} holds a transaction of a version that this plugin does not know: {error}");
            BlockRefusal::Failure(Failure::Other(("transaction-version".to_owned(), why)))
        }
        Some(-32_005) => BlockRefusal::Failure(Failure::Retry((None, error.to_string()))),
        _ => BlockRefusal::Failure(error.failure(Span { first: slot, last: slot })),
    }
}
