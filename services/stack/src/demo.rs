//! The command `demo`: everything from this one program, on a mock chain and on recorded blocks of Ethereum and Solana, which it brings
//! along with the plugins that read them.
//!
//! The services run in a process of their own, as they would anywhere; this one is the node that replays, and looks at the page.

use anyhow::{Context, bail, ensure};
use clap::Args;
use environment::{Shutdown, Strings};
use nodes::{replay, solana};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Seconds from one recorded block to the next, a little under the chain's own.
const PACE: Duration = Duration::from_secs(8);
/// How many blocks `finalized` trails the head.
const FINALITY: u64 = 2;
/// How long the first trades may take.
const FIRST_TRADES_TIMEOUT: Duration = Duration::from_mins(1);
/// Between two looks at the page.
const PAGE_POLL_EVERY: Duration = Duration::from_millis(100);
/// How long the services may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Where the page is, unless `API_ADDR` says otherwise.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

/// The plugins, which `build.rs` has found.
const PLUGINS: [(&str, &[u8]); 3] = [
    ("mock.wasm", include_bytes!(concat!(env!("OUT_DIR"), "/mock.wasm"))),
    ("evm.wasm", include_bytes!(concat!(env!("OUT_DIR"), "/evm.wasm"))),
    ("solana.wasm", include_bytes!(concat!(env!("OUT_DIR"), "/solana.wasm"))),
];

macro_rules! blocks {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../../../deploy/lab/nodes/blocks/", $name)))),*]
    };
}

/// The recorded blocks.
const BLOCKS: [(&str, &[u8]); 6] = blocks!(
    "1_14000000.json.gz",
    "1_14000001.json.gz",
    "1_14000002.json.gz",
    "1_14000003.json.gz",
    "1_14000004.json.gz",
    "solana_285000037.json.gz"
);

/// The chain files: the id of the chain, and the text.
const CHAINS: [(&str, &str); 3] = [
    ("mock", include_str!("../../../env/chains/dev/mock.toml")),
    ("replay-ethereum", include_str!("../../../env/chains/dev/replay-ethereum.toml")),
    ("replay-solana", include_str!("../../../env/chains/dev/replay-solana.toml")),
];

/// Followed too where `ETH_RPC_URL` names a node.
const ETHEREUM: (&str, &str) = ("ethereum", include_str!("../../../env/chains/prod/ethereum.toml"));

/// A plugin that the demo brings along.
pub(crate) fn plugin(id: &str) -> Option<&'static [u8]> {
    let file = format!("{id}.wasm");
    PLUGINS.into_iter().find_map(|(name, bytes)| (name == file).then_some(bytes))
}

/// How the demo runs.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoCommand {
    /// Where everything is kept; it must not be there yet. Without it, a folder that is gone with the demo.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// End after so many seconds, but not before trades of every chain are served; an error where that takes over a minute.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

impl DemoCommand {
    /// Runs until Ctrl-C or the given time.
    pub(crate) async fn execute(self, strings: &impl Strings) -> anyhow::Result<()> {
        let address = free_address(strings)?;
        let temporary = tempfile::Builder::new().prefix("chaintape-demo-").tempdir().context("make a folder")?;
        let folder = self.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
        if self.folder.is_some() {
            ensure!(!folder.exists(), "make {}: it is there already; name another folder", folder.display());
        }
        let folder = std::path::absolute(&folder)?;
        let chains = lay_out(&folder, strings)?;
        let log = folder.join("log.jsonl");
        let ended = self.run(&folder, &log, address, chains, strings).await;
        if ended.is_err() && self.folder.is_none() {
            // The log says why.
            let _ = temporary.keep();
        }
        ended.with_context(|| format!("run the demo (its log is {})", log.display()))
    }

    async fn run(
        &self,
        folder: &Path,
        log: &Path,
        address: SocketAddr,
        chains: Vec<&'static str>,
        strings: &impl Strings,
    ) -> anyhow::Result<()> {
        let shutdown = Shutdown::on_signals();
        stop_with_the_terminal(&shutdown)?;
        let begun = Instant::now();
        let upstream = replay_blocks(&folder.join("blocks")).await?;
        let mut services = start_services(folder, log, address, &upstream, strings)?;
        let http = reqwest::Client::builder().no_proxy().build().context("make an HTTP client")?;
        let mut waiting = chains.clone();
        let is_over = |waiting: &[&str]| {
            waiting.is_empty() && self.seconds.is_some_and(|most| begun.elapsed() >= Duration::from_secs(most))
        };
        while !shutdown.requested() && !is_over(&waiting) {
            if let Some(status) = services.try_wait()? {
                bail!("keep the services running: they ended with {status}");
            }
            let mut served = vec![];
            for chain in &waiting {
                if trades(&http, address, chain).await.is_some_and(|trades| trades > 0) {
                    environment::print_line!(
                        "first trades of {chain} served after {:.1} s",
                        begun.elapsed().as_secs_f64()
                    );
                    served.push(*chain);
                }
            }
            if waiting.len() == chains.len() && !served.is_empty() {
                environment::print_line!("open http://{address}/ – Ctrl-C stops everything");
            }
            waiting.retain(|chain| !served.contains(chain));
            ensure!(
                waiting.is_empty() || begun.elapsed() < FIRST_TRADES_TIMEOUT,
                "serve trades of {} within {} s",
                waiting.join(", "),
                FIRST_TRADES_TIMEOUT.as_secs()
            );
            shutdown.or_stop(tokio::time::sleep(PAGE_POLL_EVERY)).await;
        }
        environment::print_line!("stopping");
        stop(services).await
    }
}

/// Where the page will be; that it is taken is found out now, in one sentence.
fn free_address(strings: &impl Strings) -> anyhow::Result<SocketAddr> {
    let address = strings.get("API_ADDR").unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    let parsed: SocketAddr = address
        .parse()
        .with_context(|| format!("read API_ADDR `{address}`; write an address such as {DEFAULT_ADDRESS}"))?;
    let listener = TcpListener::bind(parsed);
    let listener = listener.with_context(|| format!("listen at {parsed}; set API_ADDR to another address"))?;
    Ok(listener.local_addr()?)
}

/// Writes plugins, chain files and blocks; the ids of the chains.
fn lay_out(folder: &Path, strings: &impl Strings) -> anyhow::Result<Vec<&'static str>> {
    let write = |path: PathBuf, bytes: &[u8]| {
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, bytes)).with_context(|| format!("write {}", path.display()))
    };
    for (name, bytes) in PLUGINS {
        write(folder.join("plugins").join(name), bytes)?;
    }
    for (name, bytes) in BLOCKS {
        write(folder.join("blocks").join(name), bytes)?;
    }
    let live = strings.get(ETHEREUM_NODE).map(|_| ETHEREUM);
    let chains: BTreeMap<&str, &str> = CHAINS.into_iter().chain(live).collect();
    for (id, text) in &chains {
        write(folder.join("chains").join(format!("{id}.toml")), text.as_bytes())?;
    }
    fs::create_dir_all(folder.join("data"))?;
    Ok(chains.into_keys().collect())
}

/// Serves the recorded blocks, one more every few seconds, until the process ends; where.
async fn replay_blocks(blocks: &Path) -> anyhow::Result<String> {
    let node = replay::Node::load_chain(blocks, 1).context("read the recorded blocks of Ethereum")?;
    let solana = solana::Recording::load_from(blocks).context("read the recorded block of Solana")?;
    let beside = solana::Node::from_recording(&solana).router("/solana");
    node.set_finality(FINALITY);
    let heights = node.heights();
    if let Some(first) = heights.first() {
        node.set_head(*first);
    }
    let (address, server) = node.serve_beside(([127, 0, 0, 1], 0).into(), beside).await.context("replay blocks")?;
    tokio::spawn(async move {
        for height in heights.into_iter().skip(1) {
            tokio::time::sleep(PACE).await;
            node.set_head(height);
        }
        server.wait().await
    });
    Ok(format!("http://{address}"))
}

/// What the services take over of this process's variables: all else is the demo's own.
const VARIABLES_TAKEN_OVER: [&str; 9] =
    ["PATH", "HOME", "TMPDIR", "RUST_LOG", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", ETHEREUM_NODE];

/// The address of a node of Ethereum.
const ETHEREUM_NODE: &str = "ETH_RPC_URL";

/// This program again, as the services. They end with this process, however that ends: their standard input closes then.
fn start_services(
    folder: &Path,
    log: &Path,
    address: SocketAddr,
    upstream: &str,
    strings: &impl Strings,
) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("find this program")?;
    let data = folder.join("data");
    let log = fs::File::create(log).with_context(|| format!("write {}", log.display()))?;
    let taken_over = VARIABLES_TAKEN_OVER.into_iter().filter_map(|name| Some((name, strings.get(name)?)));
    let mut services = Command::new(program);
    services
        .arg("--until-stdin-closes")
        // No files of variables from wherever the user stands, and no variables that are meant for another system.
        .current_dir(folder)
        .env_clear()
        .envs(taken_over)
        .env("PLUGINS_DIR", folder.join("plugins"))
        .env("CHAINS_DIR", folder.join("chains"))
        .env("LOG", format!("sqlite:{}", data.join("log.db").display()))
        .env("DATABASE_URL", format!("sqlite:{}", data.display()))
        .env("API_ADDR", address.to_string())
        .env("PORTFOLIO_TRACK", "all")
        .env("PORTFOLIO_PROVIDER", "mock")
        .env("REPLAY_RPC_URL", upstream)
        .stdin(Stdio::piped())
        .stdout(log)
        // Ctrl-C is for this process, which asks the other one to stop: a second signal would end that at once.
        .process_group(0)
        .kill_on_drop(true);
    services.spawn().context("start the services")
}

/// A terminal that is closed ends the demo as Ctrl-C does, unless it was told to outlive it (`nohup`).
fn stop_with_the_terminal(shutdown: &Shutdown) -> anyhow::Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !is_hangup_ignored(&status) {
        let mut hangup = signal(SignalKind::hangup()).context("listen for the end of the terminal")?;
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            hangup.recv().await;
            shutdown.trigger();
        });
    }
    Ok(())
}

/// Whether the first signal is among those that a process ignores, as Linux lists them.
fn is_hangup_ignored(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// How many trades of a chain the api serves in one answer; none while it does not answer.
async fn trades(http: &reqwest::Client, address: SocketAddr, chain: &str) -> Option<usize> {
    let answer = http.get(format!("http://{address}/v1/trades?chain={chain}")).send().await.ok()?;
    let answer: Value = answer.error_for_status().ok()?.json().await.ok()?;
    answer["items"].as_array().map(Vec::len)
}

/// Asks the services to stop and waits for it; they are killed where they do not.
async fn stop(mut services: Child) -> anyhow::Result<()> {
    drop(services.stdin.take());
    match tokio::time::timeout(STOP_TIMEOUT, services.wait()).await {
        Ok(ended) => ended.map(drop).context("wait for the services"),
        Err(_) => services.kill().await.context("end the services"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_told_to_outlive_its_terminal_is_known() {
        assert!(is_hangup_ignored("Name:\tchaintape\nSigIgn:\t0000000000001001\n"));
        assert!(!is_hangup_ignored("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!is_hangup_ignored(""), "where the system does not say");
    }
}
