//! Records the requests and answers of a scan once, so that a measurement needs no network.

use chain_ingestor::upstream::Recorded;
use chain_plugin_sdk::{self as sdk, Host, Level, Plugin};
use evm_plugin::Evm;
use std::collections::HashMap;
use std::net::SocketAddr;
use system::dense;

/// The chain full of swaps.
const DENSE: dense::DenseShape = dense::DenseShape { branch: "bench", first: 1_000, last: 1_015, swaps: 100 };
/// The recorded mainnet blocks, consecutive.
const MAINNET: (u64, u64) = (14_000_000, 14_000_004);

/// Which blocks.
#[derive(Clone, Copy)]
pub(super) enum RecordedChain {
    /// Full of swaps.
    Dense,
    /// Mainnet's, as the replay node at this address serves them.
    Node(SocketAddr),
}

type Asked = (String, Option<Vec<u8>>);

/// Everything one scan asks for, with the answers.
pub(super) struct ScanRecording {
    pub(super) span: (u64, u64),
    pub(super) settings: String,
    pub(super) swap_logs: usize,
    /// Of the answers that hold swaps.
    pub(super) bytes: usize,
    answers: HashMap<Asked, Vec<u8>>,
}

impl ScanRecording {
    /// Scans natively, twice: the host's cache is empty at first and full afterwards, and both ways of asking are kept.
    pub(super) fn record(chain: RecordedChain, settings: &str) -> anyhow::Result<Self> {
        let (span, node): (_, AskNode) = match chain {
            RecordedChain::Dense => {
                let chain = dense::DenseChain::new(DENSE);
                ((DENSE.first, DENSE.last), Box::new(move |request| Ok(chain.answer(request))))
            }
            RecordedChain::Node(address) => (MAINNET, node(address)?),
        };
        let mut recorder = Recorder { node, answers: HashMap::new(), kept: HashMap::new() };
        let mut recording =
            Self { span, settings: settings.to_owned(), swap_logs: 0, bytes: 0, answers: HashMap::new() };
        for _ in 0..2 {
            let span = sdk::Span { first: span.0, last: span.1 };
            Evm::scan(&mut recorder, &recording.plugin_context(), span).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        }
        recording.answers = recorder.answers;
        // Whole blocks are asked for in both scans; what differs is whether the chain's number is asked too.
        let with_swaps = recording.answers.values().map(|answer| (swap_logs(answer), answer.len()));
        let (logs, bytes) = with_swaps.max().unwrap_or_default();
        (recording.swap_logs, recording.bytes) = (logs, bytes);
        Ok(recording)
    }

    /// The context that the plugin gets.
    pub(super) fn plugin_context(&self) -> sdk::Context {
        let finalized = ("finalized".to_owned(), self.span.1.to_string());
        sdk::Context { settings: self.settings.clone(), now_ms: 0, attributes: vec![finalized] }
    }

    /// The answers, for the host.
    pub(super) fn answers(&self) -> Recorded {
        let mut recorded = Recorded::default();
        for ((path, body), answer) in &self.answers {
            recorded.insert(path, body.clone(), answer.clone());
        }
        recorded
    }
}

/// First topics of V2 and V3 swaps.
const SWAP_TOPICS: [&str; 2] = [
    "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822",
    "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67",
];

fn swap_logs(answer: &[u8]) -> usize {
    let text = String::from_utf8_lossy(answer);
    SWAP_TOPICS.iter().map(|topic| text.matches(topic).count()).sum()
}

type AskNode = Box<dyn FnMut(&sdk::Request) -> Result<Vec<u8>, String>>;

/// Asks a node over HTTP.
fn node(address: SocketAddr) -> anyhow::Result<AskNode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let http = reqwest::Client::new();
    Ok(Box::new(move |request| {
        runtime.block_on(async {
            let url = format!("http://{address}{}", request.path);
            let call = http.post(url).body(request.body.clone().unwrap_or_default());
            let answer = call.header("content-type", "application/json").send().await;
            Ok(answer.map_err(|e| e.to_string())?.bytes().await.map_err(|e| e.to_string())?.to_vec())
        })
    }))
}

struct Recorder {
    node: AskNode,
    answers: HashMap<Asked, Vec<u8>>,
    kept: HashMap<String, Vec<u8>>,
}

impl Host for Recorder {
    fn send(&mut self, requests: Vec<sdk::Request>) -> Vec<Result<sdk::Response, sdk::UpstreamError>> {
        let answer = |request: sdk::Request| {
            let body = (self.node)(&request).map_err(sdk::UpstreamError::Unreachable)?;
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

/// The host of the native way.
pub(super) struct Native<'a> {
    recording: &'a ScanRecording,
    kept: HashMap<String, Vec<u8>>,
}

impl<'a> Native<'a> {
    /// With nothing kept.
    pub(super) fn new(recording: &'a ScanRecording) -> Self {
        Self { recording, kept: HashMap::new() }
    }
}

impl Host for Native<'_> {
    fn send(&mut self, requests: Vec<sdk::Request>) -> Vec<Result<sdk::Response, sdk::UpstreamError>> {
        let answer = |request: sdk::Request| match self.recording.answers.get(&(request.path, request.body)) {
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
