//! One scan: fetches headers and receipts, proves them, finds legs, asks for unknown facts, and writes trades.

use crate::asking::Pin;
use crate::chains::Proof;
use crate::draft::{BlockDraft, BlockView};
use crate::facts::{self, WantedFacts};
use crate::legs;
use crate::receipts::{self, Given, SingleReceipts};
use crate::rpc::{Header, Receipt};
use crate::rules::Rules;
use crate::settings::{Settings, Verify};
use crate::topics::TopicTable;
use crate::traces::{self, TraceMode};
use crate::trades::TradeWriter;
use crate::transactions::{self, ProvedTransactions};
use crate::{events, hex, prove, reference, rpc};
use alloy_primitives::B256;
use chain_plugin_sdk::json::{Cursor, Malformed};
use chain_plugin_sdk::jsonrpc::{self, Call, Kind};
use chain_plugin_sdk::{Block, BlockId, Context, Failure, Host, Scanned, Span};
use std::collections::BTreeMap;

/// The fact under which the host keeps the chain's number.
const CHAIN_ID: &str = "chain-id";

/// A block with its receipts, proved as far as the settings demand.
struct FetchedBlock<'a> {
    height: u64,
    hash: String,
    header: Header<'a>,
    receipts: Vec<Receipt<'a>>,
    /// Where the settings demand that they are proved.
    transactions: Option<ProvedTransactions<'a>>,
    proof: &'static str,
}

/// The blocks of a span.
pub(crate) fn scan(host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure> {
    let settings = Settings::read(context)?;
    if span.first > span.last {
        return Err(Failure::Other(("bad-span".to_owned(), format!("{} to {} is no span", span.first, span.last))));
    }
    if span.last - span.first >= settings.max_span {
        return Err(Failure::SpanTooWide(settings.max_span));
    }
    let heights: Vec<u64> = (span.first..=span.last).collect();
    let known = known_chain_id(host, context);
    let mut calls: Vec<Call> = heights.iter().map(|height| rpc::whole_block(*height)).collect();
    calls.extend(heights.iter().map(|height| rpc::receipts(*height)));
    calls.extend(known.is_none().then(rpc::chain_id));
    let unread = jsonrpc::send_unread(host, &calls, settings.batch);
    let mut answers = SpanAnswers::new(heights.len());
    let table = events::table();
    answers.outcomes = unread.read(|at, answer| answers.take_answer(at, answer, table));
    let chain_id = match known {
        Some(id) => id,
        None => answers.chain_id(host, span)?,
    };
    let rules = settings.rules(chain_id)?;
    let finalized: Option<u64> = attribute(context, "finalized").and_then(|height| height.parse().ok());
    let headers = answers.headers(&heights, span, finalized)?;
    let given: Vec<Given<'_>> = (0..headers.len()).map(|at| answers.given_receipts(at)).collect();
    let single_receipts = SingleReceipts::ask(host, &given, &headers, finalized, settings.batch);
    let mut blocks: Vec<FetchedBlock<'_>> = vec![];
    for (at, ((height, header), given)) in heights.iter().zip(headers).zip(given).enumerate() {
        if blocks.last().is_some_and(|below| !hex::same(header.parent_hash, below.header.hash)) {
            break;
        }
        let receipts = single_receipts.complete(at, given, &header, *height, span);
        match receipts.and_then(|receipts| check_block(*height, header, receipts, &settings, &rules)) {
            // The blocks below are proved and returned; the host asks again from here on, and then the endpoint is at fault.
            Err(Failure::Elsewhere(_) | Failure::Reorged | Failure::Retry(_)) if !blocks.is_empty() => break,
            checked => blocks.push(checked?),
        }
    }
    let through = span.first + blocks.len() as u64 - 1;
    let blocks = detect(host, finalized, &blocks, &rules, settings.batch, span)?;
    Ok(Scanned { blocks, through })
}

/// The chain's number from the context, else from what the host remembers.
fn known_chain_id(host: &mut impl Host, context: &Context) -> Option<u64> {
    let of_network = |network: &str| network.strip_prefix("eip155:")?.split('/').next()?.parse().ok();
    if let Some(id) = attribute(context, "network").and_then(of_network) {
        return Some(id);
    }
    let kept = host.recall(&[CHAIN_ID.to_owned()]).into_iter().next().flatten()?;
    Some(u64::from_be_bytes(kept.try_into().ok()?))
}

fn attribute<'a>(context: &'a Context, name: &str) -> Option<&'a str> {
    context.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The endpoint's answers for a span: headers, then receipts, then the chain's number if that was asked.
struct SpanAnswers<'a> {
    headers: Vec<Option<Header<'a>>>,
    receipts: Vec<Option<Vec<Receipt<'a>>>>,
    chain_id: Option<u64>,
    /// By call: whether its answer could be read.
    outcomes: Vec<jsonrpc::ReadOutcome>,
}

impl<'a> SpanAnswers<'a> {
    fn new(blocks: usize) -> Self {
        let nothing = |_| (None, None);
        let (headers, receipts) = (0..blocks).map(nothing).unzip();
        Self { headers, receipts, chain_id: None, outcomes: vec![] }
    }

    /// Takes the answer to one call.
    fn take_answer(&mut self, at: usize, answer: &mut Cursor<'a>, table: &'a TopicTable) -> Result<(), Malformed> {
        let blocks = self.headers.len();
        if at < blocks {
            self.headers[at] = Header::read(answer)?;
        } else if at < 2 * blocks {
            self.receipts[at - blocks] = Receipt::read_all(answer, table)?;
        } else {
            self.chain_id = hex::quantity(answer.text()?);
        }
        Ok(())
    }

    fn chain_id(&self, host: &mut impl Host, span: Span) -> Result<u64, Failure> {
        self.outcomes[2 * self.headers.len()].clone().map_err(|error| error.failure(span))?;
        let unread = || Failure::Elsewhere("the chain's number cannot be read".to_owned());
        let id = self.chain_id.ok_or_else(unread)?;
        host.keep(vec![(CHAIN_ID.to_owned(), id.to_be_bytes().to_vec())]);
        Ok(id)
    }

    /// The headers up to the first that the endpoint does not have. It is late by that block, or, where it must have it,
    /// has a hole.
    fn headers(&mut self, heights: &[u64], span: Span, finalized: Option<u64>) -> Result<Vec<Header<'a>>, Failure> {
        let mut headers = Vec::with_capacity(heights.len());
        for (at, height) in heights.iter().enumerate() {
            let header = match &self.outcomes[at] {
                Ok(()) => self.headers[at].take(),
                Err(error) if error.kind == Kind::NotYet => None,
                Err(error) => return Err(error.clone().failure(span)),
            };
            let Some(header) = header else {
                let has_later = self.headers[at..].iter().any(Option::is_some);
                if headers.is_empty() {
                    return Err(missing_block(*height, finalized, has_later));
                }
                break;
            };
            if hex::quantity(header.number) != Some(*height) {
                let given = hex::for_message(header.number);
                return Err(Failure::Elsewhere(format!("asked for block {height}, the endpoint gave {given}")));
            }
            headers.push(header);
        }
        Ok(headers)
    }

    /// What the endpoint gave for a block's receipts.
    fn given_receipts(&mut self, at: usize) -> Given<'a> {
        Given::from_outcome(&self.outcomes[self.headers.len() + at], self.receipts[at].take())
    }
}

/// A block that is not there is one to wait for, unless it is final or the endpoint has later ones.
fn missing_block(height: u64, finalized: Option<u64>, has_later: bool) -> Failure {
    if has_later {
        return Failure::Elsewhere(format!("the endpoint has not block {height}, but later ones"));
    }
    if finalized.is_some_and(|finalized| height <= finalized) {
        return Failure::Elsewhere(format!("the endpoint has not block {height}, which is final"));
    }
    Failure::NotYet(height)
}

/// Proves a block as far as the settings demand.
fn check_block<'a>(
    height: u64,
    header: Header<'a>,
    mut receipts: Vec<Receipt<'a>>,
    settings: &Settings,
    rules: &Rules,
) -> Result<FetchedBlock<'a>, Failure> {
    if receipts.iter().any(|receipt| !hex::same(receipt.block_hash, header.hash)) {
        return Err(Failure::Reorged);
    }
    let hash = hex::hash(header.hash)
        .map(hex::encode)
        .ok_or_else(|| Failure::Elsewhere(format!("block {height} has no readable hash")))?;
    receipts::check_count(height, &header, &receipts, rules.proof)?;
    if receipts.iter().any(|receipt| receipt.status.is_some_and(|status| hex::quantity(status).is_none())) {
        return Err(Failure::Elsewhere(format!("a receipt of block {height} has a status that is no number")));
    }
    let mut transactions = None;
    let proof = match settings.verify {
        Verify::Full | Verify::Receipts if rules.proof == Proof::Impossible => {
            let why =
                "this chain hashes its blocks in its own way, so nothing can be proved: set verify to hint or none";
            return Err(Failure::BadSettings(why.to_owned()));
        }
        Verify::Full | Verify::Receipts => {
            let covered = prove::block(rules.proof, &header, &receipts).map_err(Failure::Elsewhere)?;
            receipts.truncate(covered);
            if settings.verify == Verify::Full {
                transactions = Some(transactions::prove(rules.proof, &header).map_err(Failure::Elsewhere)?);
            }
            prove::PROVED_BY_RECEIPTS
        }
        Verify::Hint => {
            if has_logs_by_bloom(&header) && receipts.iter().all(|receipt| receipt.logs.is_empty()) {
                return Err(Failure::Elsewhere(format!("block {height} has logs by its bloom, and none were given")));
            }
            "hint"
        }
        Verify::None => "none",
    };
    if receipts::has_block_receipt(&header, &receipts) {
        receipts.pop();
    }
    receipts::check_transactions(height, &header, &receipts)?;
    Ok(FetchedBlock { height, hash, header, receipts, transactions, proof })
}

/// Whether a block's bloom says that it has logs. Where the header lists no transaction there are none, whatever the
/// bloom; and a bloom in which every bit is set says nothing.
fn has_logs_by_bloom(header: &Header<'_>) -> bool {
    let mut digits = header.logs_bloom.iter().skip(2);
    let is_empty = header.transactions.as_ref().is_some_and(Vec::is_empty);
    let is_full = digits.clone().all(|digit| digit.eq_ignore_ascii_case(&b'f'));
    !is_empty && !is_full && digits.any(|digit| *digit != b'0')
}

/// The trades of fetched blocks.
fn detect(
    host: &mut impl Host,
    finalized: Option<u64>,
    blocks: &[FetchedBlock<'_>],
    rules: &Rules,
    batch: usize,
    span: Span,
) -> Result<Vec<Block>, Failure> {
    let mut wanted = WantedFacts::default();
    let (mut found, mut unpriced) = (Vec::with_capacity(blocks.len()), vec![]);
    for (at, block) in blocks.iter().enumerate() {
        let of_block = legs::decode_transactions(&block.receipts, rules);
        for found in &of_block {
            found.note_wanted(at, rules, &mut wanted);
        }
        let mut prices = BTreeMap::new();
        if !of_block.is_empty() {
            prices = reference::prices(&block.receipts, &rules.references);
            unpriced.extend(reference::to_ask(&prices, &rules.references).map(|pool| (at, pool)));
        }
        found.push((of_block, prices));
    }
    let is_final = |height| finalized.is_some_and(|finalized| height <= finalized);
    let pin = |block: &FetchedBlock<'_>| Pin {
        height: block.height,
        hash: block.hash.clone(),
        is_final: is_final(block.height),
    };
    let pins: Vec<Pin> = blocks.iter().map(pin).collect();
    if !unpriced.is_empty() {
        for ((at, pool), price) in unpriced.iter().zip(reference::ask_for_prices(host, &unpriced, &pins, batch, span)?)
        {
            found[*at].1.extend(price.map(|price| (*pool, price)));
        }
    }
    for (at, (_, prices)) in found.iter().enumerate() {
        for pool in prices.keys() {
            wanted.pools.entry(*pool).or_insert(at);
        }
    }
    let facts = facts::gather(host, &wanted, &pins, finalized, batch, span)?;
    let writer = |prices| TradeWriter { rules, facts: &facts, prices };
    let (found, prices): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let mut drafts = Vec::with_capacity(blocks.len());
    for ((block, found), prices) in blocks.iter().zip(found).zip(&prices) {
        let view = BlockView { height: block.height, header: &block.header, receipts: &block.receipts };
        drafts.push(BlockDraft::new(view, found, &facts, &writer(prices))?);
    }
    if let Some(wrapped) = rules.wrapped.filter(|_| rules.traces != TraceMode::Never) {
        let of_draft = |(at, draft): (usize, &BlockDraft<'_, '_>)| {
            draft.to_trace(rules.traces, wrapped).into_iter().map(move |(place, hash)| (at, place, hash))
        };
        let wanted: Vec<(usize, usize, B256)> = drafts.iter().enumerate().flat_map(of_draft).collect();
        let hashes: Vec<B256> = wanted.iter().map(|(.., hash)| *hash).collect();
        let moves = traces::native_moves(host, &hashes, wrapped, batch, span)?;
        for ((at, place, _), moves) in wanted.iter().zip(moves) {
            if let Some(moves) = moves {
                drafts[*at].use_trace(*place, &moves, &writer(&prices[*at]))?;
            }
        }
    }
    blocks.iter().zip(drafts).map(|(block, draft)| finish_block(block, draft)).collect()
}

fn finish_block(block: &FetchedBlock<'_>, draft: BlockDraft<'_, '_>) -> Result<Block, Failure> {
    let unreadable = |what: &str| Failure::Elsewhere(format!("{what} of block {} cannot be read", block.height));
    let mut trades = vec![];
    let mut proof = if block.transactions.is_some() { transactions::PROVED_IN_FULL } else { block.proof };
    for transaction in draft.transactions {
        if let Some(transactions) = block.transactions.as_ref().filter(|_| !transaction.trades.is_empty()) {
            let receipt = &block.receipts[transaction.receipt()];
            if !transactions.check(transaction.receipt(), receipt).map_err(Failure::Elsewhere)? {
                proof = block.proof;
            }
        }
        trades.extend(transaction.trades);
    }
    let seconds = hex::quantity(block.header.timestamp).ok_or_else(|| unreadable("the time"))?;
    let parent = hex::hash(block.header.parent_hash).map(hex::encode).ok_or_else(|| unreadable("the parent"))?;
    Ok(Block {
        height: block.height,
        hash: block.hash.clone(),
        parent: block.height.checked_sub(1).map(|height| BlockId { height, hash: parent }),
        timestamp_ms: seconds.saturating_mul(1_000),
        trades,
        attributes: std::iter::once(("proof".to_owned(), proof.to_owned())).chain(draft.dropped.attributes()).collect(),
    })
}
