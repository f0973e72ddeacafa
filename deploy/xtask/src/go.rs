//! Finds a Go that can build what tests need: the machine's, or a newer one that comes as a module.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::process::{apt_install, has, note, output, program};

/// The newest Go that a module built here asks for in its `go.mod`, as `go version` names it.
const LEAST_GO: [u32; 2] = [1, 26];

/// Go for a machine whose own is too old to bring a newer one by itself (before 1.21).
const TOOLCHAIN: &str = "golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64";

/// The program `go`; `what` is built with it and named where something has to be installed first.
pub(crate) fn found(what: &str) -> anyhow::Result<PathBuf> {
    if !has("go") {
        apt_install(&["golang-go"], what)?;
    }
    let go = PathBuf::from("go");
    let version = version_of(&go)?;
    // From 1.21 on Go fetches the version that a module asks for.
    if version >= LEAST_GO || (version >= [1, 21] && is_free_to_fetch(&go)?) {
        return Ok(go);
    }
    note("this machine's Go is too old: fetching a newer one as a module");
    let fetched = output(&mut program(&go, &["mod", "download", "-json", TOOLCHAIN]))?;
    let fetched: serde_json::Value = serde_json::from_str(&fetched).context("the answer of `go mod download`")?;
    let Some(dir) = fetched["Dir"].as_str().map(Path::new) else { bail!("go downloaded no {TOOLCHAIN}: {fetched}") };
    // A module's files cannot be run before they are told so.
    for tools in ["bin", "pkg/tool"] {
        output(Command::new("chmod").args(["-R", "+x"]).arg(dir.join(tools)))?;
    }
    Ok(dir.join("bin/go"))
}

fn is_free_to_fetch(go: &Path) -> anyhow::Result<bool> {
    Ok(output(Command::new(go).args(["env", "GOTOOLCHAIN"]))? != "local")
}

/// `go version go1.26.8 linux/amd64` as `[1, 26]`.
fn version_of(go: &Path) -> anyhow::Result<[u32; 2]> {
    let said = output(Command::new(go).arg("version"))?;
    let numbers = said.split_whitespace().find_map(|word| word.strip_prefix("go1."));
    let minor = numbers.and_then(|rest| rest.split(['.', 'r', 'b', '-']).next()).and_then(|minor| minor.parse().ok());
    Ok([1, minor.with_context(|| format!("`go version` says {said}"))?])
}
