//! One scan: lists the slots that have blocks, fetches the blocks, proves that none is missing, and finds their trades.
//!
//! **Invariant:** a slot counts as empty only when the block after it names a parent before it. `through` ends where
//! that proof ends.

use crate::block::{Incomplete, NodeBlock, NodeTransaction};
use crate::numbers::Number;
use crate::rpc::{self, BlockName, BlockRefusal};
use crate::settings::{Settings, Verify};
use crate::signatures::{self, SignatureCheck};
use crate::time::{BlockTime, time_of_block};
use crate::trades::{self, BlockTrades, Rules};
use chain_plugin_sdk::jsonrpc::{self, Reply};
use chain_plugin_sdk::{BlockId, Context, Failure, Host, Scanned, Span};

/// How far a block is proved: its place in the chain by its parent; its contents are the endpoint's word.
const PROOF: &str = "parents";

/// The same, and what the transactions of its trades ask for is what their accounts signed.
const PROOF_WITH_SIGNATURES: &str = "signatures";

/// The blocks of a span with their trades.
pub(crate) fn scan(host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure> {
    let settings = Settings::read(context)?;
    if span.first > span.last {
        return Err(Failure::Other((
            "bad-span".to_owned(),
            format!("the span from {} to {} is empty", span.first, span.last),
        )));
    }
    if span.last - span.first >= settings.max_span {
        return Err(Failure::SpanTooWide(settings.max_span));
    }
    let slots = slots_with_blocks(host, span)?;
    let mut chain = ParentChain { span, blocks: vec![] };
    let cash = settings.cash();
    for wave in slots.chunks(settings.parallel) {
        let calls: Vec<_> = wave.iter().map(|slot| rpc::block(*slot)).collect();
        // Blocks are large: each wave is dropped before the next one is asked for.
        for (slot, reply) in wave.iter().zip(jsonrpc::send_singly(host, &calls)) {
            let Some(block) = read_block(&reply, *slot)? else { return chain.end_early() };
            chain.check(*slot, block.parent_slot, block.previous_blockhash)?;
            let transactions = whole_transactions(*slot, &block)?;
            let time = time_of_block(host, *slot, block.time)?;
            let found = trades::find_trades(transactions, &Rules { settings: &settings, cash: &cash });
            let proof = match settings.verify {
                Verify::Parents => PROOF,
                Verify::Full => proof_by_signatures(*slot, &reply, &found)?,
            };
            let block = contract_block(*slot, &block, &time, found, proof);
            chain.blocks.push(block);
        }
    }
    if slots.last() != Some(&span.last) {
        let next = jsonrpc::send_singly(host, &[rpc::next_slot(span.last.saturating_add(1), rpc::CONFIRMED)]);
        let next: Vec<Number<u64>> = result(&next[0], span)?;
        let Some(Number(next)) = next.first() else { return chain.end_early() };
        let name = jsonrpc::send_singly(host, &[rpc::block_name(*next, rpc::CONFIRMED)]);
        let name: Option<BlockName<'_>> = match name[0].parse() {
            Ok(name) => name,
            Err(error) => match rpc::block_refusal(error, *next) {
                BlockRefusal::NotYet => None,
                BlockRefusal::Failure(failure) => return Err(failure),
            },
        };
        let Some(name) = name else { return chain.end_early() };
        chain.check_parent(*next, name.parent_slot)?;
    }
    Ok(Scanned { blocks: chain.blocks, through: span.last })
}

/// How far a block is proved once the signatures of its trades were checked.
fn proof_by_signatures(slot: u64, reply: &Reply, found: &BlockTrades) -> Result<&'static str, Failure> {
    let of_trades = found.trades.iter().map(|trade| trade.transaction.index).collect();
    Ok(match signatures::check(slot, reply, &of_trades)? {
        SignatureCheck::Proved => PROOF_WITH_SIGNATURES,
        SignatureCheck::NotGiven => PROOF,
    })
}

/// The slots that have blocks, ascending.
fn slots_with_blocks(host: &mut impl Host, span: Span) -> Result<Vec<u64>, Failure> {
    let replies = jsonrpc::send_singly(host, &[rpc::slots_with_blocks(span, rpc::CONFIRMED)]);
    let slots: Vec<Number<u64>> = result(&replies[0], span)?;
    let slots: Vec<u64> = slots.into_iter().map(|Number(slot)| slot).collect();
    let is_ascending = slots.windows(2).all(|pair| pair[0] < pair[1]);
    if !is_ascending || slots.iter().any(|slot| !(span.first..=span.last).contains(slot)) {
        let why = format!(
            "the endpoint listed the slots from {} to {} out of order or beyond that span",
            span.first, span.last
        );
        return Err(Failure::Elsewhere(why));
    }
    Ok(slots)
}

/// The result of a call, or its default where it is null.
fn result<'a, T: serde::Deserialize<'a> + Default>(reply: &'a Reply, span: Span) -> Result<T, Failure> {
    Ok(reply.parse::<T>().map_err(|error| error.failure(span))?.unwrap_or_default())
}

/// A block; none where the node does not have it yet.
fn read_block(reply: &Reply, slot: u64) -> Result<Option<NodeBlock<'_>>, Failure> {
    reply.parse::<NodeBlock<'_>>().or_else(|error| match rpc::block_refusal(error, slot) {
        BlockRefusal::NotYet => Ok(None),
        BlockRefusal::Failure(failure) => Err(failure),
    })
}

/// The blocks read so far, each with the one before as its parent.
struct ParentChain {
    span: Span,
    blocks: Vec<chain_plugin_sdk::Block>,
}

impl ParentChain {
    /// Checks that a block follows the last one.
    fn check(&self, slot: u64, parent: u64, parent_hash: &str) -> Result<(), Failure> {
        self.check_parent(slot, parent)?;
        match self.blocks.last() {
            Some(before) if before.hash != parent_hash => Err(Failure::Reorged),
            _ => Ok(()),
        }
    }

    /// Checks that no listed block is missing between the last one and a slot with this parent.
    fn check_parent(&self, slot: u64, parent: u64) -> Result<(), Failure> {
        if parent >= slot && slot > 0 {
            return Err(Failure::BadData(format!("slot {slot} names slot {parent} as its parent")));
        }
        let before = self.blocks.last().map(|block| block.height);
        match before {
            Some(before) if parent < before => Err(Failure::Reorged),
            None if parent < self.span.first || slot == 0 => Ok(()),
            Some(before) if parent == before => Ok(()),
            _ => Err(Failure::Elsewhere(format!(
                "the endpoint lists no block at slot {parent}, but the block at slot {slot} names it as its parent"
            ))),
        }
    }

    /// The result where the next block is not available yet: the slots before that block are not proved empty.
    fn end_early(self) -> Result<Scanned, Failure> {
        let through = match (self.blocks.last(), self.span.first.checked_sub(1)) {
            (Some(block), _) => block.height,
            (None, Some(before)) => before,
            (None, None) => return Err(Failure::NotYet(0)),
        };
        Ok(Scanned { blocks: self.blocks, through })
    }
}

/// The block in the form of the contract, with its trades.
fn contract_block(
    slot: u64,
    block: &NodeBlock<'_>,
    time: &BlockTime,
    found: BlockTrades,
    proof: &str,
) -> chain_plugin_sdk::Block {
    let estimated = time.is_estimated.then(|| ("time".to_owned(), "estimated".to_owned()));
    let proof = ("proof".to_owned(), proof.to_owned());
    chain_plugin_sdk::Block {
        height: slot,
        hash: block.blockhash.to_owned(),
        parent: (slot > 0).then(|| BlockId { height: block.parent_slot, hash: block.previous_blockhash.to_owned() }),
        timestamp_ms: time.ms,
        trades: found.trades,
        attributes: [Some(proof), estimated].into_iter().flatten().chain(found.dropped.attributes()).collect(),
    }
}

/// The transactions of a block that may trade. What a node did not record is not empty: another one may have it.
fn whole_transactions<'b, 'a>(slot: u64, block: &'b NodeBlock<'a>) -> Result<&'b [NodeTransaction<'a>], Failure> {
    let Some(transactions) = &block.transactions else {
        let why = format!("slot {slot}: the endpoint gives the block without its transactions (transactions)");
        return Err(Failure::Elsewhere(why));
    };
    match &transactions.incomplete {
        None => Ok(&transactions.kept),
        Some(Incomplete { index, signature, field }) => Err(Failure::Elsewhere(format!(
            "slot {slot}: the endpoint did not record all of transaction {index} ({signature}): {field} is missing or \
             incomplete, so that its trades cannot be known"
        ))),
    }
}
