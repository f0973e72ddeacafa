//! What either database has in common in calculating flows: the hours to calculate, and the rows that come of it.

use metrics_domain::{Dollars, HourFlows, PlatformFigures, PlatformKey, UserKey};
use std::collections::BTreeMap;

/// Hours whose flows are calculated in one transaction.
pub(crate) const MAX_HOURS_AT_ONCE: u32 = 2_000;
/// Trades read for them, unless one hour alone has more: they are held in memory.
const MAX_TRADES_AT_ONCE: i64 = 100_000;
/// Transactions of one rebuilding, after which the leaderboards are built with what is there: while a tape is folded from
/// its beginning, hours change faster than they are calculated.
pub(crate) const MAX_REFRESHES: u32 = 50;

/// An hour of one user whose trades have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedHour {
    /// Whose.
    pub(crate) user: UserKey,
    /// Hours since 1970-01-01 00:00, UTC.
    pub(crate) hour: u64,
    /// How often it had changed when that was read.
    pub(crate) changes: i64,
}

/// Trader, chain, hour, changes, and how many swaps the hour has.
pub(crate) type ChangedHourRow = (String, String, i64, i64, i64);

/// Selects [`ChangedHourRow`]s; a limit follows.
pub(crate) const SELECT_CHANGED_HOURS: &str = "
    SELECT c.trader, c.chain, c.hour, c.changes, coalesce(h.swaps, 0) FROM leader_changes c
    LEFT JOIN user_hours h ON h.trader = c.trader AND h.chain = c.chain AND h.hour = c.hour LIMIT ";

/// As many of these hours, from the first on, as may be calculated at once.
pub(crate) fn hours_at_once(rows: Vec<ChangedHourRow>) -> Vec<ChangedHour> {
    let mut trades: i64 = 0;
    let fits = rows.iter().position(|row| {
        trades = trades.saturating_add(row.4);
        trades > MAX_TRADES_AT_ONCE
    });
    let count = fits.map_or(rows.len(), |at| at.max(1));
    let hour = |(trader, chain, hour, changes, _): ChangedHourRow| ChangedHour {
        user: UserKey { trader: trader.into(), chain: chain.into() },
        hour: hour.cast_unsigned(),
        changes,
    };
    rows.into_iter().take(count).map(hour).collect()
}

/// What one user traded through one pool in one hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolHour<'a> {
    pub(crate) chain: &'a str,
    pub(crate) pool: &'a str,
    pub(crate) trader: &'a str,
    pub(crate) hour: u64,
    pub(crate) volume: &'a Dollars,
}

/// The pools of these hours.
pub(crate) fn pool_hours<'a>(hours: &'a [ChangedHour], flows: &'a [HourFlows]) -> impl Iterator<Item = PoolHour<'a>> {
    hours.iter().zip(flows).flat_map(|(hour, flows)| {
        flows.pools.iter().map(|(pool, volume)| PoolHour {
            chain: &hour.user.chain,
            pool,
            trader: &hour.user.trader,
            hour: hour.hour,
            volume,
        })
    })
}

/// What one user did through one platform in one hour, in all or with one asset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlatformHour<'a> {
    pub(crate) hour: &'a ChangedHour,
    pub(crate) key: &'a PlatformKey,
    pub(crate) figures: &'a PlatformFigures,
}

/// The platforms of these hours.
pub(crate) fn platform_hours<'a>(
    hours: &'a [ChangedHour],
    figures: &'a [BTreeMap<PlatformKey, PlatformFigures>],
) -> impl Iterator<Item = PlatformHour<'a>> {
    hours
        .iter()
        .zip(figures)
        .flat_map(|(hour, of_hour)| of_hour.iter().map(move |(key, figures)| PlatformHour { hour, key, figures }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_taken_until_their_trades_are_many() {
        for (swaps, taken) in [
            (&[][..], 0),
            (&[5, 5, 5], 3),
            (&[MAX_TRADES_AT_ONCE, 0, 1, 5], 2),
            (&[MAX_TRADES_AT_ONCE + 1, 5], 1),
            (&[i64::MAX, i64::MAX], 1),
        ] {
            let row = |swaps: &i64| (String::new(), String::new(), 1, 1, *swaps);
            assert_eq!(hours_at_once(swaps.iter().map(row).collect()).len(), taken, "{swaps:?}");
        }
    }
}
