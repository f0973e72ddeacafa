//! The command `scan`: prints the trades of a span, or of a cassette, as `TradeExecutedV1` lines, without any log.

use crate::cassette::Cassette;
use crate::chainfile::Limits;
use crate::kit;
use crate::plugin::{Engine, Gate, admit};
use crate::source::{FailureLog, Source};
use crate::subscription::Subscription;
use anyhow::{Context, ensure};
use environment::Strings;
use ingest_domain::{ChainReader, Failure};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tape::Status;

/// Attempts at one span.
const MAX_ATTEMPTS: u32 = 5;

/// Prints the trades from `first` to `last`.
pub async fn scan(
    plugin: &Path,
    chain: &Path,
    (first, last): (u64, u64),
    strings: &impl Strings,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    environment::install_crypto();
    let engine = Engine::new(1)?;
    let admitted = admit(&engine, &Gate::default(), plugin).await.context("admit the plugin")?;
    let file = kit::read_chain_file(chain, &admitted, strings)?;
    ensure!(first <= last, "scan: --from {first} is above --to {last}");
    let mut span = file.limits.span.max(1);
    let mut source = Source::new(&engine, Subscription::fixed(Arc::new(file), admitted), FailureLog::default());
    let tip = source.head().await.context("ask for the head")?;
    ensure!(last <= tip.latest.height, "scan to {last}: the chain ends at {}", tip.latest.height);
    let finalized = tip.finalized.as_ref().map(|id| id.height);
    let (mut next, mut attempt) = (first, 0);
    while next <= last {
        match source.scan(next, last.min(next.saturating_add(span - 1)), finalized).await {
            Ok(scanned) => {
                for block in &scanned.blocks {
                    print_trades(&block.trades, finalized, out)?;
                }
                next = scanned.through + 1;
                attempt = 0;
            }
            Err(Failure::TooWide(most)) => span = most.clamp(1, span.saturating_sub(1).max(1)),
            Err(failure @ (Failure::Retry { .. } | Failure::NotYet(_) | Failure::Reorged))
                if attempt < MAX_ATTEMPTS =>
            {
                attempt += 1;
                tracing::warn!(event = "scan.retried", why = %failure, attempt, "asking again");
                let after_ms = if let Failure::Retry { after_ms, .. } = failure { after_ms } else { None };
                tokio::time::sleep(Duration::from_millis(after_ms.unwrap_or(500))).await;
            }
            Err(failure) => return Err(failure).with_context(|| format!("scan from height {next}")),
        }
    }
    Ok(())
}

/// Prints the trades of a cassette, or fails as the scan that it was made from did.
pub async fn scan_cassette(plugin: &Path, cassette: &Path, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
    let engine = Engine::new(1)?;
    let admitted = admit(&engine, &Gate::default(), plugin).await.context("admit the plugin")?;
    let cassette = Cassette::read(cassette).map_err(anyhow::Error::msg)?;
    let (scanned, _) = kit::replay(&engine, &admitted, &cassette, &Limits::default(), None).await;
    let scanned = scanned.with_context(|| format!("scan heights {} to {}", cassette.first, cassette.last))?;
    for block in &scanned.blocks {
        print_trades(&block.trades, cassette.finalized, out)?;
    }
    Ok(())
}

fn print_trades(trades: &[tape::Trade], finalized: Option<u64>, out: &mut impl Write) -> std::io::Result<()> {
    for (index, trade) in trades.iter().enumerate() {
        let height = trade.block.id.height;
        let status = if finalized.is_some_and(|last| height <= last) { Status::Finalized } else { Status::Observed };
        let id = format!("{}/scan/{height}.{index}", trade.chain);
        out.write_all(&wire::v1::trade::encode_as(&id, status, trade))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
