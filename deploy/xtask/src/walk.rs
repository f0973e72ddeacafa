//! `cargo xtask walk`: the typed client held to the api's document and tested, then the page walked through in a real browser,
//! over a real `chaintape`.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::plugins;
use crate::process::{build, built, note, program, root, run, target};

/// Where Debian and others put a Chromium.
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Checks, tests, walks.
pub(crate) fn through() -> anyhow::Result<()> {
    let browser = browser()?;
    plugins::build()?;
    note("building chaintape");
    build(&["chaintape"])?;
    let client = root().join("services/api/client");
    let npm = |arguments: &[&str]| {
        let mut npm = program("npm", arguments);
        npm.current_dir(&client).env("CHROMIUM", &browser).env("CHAINTAPE_BIN", built("chaintape"));
        run(npm.env("PLUGINS_DIR", target("plugins")).env("JOURNEYS_DIR", target("journeys")))
    };
    npm(&["install", "--no-audit", "--no-fund", "--no-package-lock"])?;
    for (script, what) in
        [("check", "the client fits the api"), ("test", "the client"), ("journeys", "the page in a browser")]
    {
        note(what);
        npm(&["run", "--silent", script])?;
    }
    Ok(())
}

fn browser() -> anyhow::Result<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let known = || BROWSERS.into_iter().map(PathBuf::from).find(|path| Path::is_file(path));
    named
        .or_else(known)
        .context("find a Chromium: install one (Debian: `apt-get install chromium`), or name it in CHROMIUM")
}
