//! The chains that are followed, each with a node and with what a reader must find.

use anyhow::ensure;
use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{self as sdk, Host, Level, Plugin};
use evm_plugin::Evm;
use nodes::replay::{Node, blocks_dir, read_all};
use std::collections::HashMap;
use std::sync::Arc;
use system::dense::{self, DenseChain, DenseShape, Swap};
use system::shaped::ShapedChain;

/// A chain and its node.
pub(crate) struct ServedChain {
    pub(crate) node: Node,
    pub(crate) first: u64,
    /// What a reader must find, a line for each trade.
    pub(crate) trades: Vec<String>,
    pub(crate) blocks: u64,
}

impl ServedChain {
    /// Blocks with nothing but swaps, a hundred in each.
    pub(crate) fn dense(blocks: u64) -> anyhow::Result<Self> {
        let shape = DenseShape { branch: "backfill", first: 1_000, last: 999 + blocks, swaps: 100 };
        let node = dense::node(1, &DenseChain::new(shape))?;
        let line = |swap: Swap| {
            let Swap { transaction, user, sold, bought, given, got, .. } = swap;
            format!("{transaction}: {user} gives {given} of {sold} for {got} of {bought}")
        };
        Ok(Self { node, first: shape.first, trades: shape.all().map(line).collect(), blocks })
    }

    /// Mainnet's blocks, again and again.
    pub(crate) fn mainnet(blocks: u64) -> anyhow::Result<Self> {
        let (chain, bases) = shaped(blocks)?;
        let node = chain.node()?;
        let recorded = recorded_trades(&node, chain.first(), bases)?;
        let mut trades = vec![];
        for height in chain.first()..=chain.last() {
            let of_base = &recorded[usize::try_from((height - chain.first()) % bases)?];
            let here =
                |(hash, trade): &(String, String)| format!("{}: {trade}", ShapedChain::transaction_in(height, hash));
            trades.extend(of_base.iter().map(here));
        }
        Ok(Self { node, first: chain.first(), trades, blocks })
    }
}

/// A chain of so many blocks of mainnet's shape, and how many of them are recorded.
pub(crate) fn shaped(blocks: u64) -> anyhow::Result<(Arc<ShapedChain>, u64)> {
    let recordings = read_all(&blocks_dir(), 1)?;
    Ok((Arc::new(ShapedChain::new(&recordings, blocks)?), recordings.len() as u64))
}

/// How a trade is written in a line, without its transaction.
pub(crate) fn trade_line(trader: &str, sold: (&str, &str), bought: (&str, &str)) -> String {
    format!("{trader} gives {} of {} for {} of {}", sold.1, sold.0, bought.1, bought.0)
}

/// The trades of the first blocks as the plugin finds them in this process: by block, each with its transaction's hash.
fn recorded_trades(node: &Node, first: u64, blocks: u64) -> anyhow::Result<Vec<Vec<(String, String)>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (address, _serving) = runtime.block_on(node.serve("127.0.0.1:0".parse()?))?;
    let mut host = HttpHost {
        runtime: &runtime,
        url: format!("http://{address}"),
        http: reqwest::Client::new(),
        kept: HashMap::new(),
    };
    let context = sdk::Context { settings: "{}".to_owned(), now_ms: 0, attributes: vec![] };
    let span = sdk::Span { first, last: first + blocks - 1 };
    let scanned = Evm::scan(&mut host, &context, span).map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
    ensure!(scanned.through == span.last, "the recorded blocks are scanned through {}", scanned.through);
    let side = |side: &sdk::Side| (side.asset.clone(), from_uint256(side.raw).to_string());
    let line = |trade: &sdk::Trade| {
        let ((sold, given), (bought, got)) = (side(&trade.sold), side(&trade.bought));
        let text = trade_line(&trade.trader.address, (&sold, &given), (&bought, &got));
        (trade.transaction.hash.clone(), text)
    };
    let of_block = |block: &sdk::Block| block.trades.iter().map(line).collect::<Vec<_>>();
    let found: Vec<Vec<_>> = scanned.blocks.iter().map(of_block).collect();
    ensure!(found.iter().map(Vec::len).sum::<usize>() > 50, "the recorded blocks hold trades");
    Ok(found)
}

/// A host of the plugin in this process, over HTTP.
struct HttpHost<'a> {
    runtime: &'a tokio::runtime::Runtime,
    url: String,
    http: reqwest::Client,
    kept: HashMap<String, Vec<u8>>,
}

impl HttpHost<'_> {
    fn ask(&self, request: sdk::Request) -> Result<sdk::Response, sdk::UpstreamError> {
        let answer = self.runtime.block_on(async {
            let call = self.http.post(&self.url).body(request.body.unwrap_or_default());
            call.header("content-type", "application/json").send().await?.bytes().await
        });
        let body = answer.map_err(|error| sdk::UpstreamError::Unreachable(error.to_string()))?.to_vec();
        Ok(sdk::Response { status: 200, headers: vec![], body })
    }
}

impl Host for HttpHost<'_> {
    fn send(&mut self, requests: Vec<sdk::Request>) -> Vec<Result<sdk::Response, sdk::UpstreamError>> {
        requests.into_iter().map(|request| self.ask(request)).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.kept.get(key).cloned()).collect()
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        self.kept.extend(facts);
    }

    fn log(&mut self, _level: Level, _message: &str) {}
}
