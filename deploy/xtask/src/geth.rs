//! `cargo xtask geth`: builds Geth, a real EVM node, from its Go module, for the tests that follow one.

use std::path::PathBuf;

use anyhow::ensure;

use crate::go;
use crate::process::{note, output, program, put, target};

/// The module and the program in it.
const PROGRAM: &str = "github.com/ethereum/go-ethereum/cmd/geth";

/// The version that tests are written against.
const VERSION: &str = "v1.17.10";

/// Builds the pinned version; the folder it is in.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let dir = target("geth");
    let version = dir.join("version");
    let is_built = std::fs::read(&version).is_ok_and(|built| built == VERSION.as_bytes()) && installed().is_some();
    if !is_built {
        let go = go::found("Geth")?;
        note(&format!("building Geth {VERSION} from its Go module: minutes"));
        let mut build = program(&go, &["install", &format!("{PROGRAM}@{VERSION}")]);
        output(build.env("GOBIN", &dir).env("GOFLAGS", ""))?;
        ensure!(installed().is_some(), "go installed no {}", dir.join("geth").display());
        put(&version, VERSION.as_bytes())?;
    }
    note(&format!("Geth is in {}", dir.display()));
    Ok(dir)
}

/// The folder, if the program is there.
pub(crate) fn installed() -> Option<PathBuf> {
    let dir = target("geth");
    dir.join("geth").is_file().then_some(dir)
}
