//! `cargo xtask registry`: builds the CNCF's own OCI registry from the Go module proxy, for the tests of `plugin publish` and `install`.

use std::path::PathBuf;

use anyhow::Context;

use crate::go;
use crate::process::{note, program, put, root, run, target};

/// What it is made of.
const SOURCES: [&str; 2] = ["go.mod", "main.go"];

/// Builds what `deploy/lab/registry/go.mod` pins into `target/registry`.
pub(crate) fn build() -> anyhow::Result<()> {
    let sources = target("registry").join("source");
    let mut is_new = installed().is_none();
    for name in SOURCES {
        let wanted = std::fs::read(root().join("deploy/lab/registry").join(name)).context(name)?;
        let is_same = std::fs::read(sources.join(format!("{name}.wanted"))).is_ok_and(|before| before == wanted);
        if !is_same {
            is_new = true;
            put(&sources.join(name), &wanted)?;
            put(&sources.join(format!("{name}.wanted")), &wanted)?;
        }
    }
    if is_new {
        note("compiling the registry (some minutes the first time)");
        // What go.mod pins decides about everything below it; Go notes that here, beside the copy.
        let mut build = program(go::found("the registry")?, &["build", "-mod=mod", "-o"]);
        run(build.arg(program_path()).arg(".").current_dir(&sources))?;
    }
    note(&format!("the registry is {}", program_path().display()));
    Ok(())
}

/// The program, if it is there.
pub(crate) fn installed() -> Option<PathBuf> {
    Some(program_path()).filter(|path| path.is_file())
}

fn program_path() -> PathBuf {
    target("registry").join("registry")
}
