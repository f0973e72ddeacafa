//! `swap`: measures what the plugin platform costs.
//!
//! Replacing a plugin under load, admission of 2 MB, a fresh instance with an empty scan, the memory of an idle chain, and the
//! delay of a scan beside two plugins that compute and allocate without end.

use anyhow::Context as _;
use chain_ingestor::cache::Cache;
use chain_ingestor::chainfile::Limits;
use chain_ingestor::plugin::v1;
use chain_ingestor::plugin::{Admitted, AnswerSource, CallContext, CallResources, Engine, Gate, admit};
use environment::{Problems, Shutdown};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use system::figures::{Figures, kafka, quantile, resident_mib, rounded};
use system::line::plugins_dir;
use system::swaps::{self, component};
use tape_log::{Log, Target, topics};

/// Swaps in a row.
const PLUGIN_SWAPS: u8 = 50;
/// Empty scans that are timed.
const SCANS: usize = 20_000;
/// Chains that do nothing.
const IDLE: usize = 100;
/// Bytes of the large component.
const LARGE: usize = 2_000_000;

/// Runs it.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        environment::install_crypto();
        let mut figures = Figures::new();
        idle_chains(&mut figures).await?;
        fresh_scans(&mut figures).await?;
        admission(&mut figures).await?;
        under_load(&mut figures).await?;
        Ok(figures)
    })
}

/// Swaps while trades are published, on the log that serves a deployment and on the one that serves one machine.
async fn under_load(figures: &mut Figures) -> anyhow::Result<()> {
    let kafka = kafka("swap")?;
    let folder = tempfile::tempdir()?;
    let sqlite = Target::Sqlite(folder.path().join("tape.db"));
    for (name, target) in [("kafka", kafka), ("sqlite", sqlite)] {
        measure_on(name, &target, figures).await.with_context(|| format!("swaps on {name}"))?;
    }
    Ok(())
}

async fn measure_on(name: &str, target: &Target, figures: &mut Figures) -> anyhow::Result<()> {
    let counted = swaps::swap(PLUGIN_SWAPS, target).await?;
    let sorted = |laps: &[Duration]| {
        let mut ms: Vec<f64> = laps.iter().map(|lap| lap.as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        ms
    };
    let (used, dropped) = (sorted(&counted.admitted_to_use), sorted(&counted.dropped_to_use));
    figures.insert("swaps".to_owned(), PLUGIN_SWAPS.into());
    let mut put = |key: &str, value: serde_json::Value| figures.insert(format!("{name}_{key}"), value);
    put("p50_ms", rounded(quantile(&used, 500), 1));
    put("p99_ms", rounded(quantile(&used, 990), 1));
    put("from_drop_p99_ms", rounded(quantile(&dropped, 990), 1));
    put("trades", counted.trades.into());
    put("lost", counted.lost.into());
    put("doubled", counted.doubled.into());
    Ok(())
}

fn lent() -> CallResources {
    CallResources { chain: "bench".into(), upstream: None, cache: Cache::default(), limits: Limits::default() }
}

async fn mock(engine: &Engine) -> anyhow::Result<Admitted> {
    Ok(admit(engine, &Gate::default(), &component("mock")?).await?)
}

/// What so many empty scans took, microseconds, smallest first: within the engine's thread, and from here to there and back.
async fn empty_scans(engine: &Engine, plugin: &Admitted, count: usize) -> anyhow::Result<[Vec<f64>; 2]> {
    let call_context = CallContext {
        settings: r#"{"trades-per-block":0}"#.into(),
        now_ms: 1_767_225_700_000,
        ..CallContext::default()
    };
    let (network, mut within, mut whole): (Arc<str>, _, _) = ("mock/1".into(), vec![], vec![]);
    for _ in 0..count {
        let begun = Instant::now();
        let scan = v1::scan_with(engine, plugin, lent(), AnswerSource::Live, None, &call_context, &network, (7, 7));
        let (scanned, used) = scan.await;
        scanned?;
        whole.push(begun.elapsed().as_secs_f64() * 1e6);
        within.push(used.took.as_secs_f64() * 1e6);
    }
    within.sort_by(f64::total_cmp);
    whole.sort_by(f64::total_cmp);
    Ok([within, whole])
}

/// A fresh instance, an empty block, dropped again; then the same beside two plugins that compute and allocate without end.
async fn fresh_scans(figures: &mut Figures) -> anyhow::Result<()> {
    let engine = Engine::new(8)?;
    let plugin = mock(&engine).await?;
    empty_scans(&engine, &plugin, SCANS / 10).await?;
    let [within, alone] = empty_scans(&engine, &plugin, SCANS).await?;
    let mut busy = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (engine, plugin) = (engine.clone(), plugin.clone());
        busy.spawn(async move {
            // A thousand blocks of ten thousand trades: it computes and allocates until the sandbox stops it, again and again.
            let settings = r#"{"trades-per-block":10000}"#.into();
            let call_context = CallContext { settings, now_ms: 1_767_335_600_000, ..CallContext::default() };
            let network: Arc<str> = "mock/1".into();
            loop {
                let stopped = v1::scan(&engine, &plugin, lent(), &call_context, &network, (0, 999)).await;
                assert!(stopped.is_err(), "a sandbox that holds ten million trades");
            }
        });
    }
    let [_, beside] = empty_scans(&engine, &plugin, SCANS / 4).await?;
    anyhow::ensure!(busy.try_join_next().is_none(), "a busy neighbour has ended");
    busy.abort_all();
    let mut put = |key: &str, value: serde_json::Value| figures.insert(key.to_owned(), value);
    put("fresh_scan_p50_us", rounded(quantile(&within, 500), 1));
    put("fresh_scan_p99_us", rounded(quantile(&within, 990), 1));
    put("with_way_p50_us", rounded(quantile(&alone, 500), 1));
    put("with_way_p99_us", rounded(quantile(&alone, 990), 1));
    put("beside_two_busy_p50_us", rounded(quantile(&beside, 500), 1));
    put("beside_two_busy_p99_us", rounded(quantile(&beside, 990), 1));
    Ok(())
}

/// Admission of a component of 2 MB: the EVM plugin with its own code several times over.
async fn admission(figures: &mut Figures) -> anyhow::Result<()> {
    let mut bytes = std::fs::read(component("evm")?)?;
    let module = core_module(&bytes).context("a component without a module")?;
    while bytes.len() < LARGE {
        bytes.push(1);
        leb128(&mut bytes, module.len());
        bytes.extend_from_slice(&module);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("large.wasm");
    std::fs::write(&path, &bytes)?;
    let engine = Engine::new(1)?;
    let begun = Instant::now();
    admit(&engine, &Gate::default(), &path).await?;
    figures.insert("admission_bytes".to_owned(), bytes.len().into());
    figures.insert("admission_ms".to_owned(), rounded(begun.elapsed().as_secs_f64() * 1e3, 0));
    Ok(())
}

/// The largest core module inside of a component.
fn core_module(component: &[u8]) -> Option<Vec<u8>> {
    let payloads = wasmparser::Parser::new(0).parse_all(component).flatten();
    let modules = payloads.filter_map(|payload| match payload {
        wasmparser::Payload::ModuleSection { unchecked_range, .. } => {
            component.get(unchecked_range).map(<[u8]>::to_vec)
        }
        _ => None,
    });
    modules.max_by_key(Vec::len)
}

fn leb128(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}

/// Memory of chains that wait for a block, each: what a hundred of them add to one.
async fn idle_chains(figures: &mut Figures) -> anyhow::Result<()> {
    let mut resident = [0.0, 0.0];
    for (place, chains) in [1, 1 + IDLE].into_iter().enumerate() {
        let folder = tempfile::tempdir()?;
        for number in 0..chains {
            let text = format!(
                "id = \"idle-{number}\"\nplugin = \"mock\"\nstart = \"latest\"\n[settings]\nseed = {number}\nblock-ms = 3600000\n"
            );
            std::fs::write(folder.path().join(format!("{number}.toml")), text)?;
        }
        let strings: HashMap<String, String> = [
            ("PLUGINS_DIR", plugins_dir()?.display().to_string()),
            ("CHAINS_DIR", folder.path().display().to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let mut problems = Problems::default();
        let settings = chain_ingestor::Settings::read(&strings, &mut problems);
        problems.finish()?;
        let (log, shutdown) = (Log::open(&Target::Memory).await?, Shutdown::default());
        let (ingest_log, stop) = (log.clone(), shutdown.clone());
        let running = tokio::spawn(async move { chain_ingestor::run(settings, &strings, ingest_log, stop).await });
        while log.read_all(&topics::PROGRESS.partition(0)).await?.len() < chains {
            anyhow::ensure!(!running.is_finished(), "the ingestor has ended");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Some looks at the head of each.
        tokio::time::sleep(Duration::from_secs(5)).await;
        resident[place] = resident_mib()?;
        shutdown.trigger();
        running.await??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    let each = (resident[1] - resident[0]).max(0.0) / IDLE as f64;
    figures.insert("idle_chain_mib".to_owned(), rounded(each, 2));
    figures.insert("rss_mib_one_chain".to_owned(), rounded(resident[0], 1));
    Ok(())
}
