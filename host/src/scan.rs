//! `scan`: prints the trades of a span as `TradeExecutedV1` lines; touches no log.

use crate::chainfile::{self, Variables};
use crate::plugin::{Engine, admit};
use crate::source::Source;
use anyhow::{Context, bail};
use environment::{ConfigError, Strings};
use ingest_domain::{Chain, Failure};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tape::{Event, Status};

/// Attempts at one span.
const ATTEMPTS: u32 = 5;

/// Prints the trades from `first` to `last`.
pub async fn scan(
    plugin: &Path,
    chain: &Path,
    (first, last): (u64, u64),
    strings: &impl Strings,
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    environment::install_crypto();
    let file = chainfile::read(chain, &Variables { strings, secrets: None }).map_err(ConfigError)?;
    let engine = Engine::new(1)?;
    let admitted = admit(&engine, plugin).await.context("admit the plugin")?;
    let mut span = file.limits.span.max(1);
    let mut source = Source::new(&engine, &admitted, &Arc::new(file)).context("make an HTTP client")?;
    let tip = source.head().await.context("ask for the head")?;
    if last > tip.latest.height {
        bail!("the chain ends at {}, before {last}", tip.latest.height);
    }
    let finalized = tip.finalized.as_ref().map(|id| id.height);
    let (mut next, mut attempt) = (first, 0);
    while next <= last {
        match source.scan(next, last.min(next.saturating_add(span - 1)), finalized).await {
            Ok(scanned) => {
                for block in &scanned.blocks {
                    print(&block.trades, finalized, out)?;
                }
                next = scanned.through + 1;
                attempt = 0;
            }
            Err(Failure::TooWide(most)) => span = most.clamp(1, span.saturating_sub(1).max(1)),
            Err(Failure::Retry { after_ms, why }) if attempt < ATTEMPTS => {
                attempt += 1;
                tracing::warn!(%why, attempt, "asking again");
                tokio::time::sleep(Duration::from_millis(after_ms.unwrap_or(500))).await;
            }
            Err(failure) => return Err(failure).with_context(|| format!("scan from height {next}")),
        }
    }
    Ok(())
}

fn print(trades: &[tape::Trade], finalized: Option<u64>, out: &mut impl Write) -> std::io::Result<()> {
    for (index, trade) in trades.iter().enumerate() {
        let height = trade.block.id.height;
        let status = if finalized.is_some_and(|last| height <= last) { Status::Finalized } else { Status::Observed };
        let event = Event { id: format!("{}/scan/{height}.{index}", trade.chain), status, trade: trade.clone() };
        out.write_all(&wire::v1::trade::encode(&event))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
