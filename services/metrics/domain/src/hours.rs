//! What a batch adds to the hours of a user and to the daily fees. Windows and daily earnings are sums of these.

use crate::amounts::Dollars;
use crate::changes::ResolvedChange;
use crate::confidence::ConfidenceVolumes;
use crate::entry::{Entry, UserKey};
use crate::holding::Realized;
use std::collections::BTreeMap;

/// One user's hour.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HourKey {
    /// Whose.
    pub user: UserKey,
    /// Hours since 1970-01-01 00:00, UTC, of the block.
    pub hour: u64,
}

/// What is added to an hour. What a trade realizes counts in the hour of that trade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HourDelta {
    /// Worth of valued swaps.
    pub volume: Dollars,
    /// The same by how sure the sides of the swaps are.
    pub by_confidence: ConfidenceVolumes,
    /// Swaps, valued or not.
    pub swaps: i64,
    /// Swaps without a valuation.
    pub unvalued: i64,
    /// Swaps with an implausible valuation; they are in no sum of amounts but the next.
    pub implausible: i64,
    /// What their valuations claim.
    pub implausible_usd: Dollars,
    /// Cycles; in no other figure.
    pub cycles: i64,
    /// Platform fees.
    pub fees: Dollars,
    /// Realized before fees, and proceeds.
    pub realized: Realized,
}

/// The fees that one user paid to one platform on one day.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeeKey {
    /// Who paid.
    pub user: UserKey,
    /// Which platform earned them; empty where the trade names none.
    pub platform: String,
    /// Days since 1970-01-01, UTC.
    pub day: u64,
}

/// What is added to the fees of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeeDelta {
    /// Their worth.
    pub usd: Dollars,
    /// How many trades carry a fee.
    pub trades: i64,
}

/// What a batch adds to the hours of one user, by hour.
#[derive(Debug)]
pub(crate) struct Hours<'a> {
    user: &'a UserKey,
    deltas: BTreeMap<u64, HourDelta>,
}

impl HourDelta {
    /// Adds other figures.
    pub fn add(&mut self, other: &Self) {
        self.volume += &other.volume;
        self.by_confidence.add(&other.by_confidence);
        self.swaps += other.swaps;
        self.unvalued += other.unvalued;
        self.implausible += other.implausible;
        self.implausible_usd += &other.implausible_usd;
        self.cycles += other.cycles;
        self.fees += &other.fees;
        self.realized.add(&other.realized);
    }

    /// Whether no trade is left in the hour; then no amount is left either.
    pub fn is_empty(&self) -> bool {
        self.swaps == 0 && self.cycles == 0
    }

    fn count(&mut self, entry: &Entry, sign: i64) {
        if entry.cycle {
            self.cycles += sign;
            return;
        }
        self.swaps += sign;
        let money = |to: &mut Dollars, usd: &Dollars| if sign > 0 { *to += usd } else { *to -= usd };
        match (&entry.notional, &entry.implausible) {
            (Some(notional), _) => {
                money(&mut self.volume, notional);
                if let Some(amount) = self.by_confidence.amount_mut(entry.confidence) {
                    money(amount, notional);
                }
            }
            (None, Some(claimed)) => {
                self.implausible += sign;
                money(&mut self.implausible_usd, claimed);
            }
            (None, None) => self.unvalued += sign,
        }
        if let Some(fee) = &entry.fee {
            money(&mut self.fees, fee);
        }
    }
}

impl<'a> Hours<'a> {
    /// Counts the changes of a user by hour; the fold adds what they realize.
    pub(crate) fn from_changes(user: &'a UserKey, changes: &[(usize, &ResolvedChange)]) -> Self {
        let mut hours = Self { user, deltas: BTreeMap::new() };
        for (_, change) in changes {
            if let Some(previous) = change.removed() {
                hours.at(&previous.entry).count(&previous.entry, -1);
            }
            if let Some(entry) = change.added() {
                hours.at(entry).count(entry, 1);
            }
        }
        hours
    }

    /// What is added to the hour of a trade.
    pub(crate) fn at(&mut self, entry: &Entry) -> &mut HourDelta {
        self.deltas.entry(entry.hour()).or_default()
    }

    /// The hours that change, in order.
    pub(crate) fn into_deltas(self) -> impl Iterator<Item = (HourKey, HourDelta)> {
        let deltas = self.deltas.into_iter().filter(|(_, delta)| *delta != HourDelta::default());
        deltas.map(|(hour, delta)| (HourKey { user: self.user.clone(), hour }, delta))
    }
}

/// What a batch adds to each day's fees of a user.
pub(crate) fn fee_deltas(
    user: &UserKey,
    changes: &[(usize, &ResolvedChange)],
) -> impl Iterator<Item = (FeeKey, FeeDelta)> {
    let mut fees: BTreeMap<(&str, u64), FeeDelta> = BTreeMap::new();
    for (_, change) in changes {
        if let Some((day, fee)) = change.removed().and_then(|previous| fee_of_trade(&previous.entry)) {
            let day = fees.entry(day).or_default();
            day.usd -= fee;
            day.trades -= 1;
        }
        if let Some((day, fee)) = change.added().and_then(fee_of_trade) {
            let day = fees.entry(day).or_default();
            day.usd += fee;
            day.trades += 1;
        }
    }
    let deltas = fees.into_iter().filter(|(_, delta)| *delta != FeeDelta::default());
    deltas.map(|((platform, day), delta)| (FeeKey { user: user.clone(), platform: platform.to_owned(), day }, delta))
}

/// The platform and the day that a trade pays a fee to, and the fee.
fn fee_of_trade(entry: &Entry) -> Option<((&str, u64), &Dollars)> {
    let fee = entry.fee.as_ref().filter(|_| !entry.cycle)?;
    Some(((entry.platform.as_deref().unwrap_or_default(), entry.day()), fee))
}
