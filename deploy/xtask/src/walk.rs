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
        "{} was generated from another openapi.json or asyncapi.json and has been regenerated: commit it",
        names.join(", ")
    );
    note("the client");
    npm(&["run", "--silent", "test"])?;
    note("the client for Python");
    check_python(&root().join("services/api/client-python"))?;
    note("the page in a browser");
    npm(&["run", "--silent", "journeys"])
}

/// Generates, checks and tests the client for Python in an environment of its own.
fn check_python(client: &Path) -> anyhow::Result<()> {
    let environment = target("client-python");
    let python = environment.join("bin/python").display().to_string();
    if !Path::new(&python).is_file() {
        run(program("python3", &["-m", "venv"]).arg(&environment))?;
    }
    let with_python = |arguments: &[&str]| {
        let mut command = program(&python, arguments);
        command.current_dir(client).env("CHAINTAPE_BIN", built("chaintape"));
        run(command.env("PLUGINS_DIR", target("plugins")))
    };
    with_python(&["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", ".[dev]"])?;
    let generated = ["schema.py", "operations.py"].map(|name| client.join("chaintape_client").join(name));
    let read = || generated.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>();
    let committed = read()?;
    with_python(&["generate.py"])?;
    ensure!(
        committed == read()?,
        "services/api/client-python was generated from another openapi.json and has been regenerated: commit it"
    );
    with_python(&["-m", "mypy", "chaintape_client", "examples", "tests"])?;
    with_python(&["-m", "pytest", "--quiet"])
}

/// The generated files that are committed: the schemas, and the client as the page uses it.
fn generated_files(client: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = vec![client.join("src/schema.ts"), client.join("src/messages.ts")];
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
