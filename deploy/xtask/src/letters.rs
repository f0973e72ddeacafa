//! `cargo xtask dlq`: what the services put aside, listed or read again by the services themselves.

use clap::{Subcommand, ValueEnum};

use crate::process::{self, build, built, note, program};

/// What to do with dead letters.
#[derive(Subcommand)]
pub(crate) enum Order {
    /// Print them: where each lies, where it came from, why it was put aside.
    List {
        /// Of this service only.
        #[arg(long)]
        service: Option<Service>,
    },
    /// Have those read again, by the service that put them aside, that can be.
    Replay {
        /// By this service only.
        #[arg(long)]
        service: Option<Service>,
    },
}

/// Who reads trades and may fail to.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Service {
    Metrics,
    Portfolio,
}

/// Runs the services' own command, with the variables of this process.
pub(crate) fn run(order: &Order) -> anyhow::Result<()> {
    let (word, service) = match order {
        Order::List { service } => ("list", service),
        Order::Replay { service } => ("replay", service),
    };
    let services = service.map_or_else(|| vec![Service::Metrics, Service::Portfolio], |one| vec![one]);
    for service in services {
        let name = match service {
            Service::Metrics => "metrics",
            Service::Portfolio => "portfolio",
        };
        note(name);
        build(&[name])?;
        process::run(&mut program(built(name), &["dlq", word]))?;
    }
    Ok(())
}
