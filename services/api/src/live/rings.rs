//! The updates that arrived lately, per channel and partition, and up to where each topic is read.

use super::channel::Channel;
use super::update::{Stamp, Update};
use crate::token;
use api_domain::{FoldedPositions, RecentChanges};

/// Trades kept per partition, and bytes of them in all, for clients that subscribe while metrics is behind.
const MAX_TRADES_PER_PARTITION: usize = 4_096;
const MAX_TRADE_BYTES: usize = 128 * 1024 * 1024;
/// States kept per partition, for the moment between a snapshot and its subscription, and for clients that resume.
const MAX_STATES_PER_PARTITION: usize = 512;
/// How long states are kept for clients that resume.
const STATES_KEPT_MS: u64 = 300_000;

/// Where reading begins: the first position of each partition.
pub(crate) struct StartPositions {
    /// Where the topic of progress ends now; it is read from its beginning.
    pub(crate) progress_end: u64,
    pub(crate) trades: Vec<u64>,
    pub(crate) metrics: Vec<u64>,
    pub(crate) wallets: Vec<u64>,
}

/// How many updates a ring keeps.
struct RingLimits {
    updates_per_partition: usize,
    bytes: usize,
    age_ms: Option<u64>,
}

/// The recent updates of one channel.
pub(super) struct Ring {
    partitions: Vec<RecentChanges<Update>>,
    bytes: usize,
    limits: RingLimits,
}

impl Ring {
    fn starting_at(starts: &[u64], limits: RingLimits) -> Self {
        let partition = |start: &u64| RecentChanges::starting_at(*start, limits.updates_per_partition);
        Self { partitions: starts.iter().map(partition).collect(), bytes: 0, limits }
    }

    /// Whether a position was not read before.
    pub(super) fn is_new(&self, partition: u32, position: u64) -> bool {
        self.partitions.get(partition as usize).is_some_and(|recent| position >= recent.next())
    }

    /// Adds the newest update of a partition and drops what is over the limits.
    pub(super) fn push(&mut self, partition: u32, position: u64, at_ms: u64, update: Update) {
        let Some(recent) = self.partitions.get_mut(partition as usize) else { return };
        let size = update.size_bytes();
        if !recent.push(position, at_ms, update) {
            return;
        }
        self.bytes += size;
        if let Some(age_ms) = self.limits.age_ms {
            let expired = recent.forget_expired(at_ms.saturating_sub(age_ms), u64::MAX);
            self.bytes -= expired.map_or(0, |update| update.size_bytes());
        }
        while self.bytes > self.limits.bytes || recent.len() > self.limits.updates_per_partition {
            let Some(oldest) = recent.forget_oldest() else { break };
            self.bytes -= oldest.size_bytes();
        }
    }

    /// Drops updates older than `before_ms` that metrics has folded: every later snapshot contains them.
    pub(super) fn forget_folded(&mut self, folded: &FoldedPositions, before_ms: u64) {
        for (partition, recent) in (0_u32..).zip(&mut self.partitions) {
            while let Some(expired) = recent.forget_expired(before_ms, folded.next(partition)) {
                self.bytes -= expired.size_bytes();
            }
        }
    }

    /// Records that a partition was read up to `next`.
    pub(super) fn advance(&mut self, partition: u32, next: u64) {
        if let Some(recent) = self.partitions.get_mut(partition as usize) {
            recent.advance(next);
        }
    }

    /// The updates at or after one position per partition; none when some of them are no longer kept.
    pub(super) fn since(&self, positions: &[u64]) -> Option<Vec<&Update>> {
        let mut updates = vec![];
        for (recent, position) in self.partitions.iter().zip(positions) {
            updates.extend(recent.since(*position)?.map(|kept| &kept.change));
        }
        Some(updates)
    }

    /// The next position of each partition.
    pub(super) fn next_positions(&self) -> Vec<u64> {
        self.partitions.iter().map(RecentChanges::next).collect()
    }

    /// The next positions once the record at `position` is delivered.
    fn next_positions_after(&self, partition: u32, position: u64) -> impl ExactSizeIterator<Item = u64> {
        let partition = partition as usize;
        let next = move |(index, recent): (usize, &RecentChanges<Update>)| {
            if index == partition { position + 1 } else { recent.next() }
        };
        self.partitions.iter().enumerate().map(next)
    }
}

/// The rings of all channels, since the log is being followed.
pub(super) struct Live {
    trades: Ring,
    metrics: Ring,
    wallets: Ring,
    chains: Ring,
    /// Holds nothing: what is watched has no positions.
    watched: Ring,
    /// Updates that arrived since the start.
    arrivals: u64,
    pub(super) last_arrival_ms: u64,
    pub(super) last_record_ms: u64,
}

impl Live {
    pub(super) fn starting_at(starts: &StartPositions) -> Self {
        let trades =
            RingLimits { updates_per_partition: MAX_TRADES_PER_PARTITION, bytes: MAX_TRADE_BYTES, age_ms: None };
        let states = || RingLimits {
            updates_per_partition: MAX_STATES_PER_PARTITION,
            bytes: usize::MAX,
            age_ms: Some(STATES_KEPT_MS),
        };
        // Of chains the hub keeps the newest states, so no update needs to be kept here.
        let none = || RingLimits { updates_per_partition: 0, bytes: usize::MAX, age_ms: None };
        Self {
            trades: Ring::starting_at(&starts.trades, trades),
            metrics: Ring::starting_at(&starts.metrics, states()),
            wallets: Ring::starting_at(&starts.wallets, states()),
            chains: Ring::starting_at(&[0], none()),
            watched: Ring::starting_at(&[0], none()),
            arrivals: 0,
            last_arrival_ms: 0,
            last_record_ms: 0,
        }
    }

    pub(super) fn ring(&self, channel: Channel) -> &Ring {
        match channel {
            Channel::Trades => &self.trades,
            Channel::Metrics => &self.metrics,
            Channel::Wallets => &self.wallets,
            Channel::Chains => &self.chains,
            Channel::Prices | Channel::Candles => &self.watched,
        }
    }

    pub(super) fn ring_mut(&mut self, channel: Channel) -> &mut Ring {
        match channel {
            Channel::Trades => &mut self.trades,
            Channel::Metrics => &mut self.metrics,
            Channel::Wallets => &mut self.wallets,
            Channel::Chains => &mut self.chains,
            Channel::Prices | Channel::Candles => &mut self.watched,
        }
    }

    /// Records that a partition of a channel's topic was read up to `next`. Resume tokens of chains name the last
    /// record exactly, so the positions of that channel move with records alone.
    pub(super) fn advance(&mut self, channel: Channel, partition: u32, next: u64) {
        if channel != Channel::Chains {
            self.ring_mut(channel).advance(partition, next);
        }
    }

    /// The number of what arrives now.
    pub(super) fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// The stamp of the record that arrives now.
    pub(super) fn stamp(&mut self, channel: Channel, partition: u32, position: u64) -> Stamp {
        let number = self.next_arrival();
        let next = self.ring(channel).next_positions_after(partition, position);
        Stamp { partition, position, number, at: token::resume_token(channel.letter(), next) }
    }

    /// How many trades were read here that metrics has not folded.
    pub(super) fn unfolded(&self, folded: &FoldedPositions) -> u64 {
        let partitions = (0_u32..).zip(&self.trades.partitions);
        partitions.map(|(partition, recent)| recent.next().saturating_sub(folded.next(partition))).sum()
    }
}
