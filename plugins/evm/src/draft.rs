//! A block whose trades are written, and may be written again once traces show how native coin moved.

use crate::facts::ContractFacts;
use crate::hex;
use crate::legs::DecodedTransaction;
use crate::model::{Leg, Transfer};
use crate::rpc::{Header, Receipt};
use crate::traces::TraceMode;
use crate::trades::{TradeWriter, WrittenTrades};
use alloy_primitives::{Address, B256};
use chain_plugin_sdk::{DroppedEvents, Failure, Trade};

/// A block that was fetched, as far as trades are written from it.
#[derive(Clone, Copy)]
pub(crate) struct BlockView<'b, 'a> {
    /// Its height, for messages.
    pub height: u64,
    /// Its header, with the transactions as they were sent.
    pub header: &'b Header<'a>,
    /// Its receipts.
    pub receipts: &'b [Receipt<'a>],
}

/// The trades of a block, each transaction by itself.
pub(crate) struct BlockDraft<'b, 'a> {
    block: BlockView<'b, 'a>,
    /// Those in which something happened.
    pub transactions: Vec<TransactionDraft>,
    /// What became no trade.
    pub dropped: DroppedEvents,
}

/// A transaction and its trades.
pub(crate) struct TransactionDraft {
    found: DecodedTransaction,
    legs: Vec<Leg>,
    /// In the order of their first legs.
    pub trades: Vec<Trade>,
    /// Whether native coin may have gone another way than is assumed.
    is_assumed: bool,
}

impl TransactionDraft {
    /// The transaction's index among the block's receipts.
    pub(crate) fn receipt(&self) -> usize {
        self.found.receipt
    }

    /// Whether a trace may show more of it.
    fn is_to_trace(&self, mode: TraceMode, wrapped: &str) -> bool {
        let is_uncertain = |trade: &Trade| trade.attributes.iter().any(|(name, _)| name == "confidence");
        let has_coin =
            |trade: &Trade| [&trade.sold.asset, &trade.bought.asset].into_iter().any(|asset| asset == wrapped);
        match mode {
            TraceMode::Never => false,
            TraceMode::WhereNeeded => self.is_assumed || self.trades.iter().any(is_uncertain),
            TraceMode::Native => self.trades.iter().any(has_coin),
        }
    }
}

impl<'b, 'a> BlockDraft<'b, 'a> {
    /// Writes the trades of a block's decoded transactions.
    pub(crate) fn new(
        block: BlockView<'b, 'a>,
        found: Vec<DecodedTransaction>,
        facts: &ContractFacts,
        writer: &TradeWriter<'_>,
    ) -> Result<Self, Failure> {
        let mut draft =
            Self { block, transactions: Vec::with_capacity(found.len()), dropped: DroppedEvents::default() };
        for mut found in found {
            let legs = found.legs(facts, writer.rules, &mut draft.dropped);
            let WrittenTrades { trades, is_assumed } = draft.trades(&found, &legs, None, writer)?;
            draft.transactions.push(TransactionDraft { found, legs, trades, is_assumed });
        }
        Ok(draft)
    }

    fn trades(
        &self,
        found: &DecodedTransaction,
        legs: &[Leg],
        traced: Option<&[Transfer]>,
        writer: &TradeWriter<'_>,
    ) -> Result<WrittenTrades, Failure> {
        let BlockView { height, header, receipts } = self.block;
        let sent = header.transactions.as_ref().and_then(|all| all.get(found.receipt)).copied();
        let trades = writer.trades(&receipts[found.receipt], sent.unwrap_or_default(), legs, found, traced);
        trades.ok_or_else(|| Failure::Elsewhere(format!("a transaction of block {height} cannot be read")))
    }

    /// The transactions of which a trace may show more, by their places in the draft.
    pub(crate) fn to_trace(&self, mode: TraceMode, wrapped: Address) -> Vec<(usize, B256)> {
        let wrapped = hex::encode(wrapped);
        let wanted = |(at, draft): (usize, &TransactionDraft)| {
            let hash = hex::hash(self.block.receipts[draft.receipt()].transaction_hash)?;
            draft.is_to_trace(mode, &wrapped).then_some((at, hash))
        };
        self.transactions.iter().enumerate().filter_map(wanted).collect()
    }

    /// Writes the trades of one transaction again, with what its trace shows.
    pub(crate) fn use_trace(&mut self, at: usize, moves: &[Transfer], writer: &TradeWriter<'_>) -> Result<(), Failure> {
        let TransactionDraft { found, legs, .. } = &self.transactions[at];
        self.transactions[at].trades = self.trades(found, legs, Some(moves), writer)?.trades;
        Ok(())
    }
}
