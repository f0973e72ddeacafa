//! What tests of the running binary share.

#[path = "mock_chain.rs"]
mod mock_chain;

use mock_chain::lay_out;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// `chaintape` on a mock chain, and its lines.
pub(crate) fn start(folder: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    lay_out(folder);
    let mut chaintape = Command::new(env!("CARGO_BIN_EXE_chaintape"));
    chaintape.env_clear().current_dir(folder).stdout(Stdio::piped()).kill_on_drop(true);
    chaintape.env("PLUGINS_DIR", folder.join("plugins")).env("CHAINS_DIR", folder.join("chains"));
    chaintape.env("API_ADDR", "127.0.0.1:0").env("PORTFOLIO_PROVIDER", "mock").env("PORTFOLIO_TRACK", "all");
    let mut running = chaintape.spawn().unwrap();
    let lines = BufReader::new(running.stdout.take().unwrap()).lines();
    (running, lines)
}
