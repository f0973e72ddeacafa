//! What is answered: rows as the published views hold them, and how far they are folded.

use crate::query::TradeKey;
use std::collections::BTreeMap;
use tape::Usd;

/// Up to where metrics has folded the trades log: the next position per partition, 0 where it never began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded(BTreeMap<u32, u64>);

impl Folded {
    /// The next position metrics will read of a partition.
    pub fn next(&self, partition: u32) -> u64 {
        self.0.get(&partition).copied().unwrap_or(0)
    }

    /// How many partitions metrics has begun.
    pub fn partitions(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<(u32, u64)> for Folded {
    fn from_iter<I: IntoIterator<Item = (u32, u64)>>(positions: I) -> Self {
        Self(positions.into_iter().collect())
    }
}

/// One trade as metrics keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeRow {
    /// Where it stands among all trades.
    pub key: TradeKey,
    /// Whether it is present.
    pub live: bool,
    /// Its published event, as it travelled.
    pub payload: String,
}

/// Totals over all time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Worth of all valued swaps.
    pub volume: Usd,
    /// Swaps, valued or not.
    pub swaps: u64,
    /// Swaps without a valuation.
    pub unvalued: u64,
    /// Arbitrage cycles.
    pub cycles: u64,
    /// Fees earned by platforms.
    pub fees: Usd,
    /// Realized before fees.
    pub realized: Usd,
    /// Realized after fees.
    pub realized_net: Usd,
    /// Proceeds of sales whose basis is unknown.
    pub without_basis: Usd,
}

impl Totals {
    /// Both together; none where dollars overflow.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let add = |a: Usd, b: Usd| a.0.checked_add(b.0).map(Usd);
        Some(Self {
            volume: add(self.volume, other.volume)?,
            swaps: self.swaps.checked_add(other.swaps)?,
            unvalued: self.unvalued.checked_add(other.unvalued)?,
            cycles: self.cycles.checked_add(other.cycles)?,
            fees: add(self.fees, other.fees)?,
            realized: add(self.realized, other.realized)?,
            realized_net: add(self.realized_net, other.realized_net)?,
            without_basis: add(self.without_basis, other.without_basis)?,
        })
    }
}

/// One user's totals on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalsRow {
    /// Id of the chain.
    pub chain: String,
    /// Over all time.
    pub totals: Totals,
}

/// One position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRow {
    /// Id of the chain.
    pub chain: String,
    /// The asset.
    pub asset: String,
    /// Ticker.
    pub symbol: Option<String>,
    /// Fractional digits.
    pub decimals: Option<u8>,
    /// Held with a known basis, smallest units.
    pub quantity: String,
    /// Held with an unknown basis, smallest units.
    pub unknown_quantity: String,
    /// What the known part cost.
    pub basis: Usd,
    /// Realized on this asset.
    pub realized: Usd,
    /// Proceeds of sales whose basis is unknown.
    pub without_basis: Usd,
}

/// A wallet whose balances are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Id of the chain.
    pub chain: String,
    /// Who says what it holds; none before the first snapshot.
    pub provider: Option<String>,
    /// When the newest snapshot was taken, milliseconds since the Unix epoch; none before the first.
    pub taken_at: Option<u64>,
}

/// One balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceRow {
    /// Id of the chain.
    pub chain: String,
    /// The asset.
    pub asset: String,
    /// Ticker.
    pub symbol: Option<String>,
    /// Fractional digits.
    pub decimals: Option<u8>,
    /// Smallest units.
    pub raw: String,
    /// Whether the provider calls it spam.
    pub spam: bool,
    /// Who says so.
    pub provider: String,
    /// When, milliseconds since the Unix epoch.
    pub taken_at: u64,
}

/// One user's metrics at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserState {
    /// Up to where trades are folded in.
    pub folded: Folded,
    /// Per chain.
    pub totals: Vec<TotalsRow>,
    /// By chain and asset.
    pub positions: Vec<PositionRow>,
}

/// One user's balances at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletState {
    /// Per chain.
    pub wallets: Vec<Wallet>,
    /// By chain and asset.
    pub balances: Vec<BalanceRow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_exactly_or_not_at_all() {
        let one = Totals { volume: Usd(1), swaps: 2, realized: Usd(-5), ..Totals::default() };
        let sum = one.plus(&one);
        assert_eq!(sum, Some(Totals { volume: Usd(2), swaps: 4, realized: Usd(-10), ..Totals::default() }));
        let most = Totals { volume: Usd(i128::MAX), ..Totals::default() };
        assert_eq!(most.plus(&one), None);
    }

    #[test]
    fn a_partition_never_begun_starts_at_zero() {
        let folded: Folded = [(3, 17)].into_iter().collect();
        assert_eq!((folded.next(3), folded.next(4)), (17, 0));
    }
}
