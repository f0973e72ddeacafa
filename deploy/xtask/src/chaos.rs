//! `cargo xtask chaos`: builds the services, starts a real Kafka and PostgreSQL unless they are given, and strikes.

use anyhow::Context;

use crate::check::surroundings;
use crate::process::{built, cargo, note, program, run, target};
use crate::{bench, plugins, servers};

/// Strikes `faults` times as `seed` says.
pub(crate) fn strike(faults: u64, seed: u64, failover: bool) -> anyhow::Result<()> {
    plugins::build()?;
    note("building the services");
    // As the tests build them: which packages are built together decides dependencies' features, and other features are other
    // builds of everything.
    run(&mut cargo(&["test", "--quiet", "--workspace", "--no-run"]))?;
    let verdict = target("bench/chaos.json");
    if let Some(folder) = verdict.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Only servers that this program started can be killed by it.
    let given = servers::running();
    let ours = given.is_none();
    let variables = given.map_or_else(servers::start, Ok)?;
    let mut chaos = program(built("chaos"), &["--faults", &faults.to_string(), "--seed", &seed.to_string()]);
    surroundings(&mut chaos);
    chaos.envs(variables.iter().map(|(name, value)| (*name, value)));
    chaos.args(failover.then_some("--failover")).env("CHAINTAPE_MACHINE", bench::machine());
    chaos.arg("--verdict").arg(&verdict).arg("--binaries").arg(built("chaos").parent().context("no folder")?);
    // Not this program's own path: the build above may have put another file in its place.
    chaos.arg("--").arg(built("xtask")).args(["servers", "bounce"]);
    let struck = run(&mut chaos);
    if ours {
        servers::stop_all()?;
    }
    struck
}
