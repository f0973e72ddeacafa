//! One scan: list the slots that have blocks, fetch the blocks, prove that none is missing, make the trades.
//!
//! **Invariant:** a slot counts as empty only when the block after it names a parent before it. `through` ends where that
//! proof ends.

use crate::block::Block;
use crate::rpc::{self, Name, Refusal};
use crate::settings::Settings;
use crate::trades::{self, Terms};
use crate::worth::Cash;
use chain_plugin_sdk::jsonrpc::{self, Reply};
use chain_plugin_sdk::{BlockId, Context, Failure, Host, Scanned, Span};

/// How far a block is proved: its place in the chain by its parent, its contents by nobody but the endpoint.
const PROOF: &str = "parents";

/// The blocks of a span.
pub fn scan(host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure> {
    let settings = Settings::read(context)?;
    if span.first > span.last {
        return Err(Failure::Other(("bad-span".to_owned(), format!("{} to {} is no span", span.first, span.last))));
    }
    if span.last - span.first >= settings.max_span {
        return Err(Failure::SpanTooWide(settings.max_span));
    }
    let slots = list(host, span)?;
    let mut chain = Chain { span, blocks: vec![] };
    let cash = settings.cash();
    for wave in slots.chunks(settings.parallel) {
        let calls: Vec<_> = wave.iter().map(|slot| rpc::block(*slot)).collect();
        // A wave is let go before the next is asked for: blocks are large.
        for (slot, reply) in wave.iter().zip(jsonrpc::send_singly(host, &calls)) {
            let Some(block) = read(&reply, *slot)? else { return chain.end() };
            chain.check(*slot, block.parent_slot, block.previous_blockhash)?;
            let block = detect(*slot, &block, &settings, &cash)?;
            chain.blocks.push(block);
        }
    }
    if slots.last() != Some(&span.last) {
        let next = jsonrpc::send_singly(host, &[rpc::next_slot(span.last + 1)]);
        let next: Vec<u64> = result(&next[0], span)?;
        let Some(next) = next.first() else { return chain.end() };
        let name = jsonrpc::send_singly(host, &[rpc::name(*next, rpc::CONFIRMED)]);
        let name: Option<Name<'_>> = match name[0].parse() {
            Ok(name) => name,
            Err(error) => match rpc::refusal(error, *next) {
                Refusal::Wait => None,
                Refusal::Failure(failure) => return Err(failure),
            },
        };
        let Some(name) = name else { return chain.end() };
        chain.check_parent(*next, name.parent_slot)?;
    }
    Ok(Scanned { blocks: chain.blocks, through: span.last })
}

/// The slots that have blocks, ascending.
fn list(host: &mut impl Host, span: Span) -> Result<Vec<u64>, Failure> {
    let replies = jsonrpc::send_singly(host, &[rpc::slots(span)]);
    let slots: Vec<u64> = result(&replies[0], span)?;
    let is_ascending = slots.windows(2).all(|pair| pair[0] < pair[1]);
    if !is_ascending || slots.iter().any(|slot| !(span.first..=span.last).contains(slot)) {
        let why = format!("the slots from {} to {} were listed without order or bounds", span.first, span.last);
        return Err(Failure::Elsewhere(why));
    }
    Ok(slots)
}

fn result<'a, T: serde::Deserialize<'a> + Default>(reply: &'a Reply, span: Span) -> Result<T, Failure> {
    Ok(reply.parse::<T>().map_err(|error| error.failure(span))?.unwrap_or_default())
}

/// A block; none when it cannot be had yet.
fn read(reply: &Reply, slot: u64) -> Result<Option<Block<'_>>, Failure> {
    reply.parse::<Block<'_>>().or_else(|error| match rpc::refusal(error, slot) {
        Refusal::Wait => Ok(None),
        Refusal::Failure(failure) => Err(failure),
    })
}

/// The blocks so far, each on the one before.
struct Chain {
    span: Span,
    blocks: Vec<chain_plugin_sdk::Block>,
}

impl Chain {
    /// Whether a block stands where it must.
    fn check(&self, slot: u64, parent: u64, parent_hash: &str) -> Result<(), Failure> {
        self.check_parent(slot, parent)?;
        match self.blocks.last() {
            Some(before) if before.hash != parent_hash => Err(Failure::Reorged),
            _ => Ok(()),
        }
    }

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
                "the endpoint lists no block at slot {parent}, but slot {slot} stands on it"
            ))),
        }
    }

    /// What there is, when the next block cannot be had yet: the slots before it are not proved empty.
    fn end(self) -> Result<Scanned, Failure> {
        let through = match (self.blocks.last(), self.span.first.checked_sub(1)) {
            (Some(block), _) => block.height,
            (None, Some(before)) => before,
            (None, None) => return Err(Failure::NotYet(0)),
        };
        Ok(Scanned { blocks: self.blocks, through })
    }
}

fn detect(slot: u64, block: &Block<'_>, settings: &Settings, cash: &Cash) -> Result<chain_plugin_sdk::Block, Failure> {
    let seconds = block.block_time.and_then(|seconds| u64::try_from(seconds).ok());
    let seconds = seconds.ok_or_else(|| Failure::Retry((None, format!("slot {slot} has no time yet"))))?;
    let found = trades::of(&block.transactions.kept, &Terms { settings, cash });
    let unbacked = (found.unbacked > 0).then(|| ("unbacked".to_owned(), found.unbacked.to_string()));
    Ok(chain_plugin_sdk::Block {
        height: slot,
        hash: block.blockhash.to_owned(),
        parent: (slot > 0).then(|| BlockId { height: block.parent_slot, hash: block.previous_blockhash.to_owned() }),
        timestamp_ms: seconds.saturating_mul(1_000),
        trades: found.trades,
        attributes: std::iter::once(("proof".to_owned(), PROOF.to_owned())).chain(unbacked).collect(),
    })
}
