//! What a header alone proves of its logs: its hash covers the root of its receipts and the bloom of their logs.

use crate::rpc::{Header, Receipt, SentTransaction};
use crate::topics::KnownEvent;
use crate::{events, hex, keccak, prove, reports, trie, venues};
use alloy_primitives::{Bloom, BloomInput};

/// The attribute `proof` of a block whose header's bloom rules out that it has a trade.
pub(crate) const PROVED_BY_BLOOM: &str = "bloom";

/// What a proved header says of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByHeader {
    /// It has no receipts: their root is that of none.
    Empty,
    /// It has receipts, and by their bloom none in which a trade can begin.
    NoTrade,
    /// It may have trades.
    Unknown,
}

/// The blooms of the events that a trade begins with.
pub(crate) struct TradeBlooms {
    beginnings: Vec<Bloom>,
    transfers: Vec<Bloom>,
}

impl TradeBlooms {
    /// Made from the table of events.
    pub(crate) fn new() -> Self {
        let blooms = |is_wanted: fn(&KnownEvent) -> bool| -> Vec<Bloom> {
            let wanted = events::table().events().iter().filter(|event| is_wanted(event));
            wanted.filter_map(|event| Some(bloom_of(hex::hash(&event.topic)?.as_slice()))).collect()
        };
        // Logs without a topic are in the bloom by who emits them.
        let anonymous = venues::ekubo::EKUBO.emitters.iter().map(|emitter| bloom_of(emitter.as_slice()));
        let beginnings = blooms(KnownEvent::begins_a_trade).into_iter().chain(anonymous).collect();
        Self { beginnings, transfers: blooms(KnownEvent::moves_a_token) }
    }

    /// What a header says of its block. An empty bloom is no evidence: a chain that leaves its blooms empty looks the same.
    /// What a listed router was called for may be a trade without an event, but not without a transfer; where the targets of
    /// transactions are not known, a block without transfers has none.
    pub(crate) fn judge(&self, header: &Header<'_>, blooms_hold: bool) -> ByHeader {
        if hex::hash(header.receipts_root) == Some(trie::EMPTY) {
            return ByHeader::Empty;
        }
        let Some(bloom) = hex::fixed::<256>(header.logs_bloom).map(Bloom::from) else { return ByHeader::Unknown };
        let has_any = |blooms: &[Bloom]| blooms.iter().any(|event| bloom.contains(event));
        if !blooms_hold || bloom.is_zero() || has_any(&self.beginnings) {
            return ByHeader::Unknown;
        }
        let is_ordinary = |sent: &SentTransaction<'_>| {
            sent.from.is_some() && !sent.to.and_then(hex::address).is_some_and(reports::is_filler)
        };
        let are_ordinary = header.transactions.as_ref().is_some_and(|sent| sent.iter().all(is_ordinary));
        if are_ordinary || !has_any(&self.transfers) { ByHeader::NoTrade } else { ByHeader::Unknown }
    }
}

/// Whether the bloom of a proved header is just that of its logs; none where there are no logs to tell by.
pub(crate) fn holds(header: &Header<'_>, of_logs: Option<&Bloom>) -> Option<bool> {
    let of_logs = of_logs.filter(|bloom| !bloom.is_zero())?;
    Some(hex::fixed::<256>(header.logs_bloom).map(Bloom::from) == Some(*of_logs))
}

/// The bloom of the logs of receipts.
pub(crate) fn of_receipts(receipts: &[Receipt<'_>]) -> Bloom {
    receipts.iter().fold(Bloom::ZERO, |all, receipt| all | prove::bloom(&receipt.logs))
}

fn bloom_of(bytes: &[u8]) -> Bloom {
    let mut bloom = Bloom::ZERO;
    bloom.accrue(BloomInput::Hash(keccak::hash(bytes)));
    bloom
}
