//! `plugin record`: scans a span of a real chain and writes all requests and answers to a cassette.

use super::read_chain_file;
use crate::cache::Cache;
use crate::cassette::{Cassette, Recorder};
use crate::plugin::{AnswerSource, CallContext, CallResources, Engine, Gate, admit, v1};
use crate::upstream::{Endpoint, Upstream};
use anyhow::{Context, ensure};
use environment::Strings;
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
    let engine = Engine::new(1)?;
    let plugin = admit(&engine, &Gate::default(), plugin).await.context("admit the plugin")?;
    let file = read_chain_file(chain, &plugin, strings)?;
    let endpoints = Endpoint::all(&file.endpoints, &file.proxy, &file.limits).context("make an HTTP client")?;
    let endpoint = endpoints.into_iter().next();
    let resources = CallResources {
        chain: file.id.as_str().into(),
        upstream: endpoint.map(Upstream::Node),
        cache: Cache::default(),
        limits: file.limits.clone(),
    };
    let context = |finalized| CallContext {
        settings: file.settings.clone(),
        now_ms: environment::now_ms(),
        finalized,
        ..CallContext::default()
    };
    let tip = v1::head(&engine, &plugin, resources.clone(), &context(None)).await.context("ask for the head")?;
    ensure!(last <= tip.latest.height, "record to {last}: the chain ends at {}", tip.latest.height);
    let (context, recorder) = (context(tip.finalized.map(|id| id.height)), Recorder::default());
    let answers = AnswerSource::Recorded(recorder.clone());
    let network: Arc<str> = Arc::clone(&tip.network);
    let scanned = v1::scan_with(&engine, &plugin, resources, answers, None, &context, &network, (first, last)).await.0;
    let mut cassette = Cassette::from_scan(&file, &network, &context, (first, last), &recorder);
    let result = match &scanned {
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
    Ok(format!("{}: {result}, {} exchanges", out.display(), cassette.exchanges.len()))
}
