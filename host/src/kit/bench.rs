//! `plugin bench`: how fast a plugin scans its cassettes, and what a trade costs in fuel.

use super::{read_cassettes, replay};
use crate::cassette::Heard;
use crate::chainfile::Limits;
use crate::plugin::{Engine, Gate, admit};
use anyhow::{Context, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long each cassette is scanned.
const FOR: Duration = Duration::from_secs(2);

/// Scans every cassette for a while.
pub async fn bench(plugin: &Path, folder: &Path) -> anyhow::Result<String> {
    let engine = Engine::new(1)?;
    let plugin = admit(&engine, &Gate::default(), plugin).await.context("admit the plugin")?;
    let mut said = vec![];
    for (path, cassette) in read_cassettes(folder)? {
        let limits = Limits::default();
        let (scanned, used) = replay(&engine, &plugin, &cassette, &limits, Some(1 << 50)).await;
        let Ok(scanned) = scanned else { continue };
        let trades = scanned.blocks.iter().map(|block| block.trades.len()).sum::<usize>() as u64;
        let bytes: usize = cassette.exchanges.iter().map(|exchange| size(&exchange.answer)).sum();
        let (begun, mut laps) = (Instant::now(), 0_u32);
        while begun.elapsed() < FOR {
            replay(&engine, &plugin, &cassette, &limits, None).await.0.context("scan")?;
            laps += 1;
        }
        let lap = begun.elapsed() / laps.max(1);
        let per_second =
            |count: u64| count.saturating_mul(1_000_000) / u64::try_from(lap.as_micros()).unwrap_or(1).max(1);
        let of_trades = match used.fuel.checked_div(trades) {
            Some(each) => format!("{} trades/s, {each} fuel per trade", per_second(trades)),
            None => "no trades".to_owned(),
        };
        said.push(format!(
            "{}: {} µs per scan, {of_trades}, {} kB/s of answers, {} fuel per byte",
            path.display(),
            lap.as_micros(),
            per_second(bytes as u64) / 1_000,
            used.fuel / (bytes as u64).max(1),
        ));
    }
    if said.is_empty() {
        bail!("no cassette of {} can be scanned", folder.display())
    }
    Ok(said.join("\n"))
}

fn size(answer: &Heard) -> usize {
    match answer {
        Heard::Response { body, .. } => body.len(),
        Heard::Error { .. } => 0,
    }
}
