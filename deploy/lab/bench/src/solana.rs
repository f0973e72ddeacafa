//! `solana`: measures a full mainnet block through the component on one core, and the memory that one scan needs.
//!
//! The recorded block of 2024 has 3 MB; blocks of today have 4 to 8. A second figure is for a block of about 6 MB, made of
//! the recorded transactions twice over.

use anyhow::{Context as _, ensure};
use chain_ingestor::cache::Cache;
use chain_ingestor::chainfile::Limits;
use chain_ingestor::plugin::v1;
use chain_ingestor::plugin::{Admitted, CallContext, CallResources, Engine, Gate, admit_folder, newest_version};
use chain_ingestor::upstream::{Recorded, Upstream};
use chain_plugin_sdk::{self as sdk, Host, Level, Plugin};
use nodes::solana::{GENESIS, Recording, SLOT};
use serde_json::{Value, json};
use solana_plugin::Solana;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use system::figures::{Figures, rounded};
use system::line::plugins_dir;

/// How long each block is scanned over and over.
const FOR: Duration = Duration::from_secs(8);

/// Runs it.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare())
}

async fn compare() -> anyhow::Result<Figures> {
    environment::install_crypto();
    let recording = Recording::load()?;
    let again = recording.transactions.iter().map(|transaction| with_another_signature(transaction));
    let twice = recording.transactions.iter().cloned().map(Ok).chain(again).collect::<anyhow::Result<Vec<_>>>()?;
    let mut doubled: Value = serde_json::from_str(&recording.text)?;
    doubled["transactions"] = json!([]);
    let doubled =
        doubled.to_string().replace(r#""transactions":[]"#, &format!(r#""transactions":[{}]"#, twice.join(",")));
    let engine = Engine::new(1)?;
    let (plugins, _) = admit_folder(&engine, &Gate::default(), &plugins_dir()?).await?;
    let plugin = newest_version(&plugins, "solana").context("solana.wasm is not built")?;
    let mut figures = Figures::new();
    let mut put = |key: &str, value: Value| figures.insert(key.to_owned(), value);
    for (name, text) in [("recorded_", &recording.text), ("", &doubled)] {
        let tape = Tape::from_block(text);
        let recorded = Arc::new(tape.record()?);
        let bench = Bench { engine: &engine, plugin, recorded };
        let (took, trades) = bench.time().await?;
        let native = tape.time()?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of one block")]
        let megabytes = text.len() as f64 / 1e6;
        put(&format!("{name}block_ms"), rounded(took.as_secs_f64() * 1e3, 1));
        put(&format!("{name}native_ms"), rounded(native.as_secs_f64() * 1e3, 1));
        put(&format!("{name}block_mb"), rounded(megabytes, 1));
        put(&format!("{name}trades"), trades.into());
        if name.is_empty() {
            put("peak_mib", bench.least_memory().await?.into());
        }
    }
    Ok(figures)
}

struct Bench<'a> {
    engine: &'a Engine,
    plugin: &'a Admitted,
    recorded: Arc<Recorded>,
}

impl Bench<'_> {
    async fn scan(&self, memory_bytes: usize) -> anyhow::Result<usize> {
        let lent = CallResources {
            chain: "bench".into(),
            upstream: Some(Upstream::Recorded(Arc::clone(&self.recorded))),
            cache: Cache::default(),
            limits: Limits { memory_bytes, ..Limits::default() },
        };
        let context =
            CallContext { settings: "{}".to_owned(), now_ms: 0, finalized: Some(SLOT), ..CallContext::default() };
        let network: Arc<str> = format!("solana:{GENESIS}").into();
        let scanned = v1::scan(self.engine, self.plugin, lent, &context, &network, (SLOT, SLOT)).await?;
        Ok(scanned.blocks.iter().map(|block| block.trades.len()).sum())
    }

    /// The median of many scans, and how many trades each found.
    async fn time(&self) -> anyhow::Result<(Duration, usize)> {
        let (mut laps, mut trades) = (vec![], 0);
        let started = Instant::now();
        while started.elapsed() < FOR || laps.len() < 5 {
            let lap = Instant::now();
            trades = self.scan(Limits::default().memory_bytes).await?;
            laps.push(lap.elapsed());
            ensure!(trades > 0, "no trades came out");
        }
        laps.sort();
        Ok((laps[laps.len() / 2], trades))
    }

    /// The least memory, in MiB, that a scan can do with: what it needs at its peak.
    async fn least_memory(&self) -> anyhow::Result<u64> {
        let (mut too_little, mut enough) = (1_usize, 256_usize);
        while enough - too_little > 1 {
            let middle = usize::midpoint(enough, too_little);
            if self.scan(middle << 20).await.is_ok() {
                enough = middle;
            } else {
                too_little = middle;
            }
        }
        Ok(enough as u64)
    }
}

/// What the plugin asks, with the answers.
struct Tape {
    answers: BTreeMap<String, Vec<u8>>,
    asked: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Tape {
    fn from_block(block: &str) -> Self {
        let result = |text: &str| format!(r#"{{"jsonrpc":"2.0","result":{text},"id":0}}"#).into_bytes();
        let answers = [("getBlocks", result(&format!("[{SLOT}]"))), ("getBlock", result(block))];
        Self { answers: answers.map(|(name, answer)| (name.to_owned(), answer)).into(), asked: BTreeMap::new() }
    }

    fn scan(&mut self) -> anyhow::Result<usize> {
        let plugin_context = sdk::Context { settings: "{}".to_owned(), now_ms: 0, attributes: vec![] };
        let span = sdk::Span { first: SLOT, last: SLOT };
        let scanned = Solana::scan(self, &plugin_context, span).map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
        Ok(scanned.blocks.iter().map(|block| block.trades.len()).sum())
    }

    /// The requests of a scan with their answers, as the host replays them.
    fn record(&self) -> anyhow::Result<Recorded> {
        let mut tape = Self { answers: self.answers.clone(), asked: BTreeMap::new() };
        tape.scan()?;
        let mut recorded = Recorded::default();
        for (request, answer) in tape.asked {
            recorded.insert("", Some(request), answer);
        }
        Ok(recorded)
    }

    /// The median of native scans.
    fn time(&self) -> anyhow::Result<Duration> {
        let mut tape = Self { answers: self.answers.clone(), asked: BTreeMap::new() };
        let mut laps = vec![];
        let started = Instant::now();
        while started.elapsed() < FOR || laps.len() < 5 {
            let lap = Instant::now();
            tape.scan()?;
            laps.push(lap.elapsed());
        }
        laps.sort();
        Ok(laps[laps.len() / 2])
    }
}

impl Host for Tape {
    fn send(&mut self, requests: Vec<sdk::Request>) -> Vec<Result<sdk::Response, sdk::UpstreamError>> {
        let answer = |request: sdk::Request| {
            let body = request.body.unwrap_or_default();
            let call: Value = serde_json::from_slice(&body).unwrap_or_default();
            let known = self.answers.get(call["method"].as_str().unwrap_or_default());
            let answer =
                known.ok_or_else(|| sdk::UpstreamError::Refused("nothing was recorded for this".to_owned()))?;
            self.asked.entry(body).or_insert_with(|| answer.clone());
            Ok(sdk::Response { status: 200, headers: vec![], body: answer.clone() })
        };
        requests.into_iter().map(answer).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        vec![None; keys.len()]
    }

    fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}

    fn log(&mut self, _level: Level, _message: &str) {}
}

/// The same transaction under another name, since a block has no transaction twice.
fn with_another_signature(transaction: &str) -> anyhow::Result<String> {
    let digit = || {
        let list = transaction.find(r#""signatures""#)?;
        let begin = list + transaction[list..].find('[')?;
        Some(begin + transaction[begin..].find('"')? + 1)
    };
    let at = digit().context("a recorded transaction has no signature")?;
    let mut renamed = transaction.to_owned();
    renamed.replace_range(at..=at, if renamed[at..].starts_with('2') { "3" } else { "2" });
    Ok(renamed)
}
