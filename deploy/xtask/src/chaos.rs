//! `cargo xtask chaos`: builds the services, starts a real Kafka and PostgreSQL unless they run already, and injects faults.

use std::path::Path;
use std::process::Command;

use crate::check::set_locations;
use crate::process::{TEST_WORKSPACE, built, cargo, note, program, run, target};
use crate::servers::{self, Variables};
use crate::{bench, plugins};

/// Injects `faults` faults drawn from `seed`, of all kinds or one; for failover, takes down so many ingestors one after the other.
pub(crate) fn inject_faults(faults: u64, seed: u64, only: Option<String>, failover: bool) -> anyhow::Result<()> {
    plugins::build(&[])?;
    note("building the services");
    // As the tests build them: which packages are built together decides dependencies' features, and other features are other
    // builds of everything.
    run(&mut cargo(&[&TEST_WORKSPACE, &["--quiet", "--no-run"][..]].concat()))?;
    let verdict = target("bench/chaos.json");
    std::fs::create_dir_all(target("bench"))?;
    let mut arguments = vec!["--faults".to_owned(), faults.to_string(), "--seed".to_owned(), seed.to_string()];
    arguments.extend(only.into_iter().flat_map(|only| ["--only".to_owned(), only]));
    arguments.extend(failover.then(|| "--failover".to_owned()));
    servers::with(|variables| run(&mut command(&built("."), &arguments, &verdict, variables)))
}

/// The command line of chaos over these binaries and these servers.
pub(crate) fn command(binaries: &Path, arguments: &[String], verdict: &Path, variables: &Variables) -> Command {
    let mut chaos = program(binaries.join("chaos"), &[]);
    set_locations(&mut chaos);
    chaos.envs(variables.iter().map(|(name, value)| (*name, value)));
    chaos.env("CHAINTAPE_MACHINE", bench::machine()).env("CHAINTAPE_PLUGINS", target("plugins"));
    chaos.args(arguments).arg("--verdict").arg(verdict).arg("--binaries").arg(binaries);
    // Not this program's own path: a build may have put another file in its place.
    chaos.arg("--").arg(built("xtask")).args(["servers", "bounce"]);
    chaos
}
