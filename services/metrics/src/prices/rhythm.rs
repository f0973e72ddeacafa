//! When prices are refreshed: what is newest every second, the past as far as folding leaves the database to it.

use super::Prices;
use environment::with_causes;
use metrics_domain::PriceRules;
use std::time::{Duration, Instant};

/// How long to wait between two refreshes at least, unless there is more to do.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// While trades are folded, refreshing leaves the database to that for so many times as long as it took.
const REST_PER_WORK: u32 = 4;
/// The same for what is not of the newest minutes: while the tape is being read from before, it is soon to be calculated again.
const REST_PER_PAST_WORK: u32 = 19;
/// More changed minutes than the heads of chains have: the tape is being read from before.
const MAX_MINUTES_AT_HEADS: usize = 100;

/// Refreshes prices and candles again and again, for as long as the service runs; `commits` counts what is folded.
pub async fn refresh_regularly(prices: &impl Prices, rules: &PriceRules, commits: impl Fn() -> u64 + Send) {
    let (mut commits_before, mut past_from) = (0, Instant::now());
    loop {
        let begun = Instant::now();
        let counted = commits();
        let is_folding = counted != commits_before;
        commits_before = counted;
        let with_past = !is_folding || begun >= past_from;
        let refreshed = if with_past { prices.refresh(rules).await } else { prices.refresh_newest(rules).await };
        let minutes = refreshed.unwrap_or_else(|error| {
            tracing::warn!(event = "prices.delayed", error = %with_causes(&error), "failed to {error}; trying again");
            0
        });
        if minutes > 0 {
            tracing::debug!(event = "prices.refreshed", minutes, "prices refreshed");
        }
        let (took, is_behind) = (begun.elapsed(), minutes > MAX_MINUTES_AT_HEADS);
        let rest = match (is_folding, with_past && is_behind) {
            (false, _) if is_behind => Duration::ZERO,
            (true, false) => (took * REST_PER_WORK).max(REFRESH_INTERVAL),
            (true, true) => {
                past_from = Instant::now() + took * REST_PER_PAST_WORK;
                REFRESH_INTERVAL
            }
            (false, _) => REFRESH_INTERVAL,
        };
        tokio::time::sleep(rest).await;
    }
}
