//! The receipts of blocks: all at once, else one by one, and whether they are those of the header's transactions.

use crate::chains::Proof;
use crate::rpc::{self, Header, Receipt};
use crate::{events, hex};
use chain_plugin_sdk::jsonrpc::{self, Answers, Error, Kind, ReadOutcome};
use chain_plugin_sdk::{Failure, Host, Span};
use std::ops::Range;

/// What an endpoint gave for the receipts of one block.
pub(crate) enum Given<'a> {
    /// These.
    Receipts(Vec<Receipt<'a>>),
    /// These, which have the root that the header names.
    Proved(Vec<Receipt<'a>>),
    /// None were asked for: the header says that no trade is in them.
    NotNeeded,
    /// None: `null`, or an error that says so.
    Missing,
    /// It does not serve the method, at all or for this block.
    Refused(Error),
}

impl<'a> Given<'a> {
    /// From the outcome of the call and what was read.
    pub(crate) fn from_outcome(outcome: &ReadOutcome, read: Option<Vec<Receipt<'a>>>) -> Self {
        match (outcome, read) {
            (Ok(()), Some(receipts)) => Self::Receipts(receipts),
            (Ok(()), None) => Self::Missing,
            (Err(error), _) if error.kind == Kind::NotYet => Self::Missing,
            (Err(error), _) => Self::Refused(error.clone()),
        }
    }

    /// Whether the receipts may be had one by one.
    fn is_to_ask_singly(&self, header: &Header<'_>, is_final: bool) -> bool {
        let sent = header.transactions.as_ref().map(Vec::len);
        match self {
            Self::Proved(_) | Self::NotNeeded => false,
            // Near the head they are often only late.
            Self::Missing => is_final && sent.is_some(),
            Self::Receipts(receipts) => is_final && sent.is_some_and(|sent| receipts.len() < sent),
            // A limit on calls, or no connection, would meet the others too.
            Self::Refused(error) => !error.is_transient(),
        }
    }
}

/// Receipts that were asked one by one.
pub(crate) struct SingleReceipts {
    answers: Answers,
    /// By block of the span: the places of its receipts among the answers.
    places: Vec<Option<Range<usize>>>,
}

impl SingleReceipts {
    /// Where the endpoint does not give a block's receipts at once, they are asked by transaction.
    pub(crate) fn ask(
        host: &mut impl Host,
        given: &[Given<'_>],
        headers: &[Header<'_>],
        finalized: Option<u64>,
        batch: usize,
    ) -> Self {
        let (mut calls, mut places) = (vec![], vec![]);
        for (header, given) in headers.iter().zip(given) {
            let height = hex::quantity(header.number);
            let is_final = height.is_some_and(|height| finalized.is_some_and(|finalized| height <= finalized));
            let sent = header.transactions.as_deref().filter(|_| given.is_to_ask_singly(header, is_final));
            let hashes = sent.and_then(|sent| sent.iter().map(|sent| hex::hash(sent.hash)).collect::<Option<Vec<_>>>());
            places.push(hashes.map(|hashes| {
                let first = calls.len();
                calls.extend(hashes.into_iter().map(|hash| rpc::receipt(&hex::encode(hash))));
                first..calls.len()
            }));
        }
        Self { answers: jsonrpc::send(host, &calls, batch), places }
    }

    /// The receipts of the block at this place of the span, in order.
    pub(crate) fn complete<'a>(
        &'a self,
        at: usize,
        given: Given<'a>,
        header: &Header<'_>,
        height: u64,
        span: Span,
    ) -> Result<Vec<Receipt<'a>>, Failure> {
        let mut receipts = match (given, &self.places[at]) {
            (_, Some(places)) => self.read(places, height, span)?,
            (Given::Receipts(receipts) | Given::Proved(receipts), None) => receipts,
            (Given::NotNeeded, None) => vec![],
            // No transactions, no receipts: nothing else has to be said.
            (_, None) if header.transactions.as_ref().is_some_and(Vec::is_empty) => vec![],
            (Given::Missing, None) => {
                return Err(Failure::Elsewhere(format!("the endpoint has block {height} but not its receipts")));
            }
            (Given::Refused(error), None) if header.transactions.is_none() && !error.is_transient() => {
                let why = format!("the endpoint gives neither receipts nor transactions of block {height}: {error}");
                return Err(Failure::Elsewhere(why));
            }
            (Given::Refused(error), None) => return Err(error.failure(span)),
        };
        let index = |receipt: &Receipt<'_>| hex::quantity(receipt.transaction_index).unwrap_or(u64::MAX);
        if !receipts.is_sorted_by_key(index) {
            receipts.sort_by_key(index);
        }
        Ok(receipts)
    }

    fn read(&self, places: &Range<usize>, height: u64, span: Span) -> Result<Vec<Receipt<'_>>, Failure> {
        let missing = || {
            let why = format!("the endpoint gives the receipts of block {height} neither at once nor one by one");
            Failure::Elsewhere(why)
        };
        let one = |place| match self.answers.read(place, |cursor| Receipt::read(cursor, events::table())) {
            Ok(receipt) => receipt.ok_or_else(missing),
            Err(error) if error.is_transient() => Err(error.failure(span)),
            Err(error) => Err(Failure::Elsewhere(format!("the endpoint gives no receipts of block {height}: {error}"))),
        };
        places.clone().map(one).collect()
    }
}

/// Whether the last receipt is one more than the transactions, and the block's own: Celo's blocks had such receipts.
pub(crate) fn has_block_receipt(header: &Header<'_>, receipts: &[Receipt<'_>]) -> bool {
    let is_one_more = header.transactions.as_ref().is_some_and(|sent| receipts.len() == sent.len() + 1);
    is_one_more && receipts.last().is_some_and(|last| hex::same(last.transaction_hash, header.hash))
}

/// There are as many receipts as transactions in the header; Polygon's state sync may be in one list alone.
pub(crate) fn check_count(
    height: u64,
    header: &Header<'_>,
    receipts: &[Receipt<'_>],
    rule: Proof,
) -> Result<(), Failure> {
    let Some(sent) = &header.transactions else { return Ok(()) };
    let (sent, given) = (sent.len(), receipts.len());
    let is_state_sync = rule == Proof::StateSyncApart && sent.abs_diff(given) == 1;
    if sent == given || is_state_sync || has_block_receipt(header, receipts) {
        return Ok(());
    }
    let why = format!("block {height} has {sent} transactions, and the endpoint gave {given} receipts");
    Err(Failure::Elsewhere(why))
}

/// The receipts are those of the header's transactions, in order.
pub(crate) fn check_transactions(height: u64, header: &Header<'_>, receipts: &[Receipt<'_>]) -> Result<(), Failure> {
    let Some(sent) = &header.transactions else { return Ok(()) };
    let (mut indices, mut pairs) = ((0..).zip(receipts), sent.iter().zip(receipts));
    let in_place = indices.all(|(at, receipt)| hex::quantity(receipt.transaction_index) == Some(at));
    let theirs = pairs.all(|(sent, receipt)| hex::same(sent.hash, receipt.transaction_hash));
    if in_place && theirs && receipts.len() <= sent.len() {
        Ok(())
    } else {
        Err(Failure::Elsewhere(format!("the receipts of block {height} are not those of its transactions")))
    }
}
