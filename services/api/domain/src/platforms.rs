//! Platforms: what they are used for and what they earn, in all, by day, by asset and by user.

use tape::Usd;

/// What a platform was used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlatformFigures {
    /// Addresses that traded through it.
    pub users: u64,
    /// Swaps, valued or not.
    pub swaps: u64,
    /// Swaps without a valuation.
    pub unvalued: u64,
    /// Worth of valued swaps.
    pub volume: Usd,
    /// What it earned.
    pub fees: Usd,
    /// Whether an amount was too large and is cut to the largest.
    pub saturated: bool,
}

/// One platform, over all time and chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformRow {
    /// Its name.
    pub platform: String,
    /// What it was used for.
    pub figures: PlatformFigures,
}

/// A day of a platform on a chain, in all or with one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformDayRow {
    /// Days since 1970-01-01, UTC.
    pub day: u64,
    /// Id of the chain.
    pub chain: String,
    /// The asset that was sold or bought; empty for all trades, each counted once.
    pub asset: String,
    /// What the platform was used for.
    pub figures: PlatformFigures,
}

/// What one user used a platform for on a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPlatformRow {
    /// The platform's name.
    pub platform: String,
    /// Id of the chain.
    pub chain: String,
    /// What it was used for.
    pub figures: PlatformFigures,
}

/// One place on the leaderboard of a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformLeaderRow {
    /// From 1.
    pub rank: u32,
    /// Address of the trader.
    pub trader: String,
    /// What it used the platform for.
    pub figures: PlatformFigures,
    /// When the board was built, milliseconds since the Unix epoch.
    pub built_at: u64,
}

impl PlatformFigures {
    /// Both; the larger count of users, for these cannot be added.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut saturated = self.saturated || other.saturated;
        let mut sum = |a: Usd, b: Usd| {
            let (sum, cut) = a.0.overflowing_add(b.0);
            saturated |= cut;
            Usd(if cut { i128::MAX } else { sum })
        };
        let (volume, fees) = (sum(self.volume, other.volume), sum(self.fees, other.fees));
        Self {
            users: self.users.max(other.users),
            swaps: self.swaps + other.swaps,
            unvalued: self.unvalued + other.unvalued,
            volume,
            fees,
            saturated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_cut_and_said() {
        let most = PlatformFigures { users: 1, swaps: 2, volume: Usd(i128::MAX), fees: Usd(1), ..Default::default() };
        let sum = most.plus(&PlatformFigures { users: 1, volume: Usd(1), ..most });
        assert_eq!((sum.users, sum.swaps, sum.volume, sum.fees, sum.saturated), (1, 4, Usd(i128::MAX), Usd(2), true));
        assert!(!PlatformFigures::default().plus(&most).saturated);
    }
}
