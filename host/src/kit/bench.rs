//! `plugin bench`: measures how fast a plugin scans its cassettes, and how much fuel a trade costs.

use super::test::read_cassettes;
use super::{UNLIMITED_FUEL, replay};
use crate::cassette::RecordedAnswer;
use crate::chainfile::Limits;
use crate::plugin::{Engine, Gate, admit};
use anyhow::{Context, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long each cassette is scanned.
const TIME_PER_CASSETTE: Duration = Duration::from_secs(2);

/// Scans every cassette for a while.
pub async fn bench(plugin: &Path, folder: &Path) -> anyhow::Result<String> {
    let engine = Engine::new(1)?;
    let plugin = admit(&engine, &Gate::default(), plugin).await.context("admit the plugin")?;
    let mut lines = vec![];
    for (path, cassette) in read_cassettes(folder)? {
        let limits = Limits::default();
        let (scanned, used) = replay(&engine, &plugin, &cassette, &limits, Some(UNLIMITED_FUEL)).await;
        let Ok(scanned) = scanned else { continue };
        let trades = scanned.blocks.iter().map(|block| block.trades.len()).sum::<usize>() as u64;
        let bytes: usize = cassette.exchanges.iter().map(|exchange| body_bytes(&exchange.answer)).sum();
        let (begun, mut laps) = (Instant::now(), 0_u32);
        while begun.elapsed() < TIME_PER_CASSETTE {
            replay(&engine, &plugin, &cassette, &limits, None).await.0.context("scan")?;
            laps += 1;
        }
        let lap = begun.elapsed() / laps.max(1);
        let per_second =
            |count: u64| count.saturating_mul(1_000_000) / u64::try_from(lap.as_micros()).unwrap_or(1).max(1);
        let per_trade = match used.fuel.checked_div(trades) {
            Some(each) => format!("{} trades/s, {each} fuel per trade", per_second(trades)),
            None => "no trades".to_owned(),
        };
        lines.push(format!(
            "{}: {} µs per scan, {per_trade}, {} kB/s of answers, {} fuel per byte",
            path.display(),
            lap.as_micros(),
            per_second(bytes as u64) / 1_000,
            used.fuel / (bytes as u64).max(1),
        ));
    }
    if lines.is_empty() {
        bail!("no cassette of {} can be scanned", folder.display())
    }
    Ok(lines.join("\n"))
}

fn body_bytes(answer: &RecordedAnswer) -> usize {
    match answer {
        RecordedAnswer::Response { body, .. } => body.len(),
        RecordedAnswer::Error { .. } => 0,
    }
}
