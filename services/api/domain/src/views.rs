//! The rows of the published views, and up to which position of the tape metrics has folded them.

use crate::balances::BalancePrices;
use crate::query::{StepKey, TradeKey, Walk};
use crate::worth::AssetPrice;
use std::collections::BTreeMap;
use tape::Usd;

/// Up to which position metrics has folded each partition; 0 for a partition that it has not started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoldedPositions(BTreeMap<u32, FoldedPosition>);

/// Up to which position metrics has folded one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoldedPosition {
    /// The next position it will read in the topic of live trades.
    pub next: u64,
    /// The sum of the next positions over all topics that it reads; its messages carry the same number.
    pub as_of: u64,
}

impl FoldedPositions {
    /// The next position metrics will read in a partition of the live trades.
    pub fn next(&self, partition: u32) -> u64 {
        self.folded(partition).next
    }

    /// How new the states of a partition's users are, on the scale of the `asOf` in metrics' messages.
    pub fn as_of(&self, partition: u32) -> u64 {
        self.folded(partition).as_of
    }

    /// How many partitions metrics has started.
    pub fn partitions(&self) -> usize {
        self.0.len()
    }

    fn folded(&self, partition: u32) -> FoldedPosition {
        self.0.get(&partition).copied().unwrap_or_default()
    }
}

impl FromIterator<(u32, FoldedPosition)> for FoldedPositions {
    fn from_iter<I: IntoIterator<Item = (u32, FoldedPosition)>>(positions: I) -> Self {
        Self(positions.into_iter().collect())
    }
}

/// One trade as metrics stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeRow {
    /// Its place in the order of all trades.
    pub key: TradeKey,
    /// Whether it is present.
    pub live: bool,
    /// The text of its published event, unchanged.
    pub payload: String,
}

const MILLION: i128 = 1_000_000;

/// Totals over a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Worth of all valued swaps.
    pub volume: Usd,
    /// The same by how sure the sides of the swaps are.
    pub by_confidence: ConfidenceVolumes,
    /// Swaps, valued or not.
    pub swaps: u64,
    /// Swaps without a valuation.
    pub unvalued: u64,
    /// Swaps with an implausible valuation, in no sum of amounts but the next.
    pub implausible: u64,
    /// What their valuations claim.
    pub implausible_usd: Usd,
    /// Arbitrage cycles.
    pub cycles: u64,
    /// Fees earned by platforms.
    pub fees: Usd,
    /// Realized before fees.
    pub realized: Usd,
    /// Realized after fees.
    pub realized_net: Usd,
    /// Proceeds of sales whose basis is known.
    pub proceeds: Usd,
    /// Proceeds of sales whose basis is unknown.
    pub without_basis: Usd,
    /// What had cost what was sold for cash without a worth.
    pub basis_without_proceeds: Usd,
    /// The part of the proceeds that may have been matched with units that the wallet no longer held.
    pub in_doubt: Usd,
    /// Whether an amount was too large and is cut to the largest.
    pub saturated: bool,
}

/// A volume by how sure the sides of its swaps are. What is of unknown confidence is the rest of the volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfidenceVolumes {
    /// Both sides are what moved.
    pub exact: Usd,
    /// A router's or an order's word alone tells a side.
    pub reported: Usd,
    /// A trace alone would tell a side, and there is none.
    pub estimated: Usd,
    /// A trace told a side.
    pub traced: Usd,
}

impl ConfidenceVolumes {
    /// The part of a volume that stands under no word.
    pub fn unknown(&self, volume: Usd) -> Usd {
        let known = [self.exact, self.reported, self.estimated, self.traced];
        known.into_iter().fold(volume, |rest, one| Usd(rest.0.saturating_sub(one.0)))
    }
}

/// How much of what was sold is known on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coverage {
    /// The known part of the whole, in millionths.
    pub millionths: u32,
}

impl Coverage {
    /// All of it.
    pub const FULL: Self = Self { millionths: 1_000_000 };
}

impl Totals {
    /// Of all that was sold, the part whose proceeds and basis are both known and in no doubt; none where nothing was
    /// sold.
    pub fn coverage(&self) -> Option<Coverage> {
        let all = [self.proceeds, self.without_basis, self.basis_without_proceeds];
        let all = all.into_iter().fold(0_i128, |sum, one| sum.saturating_add(one.0));
        let known = self.proceeds.0.saturating_sub(self.in_doubt.0).clamp(0, all.max(0));
        if all <= 0 {
            return None;
        }
        // The sum may exceed what an i128 holds times a million; the loss of some digits is far below a millionth.
        let (known, all) = if all > i128::MAX / MILLION { (known / MILLION, all / MILLION) } else { (known, all) };
        u32::try_from(known * MILLION / all).ok().map(|millionths| Coverage { millionths })
    }

    /// The sum of both. An amount that exceeds the largest is cut to it, and the sum says so.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut saturated = self.saturated || other.saturated;
        let mut add = |a: Usd, b: Usd| {
            saturated |= a.0.checked_add(b.0).is_none();
            Usd(a.0.saturating_add(b.0))
        };
        Self {
            volume: add(self.volume, other.volume),
            by_confidence: ConfidenceVolumes {
                exact: add(self.by_confidence.exact, other.by_confidence.exact),
                reported: add(self.by_confidence.reported, other.by_confidence.reported),
                estimated: add(self.by_confidence.estimated, other.by_confidence.estimated),
                traced: add(self.by_confidence.traced, other.by_confidence.traced),
            },
            fees: add(self.fees, other.fees),
            realized: add(self.realized, other.realized),
            realized_net: add(self.realized_net, other.realized_net),
            proceeds: add(self.proceeds, other.proceeds),
            without_basis: add(self.without_basis, other.without_basis),
            basis_without_proceeds: add(self.basis_without_proceeds, other.basis_without_proceeds),
            in_doubt: add(self.in_doubt, other.in_doubt),
            implausible_usd: add(self.implausible_usd, other.implausible_usd),
            swaps: self.swaps.saturating_add(other.swaps),
            unvalued: self.unvalued.saturating_add(other.unvalued),
            implausible: self.implausible.saturating_add(other.implausible),
            cycles: self.cycles.saturating_add(other.cycles),
            saturated,
        }
    }
}

/// One user's totals on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalsRow {
    /// Id of the chain.
    pub chain: String,
    /// Over the span of time that was asked for.
    pub totals: Totals,
}

/// One position: what a user holds of one asset.
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
    /// Proceeds of sales whose basis is known.
    pub proceeds: Usd,
    /// Proceeds of sales whose basis is unknown.
    pub without_basis: Usd,
    /// What had cost what was sold for cash without a worth.
    pub basis_without_proceeds: Usd,
    /// How much of what is held by its trades the wallet does not hold, smallest units; none where it holds all of it, as
    /// far as is known.
    pub held_elsewhere: Option<String>,
    /// The price of the asset, where a trade says.
    pub price: Option<AssetPrice>,
}

/// The rules by which metrics keeps its book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookRules {
    /// How the cost of what is sold is found.
    pub method: String,
    /// The native assets that have positions, as (chain, asset); with none, all that trades mark as quote is cash.
    pub natives: Vec<(String, String)>,
    /// The largest plausible worth of a trade, in dollars.
    pub max_notional: String,
}

/// One point of a user's history: what happened in a stretch of hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPoint {
    /// The first hour of the stretch, since 1970-01-01 00:00, UTC.
    pub hour: u64,
    /// What happened in it, over all chains asked for.
    pub totals: Totals,
}

/// A day's fees of one user for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeRow {
    /// Days since 1970-01-01, UTC.
    pub day: u64,
    /// Id of the chain; empty where they are added up over chains.
    pub chain: String,
    /// The platform; empty where the trades name none.
    pub platform: String,
    /// Trades that carry a fee.
    pub trades: u64,
    /// Their fees.
    pub fees: Usd,
}

/// One place on a leaderboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderRow {
    /// From 1.
    pub rank: u32,
    /// Address of the trader.
    pub trader: String,
    /// The figures that stand on the board; the others are zero.
    pub totals: Totals,
    /// What of the volume of each hour stays.
    pub net_volume: Usd,
    /// Volume that went there and back, or through pools in which nobody else trades.
    pub wash: Usd,
    /// Distinct pools it ever traded through.
    pub counterparties: u64,
    /// When the leaderboard was built, milliseconds since the Unix epoch.
    pub built_at: u64,
}

/// One trade of a position and its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionStep {
    /// Its place in the order of the position's trades.
    pub key: StepKey,
    /// Its number among the position's trades in folding order, from 1.
    pub number: u64,
    /// Whether the asset was sold; otherwise it was bought.
    pub sale: bool,
    /// How much of it, smallest units.
    pub quantity: String,
    /// Worth of the trade.
    pub worth: Option<Usd>,
    /// What a sale realized; none for a purchase, or without a worth.
    pub realized: Option<Usd>,
    /// What a sale brought in of unknown basis.
    pub without_basis: Option<Usd>,
    /// What had cost what a sale without a worth took; of a purchase without a worth, the basis that it took over.
    pub released: Option<Usd>,
    /// The lots a sale took from, as JSON; none where the method keeps no lots.
    pub taken: Option<String>,
    /// Held afterwards with a known basis.
    pub quantity_after: String,
    /// Held afterwards with an unknown basis.
    pub unknown_after: String,
    /// What the known part cost.
    pub basis_after: Usd,
}

/// A position and one page of the trades its figures are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedPosition {
    /// How the cost of what is sold is found.
    pub method: String,
    /// The position as it is now.
    pub position: PositionRow,
    /// Oldest first.
    pub steps: Walk<PositionStep, StepKey>,
}

/// A tracked wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletRow {
    /// Id of the chain.
    pub chain: String,
    /// The provider of its balances; none before the first snapshot.
    pub provider: Option<String>,
    /// When the newest snapshot was taken, milliseconds since the Unix epoch; none before the first.
    pub taken_at: Option<u64>,
    /// The height that the balances are of, where the provider tells it.
    pub as_of: Option<u64>,
    /// How many rows of the provider's response were left out, because it could not tell them.
    pub left_out: u32,
    /// Why the first of them.
    pub left_out_reason: Option<String>,
    /// Failed refreshes since the last that succeeded.
    pub failures: u32,
    /// Why the last of them failed.
    pub failure: Option<String>,
    /// When the provider is asked again, milliseconds since the Unix epoch; none where the wallet is given up until it trades.
    pub retry_at: Option<u64>,
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
    /// Whether a provider calls it spam; none where none has told.
    pub spam: Option<bool>,
    /// Whether a provider calls its contract verified; none where none has told.
    pub verified: Option<bool>,
    /// The provider that reported it.
    pub provider: String,
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub taken_at: u64,
    /// The sum of the live trades at that time; none before portfolio has reconciled it.
    pub net: Option<String>,
    /// Balance less net.
    pub drift: Option<String>,
    /// The provider could not tell it in the newest snapshot: the amount is the last one that was told.
    pub kept: bool,
    /// The height that it is of, where the provider tells it.
    pub as_of: Option<u64>,
    /// What is said of the price of its asset.
    pub prices: BalancePrices,
}

/// The drift of one balance: how far it differs from the sum of the wallet's trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftRow {
    /// Id of the chain.
    pub chain: String,
    /// The asset.
    pub asset: String,
    /// Ticker.
    pub symbol: Option<String>,
    /// Fractional digits.
    pub decimals: Option<u8>,
    /// The balance the provider reports, smallest units.
    pub balance: String,
    /// The sum of the live trades.
    pub net: String,
    /// Balance less net.
    pub drift: String,
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub taken_at: u64,
}

/// One user's metrics at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserState {
    /// Up to which positions trades are folded in.
    pub folded: FoldedPositions,
    /// Per chain.
    pub totals: Vec<TotalsRow>,
    /// By chain and asset.
    pub positions: Vec<PositionRow>,
}

/// One user's balances at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletState {
    /// Per chain.
    pub wallets: Vec<WalletRow>,
    /// By chain and asset.
    pub balances: Vec<BalanceRow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_exactly_or_say_that_they_do_not() {
        let one = Totals { volume: Usd(1), swaps: 2, realized: Usd(-5), ..Totals::default() };
        let sum = Totals { volume: Usd(2), swaps: 4, realized: Usd(-10), ..Totals::default() };
        assert_eq!(one.plus(&one), sum);
        let largest = Totals { volume: Usd(i128::MAX), ..Totals::default() };
        let cut = largest.plus(&one);
        assert_eq!((cut.volume, cut.swaps, cut.saturated), (Usd(i128::MAX), 2, true));
        assert!(cut.plus(&one).saturated && !sum.saturated);
    }

    #[test]
    fn coverage_is_the_part_that_is_known_on_both_sides() {
        for ([proceeds, without_basis, basis_without_proceeds, in_doubt], expected) in [
            ([0, 0, 0, 0], None),
            ([3, 1, 0, 0], Some(750_000)),
            ([3, 0, 1, 0], Some(750_000)),
            ([0, 0, 9, 0], Some(0)),
            ([4, 0, 0, 1], Some(750_000)),
            ([4, 0, 0, 4], Some(0)),
            ([4, 0, 0, 0], Some(1_000_000)),
            ([i128::MAX / 2, i128::MAX / 2, 0, 0], Some(500_000)),
            ([i128::MAX, i128::MAX, i128::MAX, i128::MAX], Some(0)),
        ] {
            let [proceeds, without_basis] = [proceeds, without_basis].map(Usd);
            let [basis_without_proceeds, in_doubt] = [basis_without_proceeds, in_doubt].map(Usd);
            let totals = Totals { proceeds, without_basis, basis_without_proceeds, in_doubt, ..Totals::default() };
            assert_eq!(totals.coverage().map(|coverage| coverage.millionths), expected, "{totals:?}");
        }
    }

    #[test]
    fn a_partition_not_started_is_at_zero() {
        let folded: FoldedPositions = [(3, FoldedPosition { next: 17, as_of: 20 })].into_iter().collect();
        assert_eq!((folded.next(3), folded.next(4)), (17, 0));
    }
}
