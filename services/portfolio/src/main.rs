//! The binary `portfolio`: keeps balances until it is asked to stop, or carries out a command on its dead letters.

use clap::Subcommand;
use environment::process::Program;
use environment::{Layers, Problems, Shutdown, process};
use portfolio::Settings;
use std::net::SocketAddr;
use std::process::ExitCode;
use tape_log::{DeadLetterCommand, Log, Target, topics};

struct Portfolio;

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Records that were put aside because they could not be read.
    Dlq {
        #[command(subcommand)]
        command: DeadLetterCommand,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    process::main::<Portfolio>().await
}

impl Program for Portfolio {
    const NAME: &'static str = portfolio::service::NAME;
    const ABOUT: &'static str =
        "Keeps what tracked wallets hold, as an external provider says, and publishes what changes";
    type Settings = (Settings, Target);
    type Command = Command;

    fn read(layers: &Layers, problems: &mut Problems) -> Self::Settings {
        (Settings::read(layers, problems), tape_log::settings::target(layers, problems))
    }

    fn health_addr((settings, _): &Self::Settings) -> Option<SocketAddr> {
        settings.health
    }

    async fn run((settings, target): Self::Settings, shutdown: Shutdown) -> anyhow::Result<()> {
        portfolio::run(settings, Log::open(&target).await?, shutdown).await
    }

    async fn execute((_, target): Self::Settings, Command::Dlq { command }: Command) -> anyhow::Result<()> {
        let log = Log::open(&target).await?;
        let lines = command.execute(&log, &topics::READ_BY_PORTFOLIO, topics::OF_PORTFOLIO).await?;
        lines.iter().for_each(|line| println!("{line}"));
        Ok(())
    }
}
