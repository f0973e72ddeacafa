//! What a Solana node is asked, and what its refusals mean.

use chain_plugin_sdk::jsonrpc::{Call, Error};
use chain_plugin_sdk::{Failure, Span};
use serde::Deserialize;

/// Blocks count from when the cluster has voted for them; a fork later is the host's to give back.
pub const CONFIRMED: &str = "confirmed";
/// Never taken back.
pub const FINALIZED: &str = "finalized";

/// What names a block.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the node's own names")]
pub struct Name<'a> {
    pub blockhash: &'a str,
    pub parent_slot: u64,
}

/// The hash of the first block, which tells one network from another.
pub fn genesis() -> Call {
    Call::new("getGenesisHash", "[]")
}

/// The newest slot.
pub fn slot(commitment: &str) -> Call {
    Call::new("getSlot", format!(r#"[{{"commitment":"{commitment}"}}]"#))
}

/// The slots of a span that have a block.
pub fn slots(span: Span) -> Call {
    Call::new("getBlocks", format!(r#"[{},{},{{"commitment":"{CONFIRMED}"}}]"#, span.first, span.last))
}

/// The first slot from here on that has a block.
pub fn next_slot(from: u64) -> Call {
    Call::new("getBlocksWithLimit", format!(r#"[{from},1,{{"commitment":"{CONFIRMED}"}}]"#))
}

/// A block with everything in it. Version 1 is the newest kind of transaction; a node that is not told so refuses blocks
/// that hold one.
pub fn block(slot: u64) -> Call {
    Call::new("getBlock", params(slot, CONFIRMED, r#""encoding":"json","transactionDetails":"full""#))
}

/// A block's name only.
pub fn name(slot: u64, commitment: &str) -> Call {
    Call::new("getBlock", params(slot, commitment, r#""transactionDetails":"none""#))
}

fn params(slot: u64, commitment: &str, details: &str) -> String {
    format!(r#"[{slot},{{{details},"rewards":false,"maxSupportedTransactionVersion":1,"commitment":"{commitment}"}}]"#)
}

/// What a refused `getBlock` means.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The node has heard of the slot but has no block for it yet.
    Wait,
    /// Something else.
    Failure(Failure),
}

/// Sorts a refusal by the codes that all nodes share; the words are everybody's own.
pub fn refusal(error: Error, slot: u64) -> Refusal {
    let elsewhere = |why: &str| Refusal::Failure(Failure::Elsewhere(format!("slot {slot}: {why}: {error}")));
    match error.code {
        // Not available, no status yet, minimum slot not reached.
        Some(-32_004 | -32_014 | -32_016) => Refusal::Wait,
        Some(-32_001) => elsewhere("the endpoint has thrown the block away"),
        Some(-32_007 | -32_009) => elsewhere("listed with a block, then called skipped"),
        Some(-32_011) => elsewhere("the endpoint keeps no history"),
        Some(-32_015) => {
            let why = format!("slot {slot} holds a transaction of a version that this plugin does not know: {error}");
            Refusal::Failure(Failure::Other(("transaction-version".to_owned(), why)))
        }
        Some(-32_005) => Refusal::Failure(Failure::Retry((None, error.to_string()))),
        _ => Refusal::Failure(error.failure(Span { first: slot, last: slot })),
    }
}
