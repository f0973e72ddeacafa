//! Every chore of the project behind one front door: `cargo xtask --help`.

mod process;
mod setup;
mod plugins;
mod kit;
mod demo;
mod page;
mod check;
mod servers;
mod anvil;
mod bench;
mod chaos;
mod letters;
mod mutants;
mod walk;
mod fuzz;

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
    },
    /// What a plugin's author uses.
    Plugin {
        #[command(subcommand)]
        order: kit::Order,
    },
    /// Builds and starts everything on a mock chain and recorded blocks, and says where the page is.
    Demo {
        /// Stop after so many seconds; an error unless trades of every chain were served by then.
        #[arg(long = "for", value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Everything that must hold: format, lints, documentation, plugins, tests.
    Test,
    /// A real Kafka and a real PostgreSQL on loopback, for the tests that want them.
    Servers {
        #[command(subcommand)]
        order: servers::Order,
    },
    /// Installs anvil and the venues' contracts into target/anvil.
    Anvil,
    /// Kills, pauses and lies to a running system, then judges what it says; writes target/bench/chaos.json.
    Chaos {
        /// How often something is struck.
        #[arg(long, default_value_t = 30)]
        faults: u64,
        /// Decides what is struck when.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Strike in one way alone, such as `Overlap` or `CrashAt`.
        #[arg(long)]
        only: Option<String>,
        /// Strike ingestors only, one at a time, and measure how long their chains stand still; writes
        /// target/bench/failover.json.
        #[arg(long)]
        failover: bool,
    },
    /// Breaks one promise at a time in a copy of the sources and demands that a test or chaos notices.
    Mutants {
        /// Only the mutant of this name in deploy/lab/mutants.
        name: Option<String>,
    },
    /// Records that a service could not read and put aside; the services' own `dlq` command, built first.
    Dlq {
        #[command(subcommand)]
        order: letters::Order,
    },
    /// Holds the client to the api, tests it, and walks through the page in a real browser (needs Node.js and Chromium).
    Walk,
    /// Fuzzes a running api with its own OpenAPI document (needs Python 3).
    FuzzApi {
        /// Requests for each operation.
        #[arg(long, default_value_t = 60)]
        examples: u32,
    },
    /// Measures; writes target/bench/NAME.json.
    Bench {
        /// detect, latency, stream, rest, fold, swap, solana.
        name: String,
        /// Handed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    let Arguments { yes, chore } = Arguments::parse();
    if yes {
        process::install_unasked();
    }
    match chore {
        Chore::Setup => setup::wasm().map(|_| ()),
        Chore::Plugins { javascript: true, .. } => plugins::build_javascript(),
        Chore::Plugins { component: true, .. } => plugins::build_with_cargo_component(),
        Chore::Plugins { .. } => plugins::build(),
        Chore::Plugin { order } => kit::run(order),
        Chore::Demo { seconds } => demo::run_for(seconds),
        Chore::Test => check::run_all(),
        Chore::Servers { order } => servers::run(&order),
        Chore::Chaos { faults, seed, only, failover } => chaos::strike(faults, seed, only, failover),
        Chore::Mutants { name } => mutants::hunt(name.as_deref()),
        Chore::Dlq { order } => letters::run(&order),
        Chore::Walk => walk::through(),
        Chore::FuzzApi { examples } => fuzz::api(examples),
        Chore::Anvil => anvil::install().map(|_| ()),
        Chore::Bench { name, rest } => bench::measure(&name, &rest),
    }
}
