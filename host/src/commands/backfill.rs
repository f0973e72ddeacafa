//! `backfill --wait`: shows how much of the heights is on the tape, until all of them are.

use crate::in_use::is_in_use;
use crate::open_requests::requests_in;
use crate::tape::newest_progress;
use anyhow::{Context, bail, ensure};
use environment::progress_bar::ProgressBar;
use std::time::Duration;
use tape_log::{Log, Target};
use wire::v1::progress::{Covered, State};

/// Between two looks at the tape.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits until the heights are on the tape, or until it is clear that they will not be.
pub(super) async fn wait(target: &Target, chain: &str, id: &str, (from, to): (u64, u64)) -> anyhow::Result<String> {
    ensure!(
        is_in_use(target),
        "wait for request {id}, which stays filed: no process runs on this log; start one, or leave --wait out"
    );
    let total = (to - from).saturating_add(1);
    let mut bar = ProgressBar::begin("heights", total);
    loop {
        // An embedded log is written by another process: it is opened anew for each look.
        let log = Log::open(target).await?;
        let is_requested = requests_in(&log, chain).await?.of_chain(chain).iter().any(|request| request.id == id);
        let progress = newest_progress(&log, chain).await.context("read chains.progress.v1")?;
        let progress = progress.with_context(|| format!("find chain `{chain}` on the tape"))?;
        let progress = progress.context("read the chain's progress")?;
        let done = covered(&progress.covered, (from, to));
        bar.set(done);
        if done == total {
            bar.end();
            return Ok(format!("heights {from} to {to} of {chain} are on the tape"));
        }
        if progress.state == State::Parked {
            bar.end();
            let why = progress.reason.unwrap_or_default();
            bail!("fill {from} to {to} in: {chain} is parked with {done} of {total} heights on the tape: {why}");
        }
        if !is_requested {
            bar.end();
            return Ok(format!(
                "the request is fulfilled or dropped: {done} of {total} heights of {chain} are on the tape; the others are \
                 gaps, which the chain's state names"
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How many heights of a span lie in ranges that do not overlap.
fn covered(ranges: &[Covered], (from, to): (u64, u64)) -> u64 {
    let within = |range: &Covered| (range.to.min(to) + 1).saturating_sub(range.from.max(from));
    ranges.iter().map(within).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_heights_of_the_span_count() {
        let range = |from, to| Covered { from, to };
        let ranges = [range(1, 3), range(6, 8), range(10, 20)];
        assert_eq!(covered(&ranges, (3, 12)), 1 + 3 + 3);
        assert_eq!(covered(&ranges, (4, 5)), 0);
        assert_eq!(covered(&ranges, (30, 40)), 0);
        assert_eq!(covered(&ranges, (11, 11)), 1);
    }
}
