//! What was read of the log lately: the recent changes of every partition, and where reading stands.

use super::change::{MetricsChange, TradeChange, WalletChange};
use super::subscription::Refused;
use api_domain::{Filter, Folded, Recent};
use std::sync::Arc;

/// Most trades kept per partition, and bytes of them in all, for those who subscribe while metrics is behind.
pub(super) const MOST_TRADES: usize = 4_096;
pub(super) const MOST_TRADE_BYTES: usize = 128 * 1024 * 1024;
/// Most states kept per partition, for the moment between a snapshot and its subscription, and for those who come back.
pub(super) const MOST_STATES: usize = 512;

/// Where every partition of the log is read to, when a snapshot is about to be taken.
pub(crate) struct Before(pub(super) Vec<u64>);

pub(super) struct Live {
    pub(super) trades: Vec<Recent<Arc<TradeChange>>>,
    pub(super) trade_bytes: usize,
    pub(super) metrics: Vec<Recent<Arc<MetricsChange>>>,
    pub(super) wallets: Vec<Recent<Arc<WalletChange>>>,
    pub(super) progress: u64,
    /// Changes that arrived since the start, in the order in which they did.
    arrivals: u64,
    pub(super) last_arrival_ms: u64,
    pub(super) last_record_ms: u64,
}

/// Where reading begins: the first position of each partition.
pub(crate) struct Starts {
    pub(crate) trades: Vec<u64>,
    pub(crate) metrics: Vec<u64>,
    pub(crate) wallets: Vec<u64>,
}

impl Live {
    /// The number of the change that arrives now.
    pub(super) fn arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    pub(super) fn starting_at(starts: &Starts) -> Self {
        Self {
            trades: starts.trades.iter().map(|start| Recent::starting_at(*start, MOST_TRADES)).collect(),
            trade_bytes: 0,
            metrics: starts.metrics.iter().map(|start| Recent::starting_at(*start, MOST_STATES)).collect(),
            wallets: starts.wallets.iter().map(|start| Recent::starting_at(*start, MOST_STATES)).collect(),
            progress: 0,
            arrivals: 0,
            last_arrival_ms: 0,
            last_record_ms: 0,
        }
    }

    /// The changes read since metrics' positions that a filter lets pass, and from where on changes are to be delivered.
    pub(super) fn trades_since(
        &self,
        folded: &Folded,
        filter: &Filter,
    ) -> Result<(Vec<u64>, Vec<Arc<TradeChange>>), Refused> {
        let mut from = Vec::with_capacity(self.trades.len());
        let mut after = vec![];
        for (partition, recent) in (0_u32..).zip(&self.trades) {
            let folded = folded.next(partition);
            let kept = recent.since(folded).ok_or(Refused::Behind)?;
            after.extend(kept.filter(|kept| kept.change.passes(filter)).map(|kept| Arc::clone(&kept.change)));
            from.push(recent.next().max(folded));
        }
        Ok((from, after))
    }
}

/// What arrived since; refused when some of it is forgotten already.
pub(super) fn since<T>(recent: &[Recent<Arc<T>>], before: &Before) -> Result<Vec<Arc<T>>, Refused> {
    let mut changes = vec![];
    for (recent, before) in recent.iter().zip(&before.0) {
        changes.extend(recent.since(*before).ok_or(Refused::Behind)?.map(|kept| Arc::clone(&kept.change)));
    }
    Ok(changes)
}

pub(super) fn nexts<T>(recent: &[Recent<T>]) -> Vec<u64> {
    recent.iter().map(Recent::next).collect()
}

pub(super) fn advance<T>(recent: &mut [Recent<T>], number: usize, next: u64) {
    if let Some(recent) = recent.get_mut(number) {
        recent.advance(next);
    }
}

/// The next positions, with one partition at another place.
pub(super) fn with<T>(recent: &[Recent<T>], partition: u32, next: u64) -> impl ExactSizeIterator<Item = u64> {
    let partition = partition as usize;
    recent.iter().enumerate().map(move |(at, recent)| if at == partition { next } else { recent.next() })
}
