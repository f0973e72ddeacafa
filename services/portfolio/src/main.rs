//! The binary `portfolio`: keeps balances until a shutdown is requested, or lists and replays dead letters.

use clap::Subcommand;
use environment::process::Program;
use environment::{Layers, Problems, Shutdown, process};
use migrations::MigrateCommand;
use portfolio::Settings;
use std::net::SocketAddr;
use std::process::ExitCode;
use tape_log::access::PORTFOLIO_ACCESS;
use tape_log::guard::AdoptCommand;
use tape_log::{DeadLetterCommand, Log, Target, TopicsCommand, topics};

/// Most of the work is to make and drop small texts, on one thread and on another: mimalloc is faster at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Portfolio;

#[derive(Clone, Subcommand)]
enum Command {
    /// List or replay dead letters: records that could not be read.
    Dlq {
        #[command(subcommand)]
        command: DeadLetterCommand,
    },
    /// Compare the topics with what they should be, create them, or print what must exist.
    Topics(TopicsCommand),
    /// Migrate the schema with the rights of its owner, which the running service need not have.
    Migrate(MigrateCommand),
    /// Let the database belong to the log as it is, after the log was lost, replaced or cut.
    Adopt(AdoptCommand),
}

#[tokio::main]
async fn main() -> ExitCode {
    process::main::<Portfolio>().await
}

impl Program for Portfolio {
    const NAME: &'static str = portfolio::service::SERVICE_NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str =
        "Keeps the balances of tracked wallets, as external providers report them, and publishes what changes";
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

    async fn execute((settings, target): Self::Settings, command: Command) -> anyhow::Result<()> {
        let lines = match command {
            Command::Topics(command) => command.execute(&target, &PORTFOLIO_ACCESS).await?,
            Command::Dlq { command } => {
                let log = Log::open_to_read(&target).await?;
                command.execute(&log, &topics::READ_BY_PORTFOLIO, topics::OF_PORTFOLIO).await?
            }
            Command::Migrate(command) => portfolio::migrate(&settings, command).await?,
            Command::Adopt(command) => portfolio::adopt(&settings, &Log::open(&target).await?, command).await?,
        };
        for line in lines {
            environment::print_line!("{line}");
        }
        Ok(())
    }
}
