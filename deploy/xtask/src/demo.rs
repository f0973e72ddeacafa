//! `cargo xtask demo`: builds the plugins and `chaintape` with its demo, and runs that from an empty folder, as from a release.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::plugins;
use crate::process::{build_demo, built, note, program, run, target};

/// The plugins that the demo brings along.
const PLUGINS: [&str; 3] = ["evm", "mock", "solana"];

/// Builds everything, starts it, and keeps it running until Ctrl-C or the given time.
pub(crate) fn run_for(seconds: Option<u64>) -> anyhow::Result<()> {
    let folder = target("demo");
    // Recorded blocks are replayed once from the first: every demo starts with an empty tape.
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("target/demo"),
        _ => {}
    }
    note(&format!("1 of 3: compiling the plugins {} (about a minute the first time)", PLUGINS.join(", ")));
    plugins::build_some(&PLUGINS.map(str::to_owned).into_iter().collect::<BTreeSet<_>>())?;
    note("2 of 3: compiling chaintape (some minutes the first time, seconds later)");
    build_demo()?;
    note("3 of 3: starting; recorded blocks of Ethereum and Solana, and a mock chain");
    let mut demo = program(built("chaintape"), &["demo", "--folder"]);
    demo.arg(&folder);
    if let Some(seconds) = seconds {
        demo.args(["--for", &seconds.to_string()]);
    }
    // Ctrl-C reaches both; what the demo started is for it to stop.
    ctrlc::set_handler(|| {}).context("failed to listen for Ctrl-C")?;
    // Away from the repository: nothing of it is to be of use.
    let elsewhere = tempfile::tempdir()?;
    run(demo.current_dir(elsewhere.path()))
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
