//! `plugin record`: scans a span of a real chain and keeps everything that was asked and answered.

use crate::cache::Cache;
use crate::cassette::{Cassette, Recorder};
use crate::chainfile::{self, Variables};
use crate::plugin::v1::{self, Context as Told};
use crate::plugin::{Answers, Engine, Gate, Lent, admit};
use crate::upstream::{Endpoint, Upstream};
use anyhow::{Context, ensure};
use environment::{ConfigError, Strings};
use std::path::Path;
use std::sync::Arc;

/// Writes a cassette of the heights from `first` to `last`.
pub async fn record(
    plugin: &Path,
    chain: &Path,
    (first, last): (u64, u64),
    out: &Path,
    strings: &impl Strings,
) -> anyhow::Result<String> {
    environment::install_crypto();
    ensure!(first <= last, "the span {first} to {last} is empty");
    let secrets = strings.get("SECRETS_DIR").map(std::path::PathBuf::from);
    let variables = Variables { strings, secrets: secrets.as_deref() };
    let file = chainfile::read(chain, &variables).map_err(ConfigError)?;
    let engine = Engine::new(1)?;
    let plugin = admit(&engine, &Gate::default(), plugin).await.context("admit the plugin")?;
    plugin.schema.check(&file.settings).map_err(|wrong| anyhow::anyhow!("{}: {wrong}", chain.display()))?;
    let endpoint = Endpoint::all(&file.endpoints, &file.limits).context("make an HTTP client")?.into_iter().next();
    let lent = Lent {
        chain: file.id.as_str().into(),
        upstream: endpoint.map(Upstream::Node),
        cache: Cache::default(),
        limits: file.limits.clone(),
    };
    let now = |finalized| Told { settings: file.settings.clone(), now_ms: environment::now_ms(), finalized };
    let tip = v1::head(&engine, &plugin, lent.clone(), &now(None)).await.context("ask for the head")?;
    ensure!(last <= tip.latest.height, "the chain ends at {}, before {last}", tip.latest.height);
    let (told, recorder) = (now(tip.finalized.map(|id| id.height)), Recorder::default());
    let answers = Answers::Recorded(recorder.clone());
    let network: Arc<str> = Arc::clone(&tip.network);
    let scanned = v1::scan_with(&engine, &plugin, lent, answers, None, &told, &network, (first, last)).await.0;
    let mut cassette = Cassette::of(&file, &network, &told, (first, last), &recorder);
    let said = match &scanned {
        Ok(scanned) => {
            let trades: usize = scanned.blocks.iter().map(|block| block.trades.len()).sum();
            format!("{} blocks, {trades} trades, through {}", scanned.blocks.len(), scanned.through)
        }
        Err(error) => {
            cassette = cassette.failed(&plugin.detector, error.to_string());
            format!("the scan failed, which is recorded: {error}")
        }
    };
    cassette.note = format!("recorded from a node of {network}");
    std::fs::write(out, cassette.pretty()).with_context(|| format!("write {}", out.display()))?;
    Ok(format!("{}: {said}, {} exchanges", out.display(), cassette.exchanges.len()))
}
