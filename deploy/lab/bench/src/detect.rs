//! `detect`: measures the EVM plugin as a component and native: JSON bytes in, `TradeExecutedV1` JSON out, one core, no network.
//!
//! On blocks full of swaps and on whole mainnet blocks, each with receipts proved (`receipts`) and not (`hint`); on mainnet
//! blocks also with transactions and senders proved (`full`).

mod recording;

use anyhow::Context as _;
use chain_ingestor::cache::Cache;
use chain_ingestor::chainfile::Limits;
use chain_ingestor::plugin::v1;
use chain_ingestor::plugin::{Admitted, CallContext, CallResources, Engine, Gate, admit_folder, newest_version};
use chain_ingestor::upstream::Upstream;
use chain_plugin_sdk::{self as sdk, Plugin};
use evm_plugin::Evm;
use nodes::replay::{Node, blocks_dir};
use recording::{Native, ScanRecording};
use std::sync::Arc;
use std::time::{Duration, Instant};
use system::figures::{Figures, quantile, rounded};
use system::line::plugins_dir;
use tape::{Status, Trade};

/// How long both ways are measured on one recording.
const FOR: Duration = Duration::from_secs(10);

/// Runs it.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    environment::install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::new(1)?;
        let (plugins, _) = admit_folder(&engine, &Gate::default(), &plugins_dir()?).await?;
        let plugin = newest_version(&plugins, "evm").context("evm.wasm is not built")?;
        let mut figures = Figures::new();
        let (address, _server) = Node::load(&blocks_dir())?.serve("127.0.0.1:0".parse()?).await?;
        // The blocks full of swaps are made up: nobody signed their transactions.
        let modes = [("receipts", ""), ("hint", "hint_"), ("full", "full_")];
        let chains: [(&str, _, &[_]); 2] = [
            ("", recording::RecordedChain::Dense, &modes[..2]),
            ("mainnet_", recording::RecordedChain::Node(address), &modes),
        ];
        for (chain, of, modes) in chains {
            for (mode, name) in modes {
                let settings = format!(r#"{{"verify":"{mode}"}}"#);
                let recording = tokio::task::spawn_blocking(move || ScanRecording::record(of, &settings)).await??;
                compare(&engine, plugin, recording, &format!("{chain}{name}"), &mut figures).await?;
            }
        }
        Ok(figures)
    })
}

/// Measures both ways on one recording.
async fn compare(
    engine: &Engine,
    plugin: &Admitted,
    recording: ScanRecording,
    prefix: &str,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let recording = Arc::new(recording);
    let settings = recording.settings.clone();
    let context = CallContext {
        settings: settings.clone(),
        now_ms: 0,
        finalized: Some(recording.span.1),
        ..CallContext::default()
    };
    let lent = CallResources {
        chain: "bench".into(),
        upstream: Some(Upstream::Recorded(Arc::new(recording.answers()))),
        cache: Cache::default(),
        limits: Limits::default(),
    };
    let network: Arc<str> = "eip155:1".into();
    let mut host = Native::new(&recording);
    let (plugin_context, span) =
        (recording.plugin_context(), sdk::Span { first: recording.span.0, last: recording.span.1 });
    let (mut wasm, mut native, mut trades) = (Laps::default(), Laps::default(), Vec::new());
    let started = Instant::now();
    // By turns, so that both have the same machine.
    while started.elapsed() < FOR || native.0.len() < 3 {
        let lap = spent()?;
        let scanned = v1::scan(engine, plugin, lent.clone(), &context, &network, recording.span).await?;
        trades = scanned.blocks.into_iter().flat_map(|block| block.trades).collect();
        trades = encoded(trades)?;
        wasm.end(lap)?;
        let lap = spent()?;
        let scanned = Evm::scan(&mut host, &plugin_context, span).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        let count: usize = scanned.blocks.iter().map(|block| block.trades.len()).sum();
        anyhow::ensure!(count == trades.len(), "native finds {count} trades, WASM {}", trades.len());
        // An instance takes all that it found with it when it ends, so that is part of both.
        drop(scanned);
        // The same trades are encoded; the lift, which native does without, is part of what WASM costs.
        trades = encoded(trades)?;
        native.end(lap)?;
    }
    // Of one turn each, since a machine that is shared is now quick and now slow.
    let over = median(wasm.0.iter().zip(&native.0).map(|(wasm, native)| wasm / native).collect());
    let (wasm, native) = (median(wasm.0), median(native.0));
    #[expect(clippy::cast_precision_loss, reason = "counts of one recording")]
    let (logs, bytes) = (recording.swap_logs as f64, recording.bytes as f64);
    let mut put = |key: &str, value: serde_json::Value| figures.insert(format!("{prefix}{key}"), value);
    put("wasm_logs_per_s", rounded(logs / wasm, 0));
    put("native_logs_per_s", rounded(logs / native, 0));
    put("wasm_over_native", rounded(over, 2));
    put("wasm_mb_per_s", rounded(bytes / wasm / 1e6, 1));
    put("json_bytes_per_log", rounded(bytes / logs, 0));
    put("swap_logs", recording.swap_logs.into());
    put("trades", trades.len().into());
    Ok(())
}

/// Encodes each trade as the tape does, and gives the trades back.
fn encoded(trades: Vec<Trade>) -> anyhow::Result<Vec<Trade>> {
    anyhow::ensure!(!trades.is_empty(), "no trades came out");
    for trade in &trades {
        let event = wire::v1::trade::encode_as("bench/1/1", Status::Finalized, trade);
        anyhow::ensure!(event.len() > 2, "a trade was not encoded");
    }
    Ok(trades)
}

/// Seconds that one thing took this process each time: a scan runs on a thread of its own, and time that other processes
/// had the core is not counted.
#[derive(Default)]
struct Laps(Vec<f64>);

impl Laps {
    /// Ends the lap that began when this much had been spent.
    fn end(&mut self, began: Duration) -> anyhow::Result<()> {
        self.0.push(spent()?.saturating_sub(began).as_secs_f64());
        Ok(())
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    quantile(&all, 500)
}

/// Time that all threads of this process have run.
fn spent() -> anyhow::Result<Duration> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::new(now.tv_sec.try_into()?, now.tv_nsec.try_into()?))
}
