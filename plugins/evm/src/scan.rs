//! One scan: fetches headers and receipts, proves them, finds legs, asks for unknown facts, and writes trades.

use crate::asking::Pin;
use crate::bloom::{self, ByHeader};
use crate::chains::Proof;
use crate::facts::{self, ContractFacts, WantedFacts};
use crate::fetch::{self, FetchPlan, FromRaw, SpanAnswers};
use crate::legs::{self, DecodedTransaction};
use crate::receipts::{self, Given, SingleReceipts};
use crate::reference::Price;
use crate::remembered::Remembered;
use crate::rpc::{Header, Receipt};
use crate::rules::Rules;
use crate::settings::{Settings, Verify};
use crate::trades::TradeWriter;
use crate::transactions::{self, ProvedTransactions};
use crate::{events, hex, prove, reference};
use alloy_primitives::Address;
use chain_plugin_sdk::jsonrpc;
use chain_plugin_sdk::{Block, BlockId, Context, DroppedEvents, Failure, Host, Scanned, Span};
use std::collections::BTreeMap;

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
    let finalized: Option<u64> = attribute(context, "finalized").and_then(|height| height.parse().ok());
    let are_final = finalized.is_some_and(|finalized| span.last <= finalized);
    let mut remembered = Remembered::recall(host, context, &settings);
    let plan = FetchPlan::new(&heights, &settings, &remembered, are_final);
    let table = events::table();
    let mut answers = SpanAnswers::new(heights.len());
    let first = plan.first_round();
    let first_unread = jsonrpc::send_unread(host, first.calls(), settings.batch);
    answers.take(&first, &first_unread, table);
    // Perhaps with all that was asked beside them, so that nothing below is reached.
    if answers.refuses_raw() {
        remembered.keep_raw_receipts(host, false);
    }
    let chain_id = if let Some(id) = remembered.chain_id {
        id
    } else {
        let id = answers.chain_id(span)?;
        remembered.keep_chain_id(host, id);
        id
    };
    let rules = settings.rules(chain_id)?;
    let headers = answers.headers(&heights, span, finalized)?;
    let (second, by_header) = plan.second_round(&headers);
    let second_unread = jsonrpc::send_unread(host, second.calls(), settings.batch);
    answers.take(&second, &second_unread, table);
    if answers.refuses_raw() {
        remembered.keep_raw_receipts(host, false);
    }
    let raw = answers.read_raw(&headers, rules.proof, plan.wants_blooms());
    let third = plan.third_round(&raw);
    let third_unread = jsonrpc::send_unread(host, third.calls(), settings.batch);
    answers.take(&third, &third_unread, table);
    let given: Vec<Given<'_>> = headers
        .iter()
        .enumerate()
        .map(|(at, header)| answers.given_receipts(at, by_header[at], &raw[at], header))
        .collect();
    let single_receipts = SingleReceipts::ask(host, &given, &headers, finalized, settings.batch);
    let mut blocks: Vec<FetchedBlock<'_>> = vec![];
    for (at, ((height, header), given)) in heights.iter().zip(headers).zip(given).enumerate() {
        if blocks.last().is_some_and(|below| !hex::same(header.parent_hash, below.header.hash)) {
            break;
        }
        let receipts = single_receipts.complete(at, given, &header, *height, span);
        let evidence = Evidence::new(by_header[at], &raw[at]);
        match receipts.and_then(|receipts| check_block(*height, header, receipts, evidence, &settings, &rules)) {
            // The blocks below are proved and returned; the host asks again from here on, and then the endpoint is at fault.
            Err(Failure::Elsewhere(_) | Failure::Reorged | Failure::Retry(_)) if !blocks.is_empty() => break,
            checked => blocks.push(checked?),
        }
    }
    let through = span.first + blocks.len() as u64 - 1;
    learn(host, &mut remembered, &plan, &blocks, &raw, &rules);
    let blocks = detect(host, finalized, &blocks, &rules, settings.batch, span)?;
    Ok(Scanned { blocks, through })
}

/// Keeps what proved blocks show of how the chain and the endpoint are best asked.
fn learn(
    host: &mut impl Host,
    remembered: &mut Remembered,
    plan: &FetchPlan<'_>,
    blocks: &[FetchedBlock<'_>],
    raw: &[FromRaw],
    rules: &Rules,
) {
    // What did not have the root, while the JSON of the same block does.
    if raw.iter().take(blocks.len()).any(|raw| matches!(raw, FromRaw::Refused)) {
        remembered.keep_raw_receipts(host, false);
    }
    if remembered.is_to_probe()
        && let Some(block) = blocks.iter().find(|block| !block.receipts.is_empty())
        && let Some(has_them) = fetch::probe_raw(host, block.height, &block.header, rules.proof)
    {
        remembered.keep_raw_receipts(host, has_them);
    }
    if plan.wants_blooms() {
        let of_logs = |(block, raw): (&FetchedBlock<'_>, &FromRaw)| match raw {
            FromRaw::Proved(spelled) => bloom::holds(&block.header, spelled.logs_bloom.as_ref()),
            _ => bloom::holds(&block.header, Some(&bloom::of_receipts(&block.receipts))),
        };
        if let Some(hold) = blocks.iter().zip(raw).find_map(of_logs) {
            remembered.keep_blooms(host, hold);
        }
    }
    if plan.are_final() {
        let is_quiet = fetch::is_quiet(blocks.iter().map(|block| &block.header), remembered.blooms_hold == Some(true));
        remembered.keep_quiet(host, is_quiet);
    }
}

fn attribute<'a>(context: &'a Context, name: &str) -> Option<&'a str> {
    context.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What the receipts of a block are proved by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// Their root, from their JSON: still to be seen.
    Json,
    /// Their root, as they came.
    Raw,
    /// Their root, which is that of none.
    NoReceipts,
    /// The header's bloom, which rules out that a trade is among them: none were asked for.
    Bloom,
}

impl Evidence {
    fn new(by_header: ByHeader, raw: &FromRaw) -> Self {
        match (by_header, raw) {
            (ByHeader::Empty, _) => Self::NoReceipts,
            (ByHeader::NoTrade, _) => Self::Bloom,
            (ByHeader::Unknown, FromRaw::Proved(_)) => Self::Raw,
            (ByHeader::Unknown, _) => Self::Json,
        }
    }
}

/// Proves a block as far as the settings demand.
fn check_block<'a>(
    height: u64,
    header: Header<'a>,
    mut receipts: Vec<Receipt<'a>>,
    evidence: Evidence,
    settings: &Settings,
    rules: &Rules,
) -> Result<FetchedBlock<'a>, Failure> {
    if receipts.iter().any(|receipt| !hex::same(receipt.block_hash, header.hash)) {
        return Err(Failure::Reorged);
    }
    let hash = hex::hash(header.hash)
        .map(hex::encode)
        .ok_or_else(|| Failure::Elsewhere(format!("block {height} has no readable hash")))?;
    if evidence != Evidence::Bloom {
        receipts::check_count(height, &header, &receipts, rules.proof)?;
    }
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
            if evidence == Evidence::Json {
                let covered = prove::block(rules.proof, &header, &receipts).map_err(Failure::Elsewhere)?;
                receipts.truncate(covered);
            } else {
                // Its root, or its bloom, is what the receipts were held to.
                prove::check_header(&header).map_err(Failure::Elsewhere)?;
            }
            if settings.verify == Verify::Full {
                transactions = Some(transactions::prove(rules.proof, &header).map_err(Failure::Elsewhere)?);
            }
            if evidence == Evidence::Bloom { bloom::PROVED_BY_BLOOM } else { prove::PROVED_BY_RECEIPTS }
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
        let of_block = legs::decode_transactions(&block.receipts, &rules.twins);
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
    blocks.iter().zip(found).map(|(block, (found, prices))| write_block(block, found, rules, &facts, &prices)).collect()
}

fn write_block(
    block: &FetchedBlock<'_>,
    found: Vec<DecodedTransaction>,
    rules: &Rules,
    facts: &ContractFacts,
    prices: &BTreeMap<Address, Price>,
) -> Result<Block, Failure> {
    let unreadable = |what: &str| Failure::Elsewhere(format!("{what} of block {} cannot be read", block.height));
    let mut dropped = DroppedEvents::default();
    let mut trades = vec![];
    let writer = TradeWriter { rules, facts, prices };
    let mut proof = if block.transactions.is_some() { transactions::PROVED_IN_FULL } else { block.proof };
    for mut found in found {
        let legs = found.legs(facts, rules, &mut dropped);
        let sent = block.header.transactions.as_ref().and_then(|all| all.get(found.receipt)).copied();
        let of_receipt = writer.trades(&block.receipts[found.receipt], sent.unwrap_or_default(), &legs, &found);
        let of_receipt = of_receipt.ok_or_else(|| unreadable("a transaction"))?;
        if let Some(transactions) = block.transactions.as_ref().filter(|_| !of_receipt.is_empty()) {
            let receipt = &block.receipts[found.receipt];
            if !transactions.check(found.receipt, receipt).map_err(Failure::Elsewhere)? {
                proof = block.proof;
            }
        }
        trades.extend(of_receipt);
    }
    let seconds = hex::quantity(block.header.timestamp).ok_or_else(|| unreadable("the time"))?;
    let parent = hex::hash(block.header.parent_hash).map(hex::encode).ok_or_else(|| unreadable("the parent"))?;
    Ok(Block {
        height: block.height,
        hash: block.hash.clone(),
        parent: block.height.checked_sub(1).map(|height| BlockId { height, hash: parent }),
        timestamp_ms: seconds.saturating_mul(1_000),
        trades,
        attributes: std::iter::once(("proof".to_owned(), proof.to_owned())).chain(dropped.attributes()).collect(),
    })
}
