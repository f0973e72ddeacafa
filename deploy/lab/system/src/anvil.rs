//! anvil, a real EVM node: started and reorganised by tests.

use crate::evm_node::{EvmNode, two_free_ports};
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder that `cargo xtask anvil` fills, with the node and the venues' contracts.
pub fn installed() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/anvil");
    let folder = std::env::var_os("CHAINTAPE_ANVIL").map_or(default, PathBuf::from);
    folder.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil").is_file().then_some(folder)
}

/// Starts a node on a free port of the loopback.
pub async fn start(folder: &Path) -> anyhow::Result<EvmNode> {
    environment::install_crypto();
    let packages = folder.join("node_modules");
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
