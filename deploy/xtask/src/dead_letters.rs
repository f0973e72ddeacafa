//! `cargo xtask dlq`: lists or replays the dead letters of metrics and portfolio by running their own `dlq` command.

use clap::{Subcommand, ValueEnum};

use crate::process::{self, build, built, note, program};

/// What to do with dead letters.
#[derive(Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Print them: where each stands, where it came from, why it could not be read.
    List {
        /// Of this service only.
        #[arg(long)]
        service: Option<Service>,
    },
    /// Have the service that wrote them read those again that can be read by now.
    Replay {
        /// By this service only.
        #[arg(long)]
        service: Option<Service>,
    },
}

/// The services that read trades and write dead letters.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Service {
    Metrics,
    Portfolio,
}

/// Builds the services and runs their command with the environment variables of this process.
pub(crate) fn run(command: &DeadLettersCommand) -> anyhow::Result<()> {
    let (verb, service) = match command {
        DeadLettersCommand::List { service } => ("list", service),
        DeadLettersCommand::Replay { service } => ("replay", service),
    };
    let services = service.map_or_else(|| vec![Service::Metrics, Service::Portfolio], |one| vec![one]);
    for service in services {
        let name = match service {
            Service::Metrics => "metrics",
            Service::Portfolio => "portfolio",
        };
        note(name);
        build(&[name])?;
        process::run(&mut program(built(name), &["dlq", verb]))?;
    }
    Ok(())
}
