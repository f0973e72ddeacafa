//! Leaderboards: the first thousand traders by volume, net volume, PnL and fees in each span of time, rebuilt every 30
//! seconds, and sooner while a service has just begun to fold. Before that the flows of the hours that changed are
//! calculated again, and with them what platforms were used for.

use environment::with_causes;
use metrics_domain::{Dollars, Realized};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tape::Unavailable;
use tokio::time::Instant;

/// Traders on one leaderboard.
pub const MAX_LEADERS: usize = 1_000;
/// How often the leaderboards are rebuilt.
const REBUILD_INTERVAL: Duration = Duration::from_secs(30);
/// How soon they are rebuilt after the first commit of this process; each later pause is twice the one before it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether there was a first commit.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const HOUR_MS: u64 = 3_600_000;

/// A span of time in whole hours of the clock: 24 h are the current hour and the 23 before, and whatever is later still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderSpan {
    /// From the beginning.
    All,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
}

/// The figure that a leaderboard is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderMeasure {
    /// The worth of valued swaps, ranked without what is counted apart as wash.
    Volume,
    /// What of the volume of each hour stays.
    NetVolume,
    /// Realized PnL before fees.
    Pnl,
    /// Platform fees paid.
    Fees,
}

/// The figures of one trader in a span, over all chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraderFigures {
    /// Worth of valued swaps.
    pub volume: Dollars,
    /// Swaps, valued or not.
    pub swaps: i64,
    /// Platform fees.
    pub fees: Dollars,
    /// Realized PnL before fees, and what its coverage is calculated from.
    pub realized: Realized,
    /// Swaps with an implausible valuation, in no other sum.
    pub implausible: i64,
    /// What their valuations claim.
    pub implausible_usd: Dollars,
    /// What of the volume of each hour stays.
    pub net_volume: Dollars,
    /// Volume that went there and back, or through pools in which nobody else trades.
    pub wash: Dollars,
    /// Distinct pools it ever traded through.
    pub counterparties: i64,
}

/// A store of leaderboards.
pub trait Leaderboards: Send + Sync {
    /// Rebuilds all leaderboards as of a time; returns false when another instance is rebuilding them.
    fn rebuild(&self, now_ms: u64) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// All spans.
pub const LEADER_SPANS: [LeaderSpan; 4] = [LeaderSpan::All, LeaderSpan::Day, LeaderSpan::Week, LeaderSpan::Month];
/// The measures that platforms' boards have: a user's profit has no platform.
pub const PLATFORM_MEASURES: [LeaderMeasure; 2] = [LeaderMeasure::Volume, LeaderMeasure::Fees];
/// All measures.
pub const LEADER_MEASURES: [LeaderMeasure; 4] =
    [LeaderMeasure::Volume, LeaderMeasure::NetVolume, LeaderMeasure::Pnl, LeaderMeasure::Fees];

impl LeaderSpan {
    /// Its name in tables and requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Its first hour; none where every hour counts. It has no last one: what a chain says will happen has happened, so a
    /// trade whose block time lies in the reader's future is in every span.
    pub fn first_hour(self, now_ms: u64) -> Option<u64> {
        let count = match self {
            Self::All => return None,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        };
        Some((now_ms / HOUR_MS + 1).saturating_sub(count))
    }
}

impl LeaderMeasure {
    /// Its name in tables and requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::NetVolume => "netVolume",
            Self::Pnl => "pnl",
            Self::Fees => "fees",
        }
    }

    /// The column that holds it; who has none of it is left out.
    pub fn column(self) -> &'static str {
        match self {
            Self::Volume => "volume_usd",
            Self::NetVolume => "net_volume_usd",
            Self::Pnl => "realized_pnl_usd",
            Self::Fees => "fees_usd",
        }
    }

    /// What it orders by, as SQL: volume counts without wash, but who has washed only is not left out.
    pub fn order(self) -> &'static str {
        match self {
            Self::Volume => "(volume_usd - wash_usd)",
            other => other.column(),
        }
    }

    fn figure_of(self, figures: &TraderFigures) -> &Dollars {
        match self {
            Self::Volume => &figures.volume,
            Self::NetVolume => &figures.net_volume,
            Self::Pnl => &figures.realized.pnl,
            Self::Fees => &figures.fees,
        }
    }

    fn ranked_figure(self, figures: &TraderFigures) -> Dollars {
        match self {
            Self::Volume => &figures.volume - &figures.wash,
            other => other.figure_of(figures).clone(),
        }
    }
}

/// One leaderboard: rank from 1, trader, figures. Traders whose figure is zero are left out; ties are ordered by
/// address.
pub(crate) fn rank_traders(
    sums: &HashMap<String, TraderFigures>,
    measure: LeaderMeasure,
) -> Vec<(u32, &str, &TraderFigures)> {
    let mut leaders: Vec<(&str, &TraderFigures)> =
        sums.iter().map(|(trader, figures)| (trader.as_str(), figures)).collect();
    leaders.retain(|(_, figures)| *measure.figure_of(figures) != Dollars::ZERO);
    leaders.sort_by_cached_key(|(trader, figures)| (Reverse(measure.ranked_figure(figures)), *trader));
    leaders.truncate(MAX_LEADERS);
    (1..).zip(leaders).map(|(rank, (trader, figures))| (rank, trader, figures)).collect()
}

/// Rebuilds the leaderboards regularly, for as long as the service runs; `commits` counts what is folded. After the first
/// commit the pauses begin short, so that a book that was empty at the start has boards and platforms within seconds.
pub(crate) async fn rebuild_regularly(leaderboards: &impl Leaderboards, commits: impl Fn() -> u64 + Send) {
    let mut pause = None;
    loop {
        match leaderboards.rebuild(environment::now_ms()).await {
            Ok(done) => tracing::debug!(event = "leaders.rebuilt", done, "leaderboards rebuilt"),
            Err(error) => tracing::warn!(event = "leaders.delayed", error = %with_causes(&error), "failed to {error}"),
        }
        if pause.is_some() || wait_for_first_commit(&commits).await {
            let next = next_pause(pause);
            tokio::time::sleep(next).await;
            pause = Some(next);
        }
    }
}

/// The pause after the first commit, and after each pause the next one.
fn next_pause(before: Option<Duration>) -> Duration {
    before.map_or(FIRST_PAUSE, |before| REBUILD_INTERVAL.min(before * 2))
}

/// Waits for a first commit, but no longer than to the next regular rebuilding; whether there was one.
async fn wait_for_first_commit(commits: &impl Fn() -> u64) -> bool {
    let until = Instant::now() + REBUILD_INTERVAL;
    while commits() == 0 && Instant::now() < until {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    commits() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_short_and_end_at_the_regular_one() {
        let pauses = (0..7).scan(None, |pause, _| {
            *pause = Some(next_pause(*pause));
            *pause
        });
        let seconds: Vec<u64> = pauses.map(|pause| pause.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn spans_count_the_current_hour() {
        let now = 1_000 * HOUR_MS + 17;
        let hours = LEADER_SPANS.map(|span| span.first_hour(now));
        assert_eq!(hours, [None, Some(977), Some(833), Some(281)]);
        assert_eq!(LeaderSpan::Month.first_hour(5 * HOUR_MS), Some(0));
    }

    #[test]
    fn leaderboards_are_ordered_by_what_they_measure() {
        let figures = |volume: &str, pnl: &str| TraderFigures {
            volume: volume.parse().unwrap(),
            realized: Realized { pnl: pnl.parse().unwrap(), ..Realized::default() },
            ..TraderFigures::default()
        };
        let sums: HashMap<String, TraderFigures> =
            [("ann", figures("5", "-1")), ("bob", figures("7", "0")), ("cat", figures("5", "2"))]
                .map(|(trader, figures)| (trader.to_owned(), figures))
                .into();
        let names = |measure| rank_traders(&sums, measure).into_iter().map(|(_, trader, _)| trader).collect::<Vec<_>>();
        assert_eq!(names(LeaderMeasure::Volume), ["bob", "ann", "cat"]);
        assert_eq!(names(LeaderMeasure::Pnl), ["cat", "ann"]);
        assert!(names(LeaderMeasure::Fees).is_empty());
        let mut sums = sums;
        sums.get_mut("bob").unwrap().wash = "7".parse().unwrap();
        let by_volume = rank_traders(&sums, LeaderMeasure::Volume);
        let names: Vec<&str> = by_volume.into_iter().map(|(_, trader, _)| trader).collect();
        assert_eq!(names, ["ann", "cat", "bob"], "wash does not rank, and is not dropped");
    }
}
