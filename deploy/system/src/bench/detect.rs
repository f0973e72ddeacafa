//! `detect`: JSON bytes in, `TradeExecutedV1` JSON out, on one core, without network: through the component, and the
//! same code native. Blocks are proved (header hash and receipts root) as in production.

use super::{Figures, rounded};
use crate::line::plugins_dir;
use crate::replay::{Node, blocks_dir};
use anyhow::Context as _;
use chain_ingestor::cache::Cache;
use chain_ingestor::chainfile::Limits;
use chain_ingestor::plugin::v1::{self, Context};
use chain_ingestor::plugin::{Engine, Gate, Lent, admit_folder};
use chain_ingestor::upstream::{Recorded, Upstream};
use chain_plugin_sdk::{self as sdk, Host, Level, Plugin};
use evm_plugin::Evm;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape::{Event, Status, Trade};

/// The recorded blocks, consecutive.
const SPAN: (u64, u64) = (14_000_000, 14_000_004);
/// How long each way is measured.
const FOR: Duration = Duration::from_secs(10);

/// Runs it.
pub fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare())
}

async fn compare() -> anyhow::Result<Figures> {
    environment::install_crypto();
    let tape = Arc::new(record().await?);
    let engine = Engine::new(1)?;
    let (plugins, _) = admit_folder(&engine, &Gate::default(), &plugins_dir()?).await?;
    let plugin = chain_ingestor::run::newest(&plugins, "evm").context("evm.wasm is not built")?;
    let context = Context { settings: "{}".to_owned(), now_ms: 0, finalized: Some(SPAN.1) };
    let lent = Lent {
        chain: "bench".into(),
        upstream: Some(Upstream::Recorded(Arc::new(tape.recorded.clone()))),
        cache: Cache::default(),
        limits: Limits::default(),
    };
    let network: Arc<str> = "eip155:1".into();
    let mut wasm = Vec::new();
    let mut trades = Vec::new();
    let started = Instant::now();
    while started.elapsed() < FOR || wasm.len() < 3 {
        let lap = Instant::now();
        let scanned = v1::scan(&engine, plugin, lent.clone(), &context, &network, SPAN).await?;
        let bytes: usize = scanned.blocks.iter().flat_map(|block| &block.trades).map(encoded).sum();
        anyhow::ensure!(bytes > 0, "no trades came out");
        wasm.push(lap.elapsed());
        trades = scanned.blocks.into_iter().flat_map(|block| block.trades).collect();
    }
    let mut host = Native { tape: &tape, kept: HashMap::new() };
    let told = sdk::Context {
        settings: "{}".to_owned(),
        now_ms: 0,
        attributes: vec![("finalized".to_owned(), SPAN.1.to_string())],
    };
    let mut native = Vec::new();
    let started = Instant::now();
    while started.elapsed() < FOR || native.len() < 3 {
        let lap = Instant::now();
        let span = sdk::Span { first: SPAN.0, last: SPAN.1 };
        let scanned = Evm::scan(&mut host, &told, span).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        let count: usize = scanned.blocks.iter().map(|block| block.trades.len()).sum();
        anyhow::ensure!(count == trades.len(), "native finds {count} trades, WASM {}", trades.len());
        // The same trades are encoded; the lift, which native does without, is part of what WASM costs.
        let bytes: usize = trades.iter().map(encoded).sum();
        anyhow::ensure!(bytes > 0, "no trades came out");
        native.push(lap.elapsed());
    }
    Ok(figures(&tape, &trades, median(wasm), median(native)))
}

fn figures(tape: &Tape, trades: &[Trade], wasm: Duration, native: Duration) -> Figures {
    #[expect(clippy::cast_precision_loss, reason = "counts of one recording")]
    let (logs, bytes) = (tape.swap_logs as f64, tape.bytes as f64);
    let mut figures = Figures::new();
    let mut put = |key: &str, value: serde_json::Value| figures.insert(key.to_owned(), value);
    put("wasm_logs_per_s", rounded(logs / wasm.as_secs_f64(), 0));
    put("native_logs_per_s", rounded(logs / native.as_secs_f64(), 0));
    put("wasm_over_native", rounded(wasm.as_secs_f64() / native.as_secs_f64(), 2));
    put("wasm_mb_per_s", rounded(bytes / wasm.as_secs_f64() / 1e6, 1));
    put("swap_logs", tape.swap_logs.into());
    put("trades", trades.len().into());
    put("json_bytes", tape.bytes.into());
    figures
}

fn encoded(trade: &Trade) -> usize {
    let event = Event { id: "bench/1/1".to_owned(), status: Status::Finalized, trade: trade.clone() };
    wire::v1::trade::encode(&event).len()
}

fn median(mut laps: Vec<Duration>) -> Duration {
    laps.sort();
    laps[laps.len() / 2]
}

/// Everything one scan asks for, with the answers.
struct Tape {
    recorded: Recorded,
    answers: HashMap<(String, Option<Vec<u8>>), Vec<u8>>,
    swap_logs: usize,
    bytes: usize,
}

/// Scans once against the replay node, natively, and remembers what was asked and answered.
async fn record() -> anyhow::Result<Tape> {
    let node = Node::load(&blocks_dir())?;
    let (address, _server) = node.serve("127.0.0.1:0".parse()?).await?;
    tokio::task::spawn_blocking(move || recorded_from(address)).await?
}

fn recorded_from(address: SocketAddr) -> anyhow::Result<Tape> {
    // The host's cache is empty at first and full afterwards: answers of both kinds of scan are kept.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let http = reqwest::Client::new();
    let mut recorder = Recorder { runtime, http, address, answers: HashMap::new(), kept: HashMap::new() };
    let told = sdk::Context {
        settings: "{}".to_owned(),
        now_ms: 0,
        attributes: vec![("finalized".to_owned(), SPAN.1.to_string())],
    };
    for _ in 0..2 {
        let span = sdk::Span { first: SPAN.0, last: SPAN.1 };
        Evm::scan(&mut recorder, &told, span).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    }
    let mut recorded = Recorded::default();
    for ((path, body), answer) in &recorder.answers {
        recorded.keep(path, body.clone(), answer.clone());
    }
    let texts = || recorder.answers.values().filter_map(|answer| std::str::from_utf8(answer).ok());
    let swap_logs = texts().map(swap_logs).sum();
    let bytes = texts().filter(|text| swap_logs_in(text)).map(str::len).sum();
    Ok(Tape { recorded, answers: recorder.answers, swap_logs, bytes })
}

/// First topics of V2 and V3 swaps.
const SWAPS: [&str; 2] = [
    "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822",
    "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67",
];

fn swap_logs(text: &str) -> usize {
    SWAPS.iter().map(|topic| text.matches(topic).count()).sum()
}

fn swap_logs_in(text: &str) -> bool {
    swap_logs(text) > 0
}

struct Recorder {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    address: SocketAddr,
    answers: HashMap<(String, Option<Vec<u8>>), Vec<u8>>,
    kept: HashMap<String, Vec<u8>>,
}

impl Recorder {
    fn ask(&self, request: &sdk::Request) -> Result<Vec<u8>, reqwest::Error> {
        self.runtime.block_on(async {
            let url = format!("http://{}{}", self.address, request.path);
            let call = self.http.post(url).body(request.body.clone().unwrap_or_default());
            Ok(call.header("content-type", "application/json").send().await?.bytes().await?.to_vec())
        })
    }
}

impl Host for Recorder {
    fn send(&mut self, requests: Vec<sdk::Request>) -> Vec<Result<sdk::Response, sdk::UpstreamError>> {
        let answer = |request: sdk::Request| {
            let body = self.ask(&request).map_err(|e| sdk::UpstreamError::Unreachable(e.to_string()))?;
            self.answers.insert((request.path, request.body), body.clone());
            Ok(sdk::Response { status: 200, headers: vec![], body })
        };
        requests.into_iter().map(answer).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.kept.get(key).cloned()).collect()
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        self.kept.extend(facts);
    }

    fn log(&mut self, _level: Level, _message: &str) {}
}

struct Native<'a> {
    tape: &'a Tape,
    kept: HashMap<String, Vec<u8>>,
}

impl Host for Native<'_> {
    fn send(&mut self, requests: Vec<sdk::Request>) -> Vec<Result<sdk::Response, sdk::UpstreamError>> {
        let answer = |request: sdk::Request| match self.tape.answers.get(&(request.path, request.body)) {
            Some(body) => Ok(sdk::Response { status: 200, headers: vec![], body: body.clone() }),
            None => Err(sdk::UpstreamError::Refused("nothing was recorded for this request".to_owned())),
        };
        requests.into_iter().map(answer).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.kept.get(key).cloned()).collect()
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        self.kept.extend(facts);
    }

    fn log(&mut self, _level: Level, _message: &str) {}
}
