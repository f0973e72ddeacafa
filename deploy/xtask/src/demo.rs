//! The demo: everything in one process on SQLite, following a mock chain and replaying recorded Ethereum and Solana
//! blocks.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::process::{Running, build_embedded, built, note, program, root, target};
use crate::{page, plugins};

/// Seconds from one recorded block to the next, a little under the chain's own.
const PACE: &str = "8";

/// How long the first trades may take, builds not counted.
const FIRST_TRADES_TIMEOUT: Duration = Duration::from_mins(1);

/// Builds everything, starts it, and keeps it running until Ctrl-C or the given time.
pub(crate) fn run_for(seconds: Option<u64>) -> anyhow::Result<()> {
    let address = address()?;
    let dir = target("demo");
    let ChainFiles { ids: chains, plugins } = lay_out(&dir)?;
    let names: Vec<&str> = plugins.iter().map(String::as_str).collect();
    note(&format!("1 of 3: compiling the plugins {} (about a minute the first time)", names.join(", ")));
    plugins::build_some(&plugins)?;
    note("2 of 3: compiling chaintape and the replay node (some minutes the first time, seconds later)");
    build_embedded()?;
    note("3 of 3: starting; recorded blocks of Ethereum and Solana, and a mock chain");
    // From here on there is something to stop; before, Ctrl-C simply ends the build.
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = stopped.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("failed to listen for Ctrl-C")?;
    let begun = Instant::now();
    let (mut replay, upstream) = start_replay()?;
    let mut chaintape = start_chaintape(&dir, address, &upstream)?;
    let mut waiting = chains.clone();
    let mut announced = false;
    // A given time ends the demo only once every chain has been served.
    let is_over = |waiting: &[String]| {
        waiting.is_empty() && seconds.is_some_and(|most| begun.elapsed() >= Duration::from_secs(most))
    };
    while !stopped.load(Ordering::Relaxed) && !is_over(&waiting) {
        chaintape.still_there()?;
        replay.still_there()?;
        waiting.retain(|chain| {
            let there = page::trades(address, chain).is_some_and(|trades| trades > 0);
            if there {
                note(&format!("first trades of {chain} served after {:.1} s", begun.elapsed().as_secs_f64()));
            }
            !there
        });
        if !announced && waiting.len() < chains.len() {
            announced = true;
            note(&format!("open http://{address}/ – Ctrl-C stops everything"));
        }
        ensure!(
            waiting.is_empty() || begun.elapsed() < FIRST_TRADES_TIMEOUT,
            "no trade of {} was served within {} s; what went wrong is in {}",
            waiting.join(", "),
            FIRST_TRADES_TIMEOUT.as_secs(),
            dir.join("log.jsonl").display()
        );
        std::thread::sleep(Duration::from_millis(if waiting.is_empty() { 500 } else { 100 }));
    }
    ensure!(stopped.load(Ordering::Relaxed) || waiting.is_empty(), "no trade of {} was served", waiting.join(", "));
    note("stopping");
    Ok(())
}

fn address() -> anyhow::Result<SocketAddr> {
    let address = std::env::var("API_ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let address: SocketAddr = address.parse().with_context(|| format!("API_ADDR is no address: {address}"))?;
    // Found out now, it is one sentence; later it would be a puzzle.
    std::net::TcpListener::bind(address).with_context(|| format!("{address} is taken; set API_ADDR to another one"))?;
    Ok(address)
}

/// The chain files that the demo follows.
struct ChainFiles {
    /// The chains' ids, sorted.
    ids: Vec<String>,
    /// The plugins that they name.
    plugins: BTreeSet<String>,
}

/// Lays out an empty tape and the chain files to follow.
fn lay_out(dir: &Path) -> anyhow::Result<ChainFiles> {
    // Recorded blocks are replayed once from the first: every demo starts with an empty tape.
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("target/demo"),
        _ => std::fs::create_dir_all(dir.join("chains"))?,
    }
    std::fs::create_dir_all(dir.join("data"))?;
    let chains = root().join("env/chains");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(chains.join("dev")).context("env/chains/dev")? {
        files.push(entry?.path());
    }
    if std::env::var("ETH_RPC_URL").is_ok_and(|url| !url.is_empty()) {
        files.push(chains.join("prod/ethereum.toml"));
    }
    let (mut ids, mut plugins) = (Vec::new(), BTreeSet::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
        let text = std::fs::read_to_string(file)?;
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
            line.map(str::to_owned).with_context(|| format!("{} has no `{key}`", file.display()))
        };
        ids.push(value("id")?);
        plugins.insert(value("plugin")?);
        std::fs::copy(file, dir.join("chains").join(file.file_name().unwrap_or_default()))?;
    }
    ids.sort();
    Ok(ChainFiles { ids, plugins })
}

/// The replay node and its address, which is the first line it prints.
fn start_replay() -> anyhow::Result<(Running, String)> {
    let mut command = program(built("replay-node"), &["--pace", PACE]);
    let mut replay = Running::start("the replay node", command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let output = replay.child().stdout.take().context("the replay node has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    ensure!(line.starts_with("http://"), "the replay node did not say where it is");
    Ok((replay, line.trim().to_owned()))
}

fn start_chaintape(dir: &Path, address: SocketAddr, upstream: &str) -> anyhow::Result<Running> {
    let data = dir.join("data");
    let log = std::fs::File::create(dir.join("log.jsonl"))?;
    let mut command = chaintape(&dir.join("chains"), &data, address);
    Running::start("chaintape", command.env("REPLAY_RPC_URL", upstream).stdout(log))
}

/// Everything in one process on SQLite: chain files in one folder, what is kept in another.
pub(crate) fn chaintape(chains: &Path, data: &Path, address: SocketAddr) -> Command {
    let mut command = program(built("chaintape"), &[]);
    command
        .env("APP_ENV", "dev")
        .env("PLUGINS_DIR", target("plugins"))
        .env("CHAINS_DIR", chains)
        .env("LOG", format!("sqlite:{}", data.join("log.db").display()))
        .env("DATABASE_URL", format!("sqlite:{}", data.display()))
        .env("API_ADDR", address.to_string())
        .env("PORTFOLIO_TRACK", "all")
        .env("PORTFOLIO_PROVIDER", "mock")
        .stdin(Stdio::null());
    command
}
