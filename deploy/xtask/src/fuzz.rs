//! `cargo xtask fuzz-api`: a real `chaintape` on a mock chain, asked whatever its OpenAPI document allows and much that it does not.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;

use crate::demo::chaintape;
use crate::process::{Running, build, note, program, root, run, wait};
use crate::servers::free_port;
use crate::{page, plugins};

/// How long the first trades may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Two blocks a second and a branch that is left every fourth second, so that every list has something in it.
const CHAIN: &str = "\
id = \"mock\"
plugin = \"mock\"
start = \"latest\"
poll_ms = 100
[settings]
block-ms = 500
trades-per-block = 3
users = 12
reorg-every = 8
reorg-depth = 3
finality = 16
";

/// Asks so many times for each operation; an answer that the document does not promise is an error.
pub(crate) fn api(examples: u32) -> anyhow::Result<()> {
    plugins::build()?;
    note("building chaintape");
    build(&["chaintape"])?;
    let folder = tempfile::Builder::new().prefix("chaintape-fuzz-").tempdir()?;
    let (mut chaintape, address) = start(folder.path())?;
    wait(PATIENCE, || page::trades(address, "mock").filter(|trades| *trades > 0))
        .with_context(|| format!("no trade was served at {address} within {} s", PATIENCE.as_secs()))?;
    note(&format!("asking {address} {examples} times for each operation"));
    let script = root().join("deploy/system/fuzz-openapi.sh");
    run(&mut program(script, &[&format!("http://{address}"), &examples.to_string()]))?;
    chaintape.still_there()
}

fn start(folder: &Path) -> anyhow::Result<(Running, SocketAddr)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port(18080)?));
    let chains = folder.join("chains");
    std::fs::create_dir(&chains)?;
    std::fs::write(chains.join("mock.toml"), CHAIN)?;
    let mut command = chaintape(&chains, folder, address);
    let running = Running::start("chaintape", command.env("API_RATE_PER_SECOND", "0").stdout(Stdio::null()))?;
    Ok((running, address))
}
