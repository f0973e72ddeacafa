//! Every chore of the project behind one front door: `cargo xtask --help`.

mod process;
mod setup;
mod plugins;
mod wit;
mod secured;
mod kit;
mod demo;
mod page;
mod check;
mod servers;
mod anvil;
mod geth;
mod go;
mod first_run;
mod registry;
mod bench;
mod chaos;
mod dead_letters;
mod figures;
mod truth;
mod mutants;
mod walk;
mod fuzz;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every chore, one front door.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    /// Install missing Debian packages without asking.
    #[arg(long, global = true)]
    yes: bool,
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Prepares this machine for building plugins (the others do it by themselves).
    Setup,
    /// Builds the plugins into target/plugins.
    Plugins {
        /// Build them with cargo-component, into target/component-plugins.
        #[arg(long, conflicts_with = "javascript")]
        component: bool,
        /// Build the example in JavaScript instead, into target/examples (needs Node.js).
        #[arg(long)]
        javascript: bool,
        /// Only the plugins of these names; may be given several times.
        #[arg(long = "plugin", value_name = "NAME", conflicts_with_all = ["component", "javascript"])]
        names: Vec<String>,
    },
    /// Packs the plugin contract as registries of WebAssembly take it: target/wit/chaintape-plugin-VERSION.wasm.
    Wit,
    /// Commands for plugin authors: new, record, test, check, bench.
    Plugin {
        #[command(subcommand)]
        command: kit::PluginCommand,
    },
    /// Builds and starts everything on a mock chain and recorded blocks, and says where the page is.
    Demo {
        /// End after so many seconds, but not before trades of every chain are served; an error where that takes over a minute.
        #[arg(long = "for", value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Everything that must hold: format, lints, documentation, plugins, tests.
    Test,
    /// A real Kafka and a real PostgreSQL on loopback, for the tests that need them.
    Servers {
        #[command(subcommand)]
        command: servers::ServersCommand,
    },
    /// Follows a trade on servers that encrypt and give each process only its own rights (needs PgBouncer and OpenSSL).
    Secured,
    /// Installs anvil and the venues' contracts into target/anvil.
    Anvil,
    /// Builds Geth, another real EVM node, into target/geth (needs Go, or Debian's packages).
    Geth,
    /// Builds an OCI registry into target/registry, for the tests of `plugin publish` and `plugin install` (needs Go, or Debian's packages).
    Registry,
    /// Injects faults into a running system, then compares all it wrote with the truth; writes target/bench/chaos.json.
    Chaos {
        /// Number of faults.
        #[arg(long, default_value_t = 30)]
        faults: u64,
        /// The faults are drawn from it.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Faults of one kind only, such as `Overlap` or `CrashAt`.
        #[arg(long)]
        only: Option<String>,
        /// Take down ingestors only, one at a time, and measure how long their chains stand still; writes
        /// target/bench/failover.json.
        #[arg(long)]
        failover: bool,
    },
    /// Breaks one promise at a time in a copy of the sources; an error unless a test or chaos catches each.
    Mutants {
        /// Only the mutants of these names in deploy/lab/mutants.
        names: Vec<String>,
        /// Only those that a test catches, without chaos: minutes instead of hours.
        #[arg(long)]
        quick: bool,
    },
    /// Dead letters of metrics and portfolio: list them, or have them read again.
    Dlq {
        #[command(subcommand)]
        command: dead_letters::DeadLettersCommand,
    },
    /// Checks the typed client against the api, tests it, and drives the page in a browser (needs Node.js and Chromium).
    Walk,
    /// Fuzzes a running api with its own OpenAPI document (needs Python 3).
    FuzzApi {
        /// Number of requests for each operation.
        #[arg(long, default_value_t = 60)]
        examples: u32,
    },
    /// Runs a benchmark; writes target/bench/NAME.json.
    Bench {
        /// detect, latency, stream, rest, backfill, memory, fold, catch-up, swap, reorg, neighbour, solana, first-run.
        name: String,
        /// Handed on to the benchmark; of `first-run`, a commit to compare with.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Writes deploy/lab/bench/FIGURES.md from target/bench/*.json and from the figures it showed before.
    Figures,
    /// Runs every recorded truth set, and fails where a figure of plugins/TRUTH.md has fallen.
    Truth {
        /// Make the page anew instead.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    if let Some(code) = first_run::stand_in_for_rustc() {
        return code;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the back trace that returning the error would print.
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let Arguments { yes, chore } = Arguments::parse();
    if yes {
        process::install_unasked();
    }
    match chore {
        Chore::Setup => setup::wasm().map(|_| ()),
        Chore::Plugins { javascript: true, .. } => plugins::build_javascript(),
        Chore::Plugins { component: true, .. } => plugins::build_with_cargo_component(),
        Chore::Plugins { names, .. } => plugins::build(&names),
        Chore::Wit => wit::pack(),
        Chore::Plugin { command } => kit::run(command),
        Chore::Demo { seconds } => demo::run_for(seconds),
        Chore::Test => check::run_all(),
        Chore::Servers { command } => servers::run(&command),
        Chore::Secured => secured::try_everything(),
        Chore::Chaos { faults, seed, only, failover } => chaos::inject_faults(faults, seed, only, failover),
        Chore::Mutants { names, quick } => mutants::catch_all(&names, quick),
        Chore::Dlq { command } => dead_letters::run(&command),
        Chore::Walk => walk::through(),
        Chore::FuzzApi { examples } => fuzz::api(examples),
        Chore::Registry => registry::build(),
        Chore::Anvil => anvil::install().map(|_| ()),
        Chore::Geth => geth::install().map(|_| ()),
        Chore::Bench { name, rest } => bench::measure(&name, &rest),
        Chore::Figures => figures::write(),
        Chore::Truth { write } => truth::run(write),
    }
}
