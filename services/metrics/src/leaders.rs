//! Leaderboards: the first thousand by volume, profit and fees, per span of time, rebuilt every half minute.

use environment::with_causes;
use metrics_domain::Dollars;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tape::Unavailable;

/// Places on a board.
pub const MOST: usize = 1_000;
/// How often boards are rebuilt.
const EVERY: Duration = Duration::from_secs(30);
const HOUR_MS: u64 = 3_600_000;

/// A span of time up to now. Hours are those of the clock: 24 h are the current hour and the 23 before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// From the beginning.
    All,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
}

/// What a board is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Worth of valued swaps.
    Volume,
    /// Realized profit, before fees.
    Pnl,
    /// Platform fees paid.
    Fees,
}

/// One trader's figures in a span, over all chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Worth of valued swaps.
    pub volume: Dollars,
    /// Swaps, valued or not.
    pub swaps: i64,
    /// Platform fees.
    pub fees: Dollars,
    /// Realized, before fees.
    pub pnl: Dollars,
}

/// Where boards are kept.
pub trait Boards: Send + Sync {
    /// Rebuilds all boards as of a time; false when another instance is at it.
    fn rebuild(&self, now_ms: u64) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

impl Span {
    /// All spans.
    pub const ALL: [Self; 4] = [Self::All, Self::Day, Self::Week, Self::Month];

    /// Its name in tables and questions.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// The first and last hour of it; none where every hour counts.
    pub fn hours(self, now_ms: u64) -> Option<(u64, u64)> {
        let count = match self {
            Self::All => return None,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        };
        let now = now_ms / HOUR_MS;
        Some(((now + 1).saturating_sub(count), now))
    }
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 3] = [Self::Volume, Self::Pnl, Self::Fees];

    /// Its name in tables and questions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Pnl => "pnl",
            Self::Fees => "fees",
        }
    }

    /// The column it orders by.
    pub fn column(self) -> &'static str {
        match self {
            Self::Volume => "volume_usd",
            Self::Pnl => "realized_pnl_usd",
            Self::Fees => "fees_usd",
        }
    }

    fn of(self, figures: &Figures) -> &Dollars {
        match self {
            Self::Volume => &figures.volume,
            Self::Pnl => &figures.pnl,
            Self::Fees => &figures.fees,
        }
    }
}

/// A board: rank from 1, trader, figures; who has nothing of the measure is on none. Ties go by address.
pub(crate) fn ranked(sums: &HashMap<String, Figures>, measure: Measure) -> Vec<(u32, &str, &Figures)> {
    let mut board: Vec<(&str, &Figures)> = sums.iter().map(|(trader, figures)| (trader.as_str(), figures)).collect();
    board.retain(|(_, figures)| *measure.of(figures) != Dollars::ZERO);
    board.sort_by(|a, b| measure.of(b.1).cmp(measure.of(a.1)).then_with(|| a.0.cmp(b.0)));
    board.truncate(MOST);
    (1..).zip(board).map(|(rank, (trader, figures))| (rank, trader, figures)).collect()
}

/// Rebuilds the boards from time to time, for as long as the service runs.
pub async fn keep(boards: &impl Boards) {
    loop {
        match boards.rebuild(environment::now_ms()).await {
            Ok(done) => tracing::debug!(event = "leaders.rebuilt", done, "leaderboards rebuilt"),
            Err(error) => tracing::warn!(event = "leaders.delayed", error = %with_causes(&error), "failed to {error}"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_end_with_the_current_hour() {
        let now = 1_000 * HOUR_MS + 17;
        let hours = Span::ALL.map(|span| span.hours(now));
        assert_eq!(hours, [None, Some((977, 1_000)), Some((833, 1_000)), Some((281, 1_000))]);
        assert_eq!(Span::Month.hours(5 * HOUR_MS), Some((0, 5)));
    }

    #[test]
    fn boards_are_ordered_by_what_they_measure() {
        let figures = |volume: &str, pnl: &str| Figures {
            volume: volume.parse().unwrap(),
            pnl: pnl.parse().unwrap(),
            ..Figures::default()
        };
        let sums: HashMap<String, Figures> =
            [("ann", figures("5", "-1")), ("bob", figures("7", "0")), ("cat", figures("5", "2"))]
                .map(|(trader, figures)| (trader.to_owned(), figures))
                .into();
        let names = |measure| ranked(&sums, measure).into_iter().map(|(_, trader, _)| trader).collect::<Vec<_>>();
        assert_eq!(names(Measure::Volume), ["bob", "ann", "cat"]);
        assert_eq!(names(Measure::Pnl), ["cat", "ann"]);
        assert!(names(Measure::Fees).is_empty());
    }
}
