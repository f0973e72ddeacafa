//! Fetches the blocks of a span: headers and receipts in one round, and what that leaves open in further ones.
//!
//! Receipts are asked in their consensus encoding where the endpoint has that, and as JSON where they do not fit or are not
//! there. In history, where most blocks of a chain have no trades, headers are asked first, and receipts only of the others.

use crate::bloom::{ByHeader, TradeBlooms};
use crate::chains::Proof;
use crate::raw::{RawReceipts, SpelledReceipts};
use crate::receipts::Given;
use crate::remembered::Remembered;
use crate::rpc::{self, Header, Receipt, Text};
use crate::settings::{Settings, Verify};
use crate::topics::TopicTable;
use crate::{events, hex};
use chain_plugin_sdk::json::{Cursor, Malformed};
use chain_plugin_sdk::jsonrpc::{self, Call, Error, Kind, ReadOutcome, Unread};
use chain_plugin_sdk::{Failure, Host, Span};

/// What one call asks for; blocks by their place in the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Header(usize),
    Receipts(usize),
    RawReceipts(usize),
    ChainId,
}

/// Calls that are sent together.
#[derive(Default)]
pub(crate) struct Round {
    asked: Vec<Asked>,
    calls: Vec<Call>,
}

impl Round {
    fn push(&mut self, asked: Asked, call: Call) {
        self.asked.push(asked);
        self.calls.push(call);
    }

    fn push_receipts(&mut self, at: usize, height: u64, are_raw: bool) {
        if are_raw {
            self.push(Asked::RawReceipts(at), rpc::raw_receipts(height));
        } else {
            self.push(Asked::Receipts(at), rpc::receipts(height));
        }
    }

    /// The calls, to be sent.
    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }
}

/// How a span is fetched.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the span")]
pub(crate) struct FetchPlan<'a> {
    heights: &'a [u64],
    are_raw: bool,
    /// Whether receipts are asked only where the header leaves a trade possible.
    has_headers_first: bool,
    /// Whether the header's bloom may rule trades out.
    blooms_hold: bool,
    /// Whether it is still to be seen that it may.
    wants_blooms: bool,
    are_final: bool,
    asks_chain_id: bool,
}

impl<'a> FetchPlan<'a> {
    /// The plan for heights that are all final, or not.
    pub(crate) fn new(heights: &'a [u64], settings: &Settings, remembered: &Remembered, are_final: bool) -> Self {
        // An exchange that is no known event is found in receipts that are read whole.
        let needs_all = settings.two_sided;
        Self {
            heights,
            are_raw: !needs_all
                && settings.verify.is_proof()
                && settings.raw_receipts
                && remembered.has_raw_receipts == Some(true),
            has_headers_first: settings.verify.is_proof() && are_final && remembered.is_quiet == Some(true),
            // What is proved in full is proved by its receipts.
            blooms_hold: !needs_all && settings.verify == Verify::Receipts && remembered.blooms_hold == Some(true),
            wants_blooms: settings.verify == Verify::Receipts && are_final && remembered.blooms_hold.is_none(),
            are_final: settings.verify.is_proof() && are_final,
            asks_chain_id: remembered.chain_id.is_none(),
        }
    }

    /// Headers, and receipts unless they depend on those.
    pub(crate) fn first_round(&self) -> Round {
        let mut round = Round::default();
        for (at, height) in self.heights.iter().enumerate() {
            round.push(Asked::Header(at), rpc::whole_block(*height));
        }
        if !self.has_headers_first {
            for (at, height) in self.heights.iter().enumerate() {
                round.push_receipts(at, *height, self.are_raw);
            }
        }
        if self.asks_chain_id {
            round.push(Asked::ChainId, rpc::chain_id());
        }
        round
    }

    /// The receipts of the blocks whose headers leave a trade possible, where those were asked first.
    pub(crate) fn second_round(&self, headers: &[Header<'_>]) -> (Round, Vec<ByHeader>) {
        let mut round = Round::default();
        if !self.has_headers_first {
            return (round, vec![ByHeader::Unknown; headers.len()]);
        }
        let judged = judge(headers.iter(), self.blooms_hold);
        for (at, by_header) in judged.iter().enumerate() {
            if *by_header == ByHeader::Unknown {
                round.push_receipts(at, self.heights[at], self.are_raw);
            }
        }
        (round, judged)
    }

    /// The JSON of receipts that were asked for in their consensus encoding, and are not there or not those of the header.
    pub(crate) fn third_round(&self, raw: &[FromRaw]) -> Round {
        let mut round = Round::default();
        for (at, raw) in raw.iter().enumerate() {
            if matches!(raw, FromRaw::Refused | FromRaw::Missing) {
                round.push_receipts(at, self.heights[at], false);
            }
        }
        round
    }

    /// Whether the chain's history may show that it is quiet: the heights are final, and receipts are proved.
    pub(crate) fn are_final(&self) -> bool {
        self.are_final
    }

    /// Whether it is to be seen that the blooms of headers are those of their logs.
    pub(crate) fn wants_blooms(&self) -> bool {
        self.wants_blooms
    }
}

fn judge<'h, 'a: 'h>(headers: impl Iterator<Item = &'h Header<'a>>, blooms_hold: bool) -> Vec<ByHeader> {
    let blooms = TradeBlooms::new();
    headers.map(|header| blooms.judge(header, blooms_hold)).collect()
}

/// Whether most of these blocks can be told by their headers to have no trades.
pub(crate) fn is_quiet<'h, 'a: 'h>(headers: impl Iterator<Item = &'h Header<'a>>, blooms_hold: bool) -> bool {
    let judged = judge(headers, blooms_hold);
    let told = judged.iter().filter(|by_header| **by_header != ByHeader::Unknown).count();
    2 * told > judged.len()
}

/// What became of receipts in their consensus encoding.
pub(crate) enum FromRaw {
    /// They were not asked for, or the endpoint cannot be asked now, which it says in their place.
    NotAsked,
    /// They have the root of the header.
    Proved(Box<SpelledReceipts>),
    /// There are none, or sender and target are not known.
    Missing,
    /// The endpoint does not give them, or gives others.
    Refused,
}

/// The endpoint's answers for a span.
pub(crate) struct SpanAnswers<'a> {
    headers: Vec<Answer<Option<Header<'a>>>>,
    receipts: Vec<Answer<Option<Vec<Receipt<'a>>>>>,
    raw: Vec<Answer<Option<Vec<Text<'a>>>>>,
    chain_id: Answer<Option<u64>>,
}

/// What was read of the answer to one call, and whether it could be.
struct Answer<T> {
    value: T,
    /// None where it was not asked for.
    outcome: Option<ReadOutcome>,
}

impl<T: Default> Default for Answer<T> {
    fn default() -> Self {
        Self { value: T::default(), outcome: None }
    }
}

impl<'a> SpanAnswers<'a> {
    /// Nothing, for so many blocks.
    pub(crate) fn new(blocks: usize) -> Self {
        Self {
            headers: (0..blocks).map(|_| Answer::default()).collect(),
            receipts: (0..blocks).map(|_| Answer::default()).collect(),
            raw: (0..blocks).map(|_| Answer::default()).collect(),
            chain_id: Answer::default(),
        }
    }

    /// Reads the answers of a round.
    pub(crate) fn take(&mut self, round: &Round, unread: &'a Unread, table: &'static TopicTable) {
        let outcomes = unread.read(|at, answer| self.take_answer(round.asked[at], answer, table));
        for (asked, outcome) in round.asked.iter().zip(outcomes) {
            let place = match *asked {
                Asked::Header(at) => &mut self.headers[at].outcome,
                Asked::Receipts(at) => &mut self.receipts[at].outcome,
                Asked::RawReceipts(at) => &mut self.raw[at].outcome,
                Asked::ChainId => &mut self.chain_id.outcome,
            };
            *place = Some(outcome);
        }
    }

    fn take_answer(
        &mut self,
        asked: Asked,
        answer: &mut Cursor<'a>,
        table: &'static TopicTable,
    ) -> Result<(), Malformed> {
        match asked {
            Asked::Header(at) => self.headers[at].value = Header::read(answer)?,
            Asked::Receipts(at) => self.receipts[at].value = Receipt::read_all(answer, table)?,
            Asked::RawReceipts(at) => self.raw[at].value = read_texts(answer)?,
            Asked::ChainId => self.chain_id.value = hex::quantity(answer.text()?),
        }
        Ok(())
    }

    /// The chain's number.
    pub(crate) fn chain_id(&self, span: Span) -> Result<u64, Failure> {
        if let Some(outcome) = &self.chain_id.outcome {
            outcome.clone().map_err(|error| error.failure(span))?;
        }
        self.chain_id.value.ok_or_else(|| Failure::Elsewhere("the chain's number cannot be read".to_owned()))
    }

    /// The headers up to the first that the endpoint does not have. It is late by that block, or, where it must have it,
    /// has a hole.
    pub(crate) fn headers(
        &mut self,
        heights: &[u64],
        span: Span,
        finalized: Option<u64>,
    ) -> Result<Vec<Header<'a>>, Failure> {
        let mut headers = Vec::with_capacity(heights.len());
        for (at, height) in heights.iter().enumerate() {
            let header = match &self.headers[at].outcome {
                Some(Ok(())) => self.headers[at].value.take(),
                Some(Err(error)) if error.kind != Kind::NotYet => return Err(error.clone().failure(span)),
                Some(Err(_)) | None => None,
            };
            let Some(header) = header else {
                let has_later = self.headers[at..].iter().any(|header| header.value.is_some());
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

    /// What became of the receipts of blocks that were asked for in their consensus encoding.
    pub(crate) fn read_raw(&self, headers: &[Header<'_>], rule: Proof, wants_blooms: bool) -> Vec<FromRaw> {
        let raws = self.raw.iter().zip(headers);
        raws.map(|(raw, header)| match &raw.outcome {
            None => FromRaw::NotAsked,
            Some(Ok(())) => match &raw.value {
                Some(texts) => read_raw(texts, header, rule, wants_blooms),
                None => FromRaw::Missing,
            },
            Some(Err(error)) if error.is_transient() => FromRaw::NotAsked,
            Some(Err(error)) if is_refusal(error) => FromRaw::Refused,
            Some(Err(_)) => FromRaw::Missing,
        })
        .collect()
    }

    /// Whether the endpoint refuses to give receipts in their consensus encoding, perhaps with all that was asked beside them.
    pub(crate) fn refuses_raw(&self) -> bool {
        self.raw.iter().any(|raw| matches!(&raw.outcome, Some(Err(error)) if is_refusal(error)))
    }

    /// What the endpoint gave for a block's receipts.
    pub(crate) fn given_receipts<'s>(
        &mut self,
        at: usize,
        by_header: ByHeader,
        raw: &'s FromRaw,
        header: &Header<'s>,
    ) -> Given<'s>
    where
        'a: 's,
    {
        if by_header != ByHeader::Unknown {
            return Given::NotNeeded;
        }
        if let FromRaw::Proved(spelled) = raw {
            return Given::Proved(spelled.receipts(header));
        }
        let receipts = self.receipts[at].value.take();
        match (&self.receipts[at].outcome, &self.raw[at].outcome) {
            (Some(outcome), _) => Given::from_outcome(outcome, receipts),
            // The endpoint cannot be asked now.
            (None, Some(Err(error))) => Given::Refused(error.clone()),
            (None, _) => Given::Missing,
        }
    }
}

/// Whether an error says that a method is not served; too large an answer, or none yet, says nothing about it.
fn is_refusal(error: &Error) -> bool {
    !error.is_transient() && !matches!(error.kind, Kind::NotYet | Kind::TooWide)
}

fn read_texts<'a>(answer: &mut Cursor<'a>) -> Result<Option<Vec<Text<'a>>>, Malformed> {
    if answer.null() {
        return Ok(None);
    }
    let mut texts = vec![];
    answer.list(|element| {
        texts.push(element.text()?);
        Ok::<_, Malformed>(())
    })?;
    Ok(Some(texts))
}

fn read_raw(texts: &[Text<'_>], header: &Header<'_>, rule: Proof, wants_bloom: bool) -> FromRaw {
    let Some(root) = hex::hash(header.receipts_root) else { return FromRaw::Refused };
    let Some(raw) = RawReceipts::decode(texts) else { return FromRaw::Refused };
    let Some(covered) = raw.covered_by(root, rule) else { return FromRaw::Refused };
    // Each belongs to a transaction; Polygon's state sync may be among those and have none of these.
    let sent = header.transactions.as_ref().map_or(0, Vec::len);
    let is_each = covered == sent || (rule == Proof::StateSyncApart && covered + 1 == sent);
    match is_each.then(|| raw.spell(covered, header, events::table())).flatten() {
        Some(mut spelled) => {
            spelled.logs_bloom = wants_bloom.then(|| raw.logs_bloom()).flatten();
            FromRaw::Proved(Box::new(spelled))
        }
        None => FromRaw::Missing,
    }
}

/// Whether an endpoint gives the receipts of a block, whose header is proved, in their consensus encoding. None where it
/// cannot be asked now.
pub(crate) fn probe_raw(host: &mut impl Host, height: u64, header: &Header<'_>, rule: Proof) -> Option<bool> {
    // In a request of its own: some endpoints refuse a whole batch for a method that they do not serve.
    let answers = jsonrpc::send(host, &[rpc::raw_receipts(height)], 1);
    match answers.read(0, read_texts) {
        Ok(Some(texts)) => Some(matches!(read_raw(&texts, header, rule, false), FromRaw::Proved(_))),
        // A status without either may be this endpoint's way to refuse a method, for ever.
        Err(error) if error.is_transient() && (error.code.is_some() || error.has_retry_delay()) => None,
        Ok(None) | Err(_) => Some(false),
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
