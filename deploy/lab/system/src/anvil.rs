//! anvil, a real EVM node: started and reorganised by tests.

use crate::evm_node::{EvmNode, two_free_ports};
use anyhow::{Context, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder that `cargo xtask anvil` fills, with the node and the venues' contracts.
pub fn installed() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/anvil");
    let folder = std::env::var_os("CHAINTAPE_ANVIL").map_or(default, PathBuf::from);
    folder.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil").is_file().then_some(folder)
}

/// The same for a test. Where it is not there: none, after a sentence that says so, or an error where `CHAINTAPE_REQUIRE` names it.
pub fn installed_for_test() -> anyhow::Result<Option<PathBuf>> {
    let folder = installed();
    if folder.is_none() {
        skip("anvil")?;
    }
    Ok(folder)
}

/// Says that a test is skipped for want of a node; an error where `CHAINTAPE_REQUIRE` names it.
pub(crate) fn skip(node: &str) -> anyhow::Result<()> {
    let required = std::env::var("CHAINTAPE_REQUIRE").unwrap_or_default();
    ensure!(!required.split(',').any(|name| name == node), "{node} is required: run `cargo xtask {node}`");
    println!("skipped: {node} is not installed; run `cargo xtask {node}`");
    Ok(())
}

/// Starts a node on a free port of the loopback.
pub async fn start(folder: &Path) -> anyhow::Result<EvmNode> {
    environment::install_crypto();
    let packages = folder.join("node_modules");
    // The host looks for a socket at the port above: nobody else's must be there.
    let port = two_free_ports()?;
    let process = Command::new(packages.join("@foundry-rs/anvil-linux-amd64/bin/anvil"))
        .args(["--host", "127.0.0.1", "--silent", "--gas-limit", "300000000", "--port", &port.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .context("start anvil")?;
    EvmNode::answering(format!("http://127.0.0.1:{port}"), process, packages, vec![]).await
}

/// Replaces the newest blocks by empty ones.
pub async fn reorg(node: &EvmNode, depth: u64) -> anyhow::Result<()> {
    node.rpc("anvil_reorg", json!([depth, []])).await.map(|_| ())
}
