//! `cargo xtask walk`: checks that the typed client matches the api's document, tests it, then drives the page in a real browser
//! over a real `chaintape`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::plugins;
use crate::process::{build, built, note, program, root, run, target};

/// Where Debian and others put a Chromium.
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Checks the client, tests it, runs the browser journeys.
pub(crate) fn through() -> anyhow::Result<()> {
    let browser = browser()?;
    plugins::build(&[])?;
    note("building chaintape");
    build(&["chaintape"])?;
    let client = root().join("services/api/client");
    let npm = |arguments: &[&str]| {
        let mut npm = program("npm", arguments);
        npm.current_dir(&client).env("CHROMIUM", &browser).env("CHAINTAPE_BIN", built("chaintape"));
        run(npm.env("PLUGINS_DIR", target("plugins")).env("JOURNEYS_DIR", target("journeys")))
    };
    npm(&["install", "--no-audit", "--no-fund", "--no-package-lock"])?;
    note("the client fits the api");
    let committed = generated_files(&client)?;
    npm(&["run", "--silent", "generate"])?;
    npm(&["run", "--silent", "build"])?;
    let stale: Vec<_> =
        generated_files(&client)?.into_iter().filter(|(path, bytes)| committed.get(path) != Some(bytes)).collect();
    let names: Vec<_> = stale.iter().map(|(path, _)| path.display().to_string()).collect();
    ensure!(
        names.is_empty(),
        "{} was generated from another openapi.json and has been regenerated: commit it",
        names.join(", ")
    );
    note("the client");
    npm(&["run", "--silent", "test"])?;
    note("the page in a browser");
    npm(&["run", "--silent", "journeys"])
}

/// The generated files that are committed: the schema, and the client as the page uses it.
fn generated_files(client: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = vec![client.join("src/schema.ts")];
    let page = client.join("../page/client");
    for entry in std::fs::read_dir(&page).with_context(|| page.display().to_string())? {
        files.push(entry?.path());
    }
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Ok((path, bytes))
    };
    files.into_iter().map(read).collect()
}

fn browser() -> anyhow::Result<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let known = || BROWSERS.into_iter().map(PathBuf::from).find(|path| Path::is_file(path));
    named
        .or_else(known)
        .context("find a Chromium: install one (Debian: `apt-get install chromium`), or name it in CHROMIUM")
}
