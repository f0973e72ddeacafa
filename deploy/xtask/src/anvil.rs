//! `cargo xtask anvil`: installs anvil, a real EVM node, and the venues' real contracts from their npm packages.

use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::process::{apt_install, has, note, output, program, put, root, target};

/// Where the node's binary is inside its package.
const BINARY: &str = "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";

/// Installs what `deploy/lab/nodes/anvil/package.json` pins; the folder it is in.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let dir = target("anvil");
    let wanted = std::fs::read(root().join("deploy/lab/nodes/anvil/package.json")).context("package.json")?;
    if put(&dir.join("package.json"), &wanted)? || installed().is_none() {
        if !has("npm") {
            apt_install(&["npm"], "anvil")?;
        }
        note("installing anvil and the venues' contracts");
        let mut npm = program("npm", &["install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]);
        output(npm.current_dir(&dir))?;
        ensure!(installed().is_some(), "npm installed no {BINARY}");
    }
    note(&format!("anvil is in {}", dir.display()));
    Ok(dir)
}

/// The folder, if it is all there.
pub(crate) fn installed() -> Option<PathBuf> {
    let dir = target("anvil");
    dir.join(BINARY).is_file().then_some(dir)
}
