//! The binary `metrics`: folds the tape until it is asked to stop, or carries out a command on its tables.

use clap::Subcommand;
use environment::process::Program;
use environment::{Layers, Problems, Shutdown, process, telemetry};
use metrics::Settings;
use migrations::MigrateCommand;
use std::net::SocketAddr;
use std::process::ExitCode;
use tape_log::access::{Access, METRICS_ACCESS};
use tape_log::guard::AdoptCommand;
use tape_log::{DeadLetterCommand, Log, Target, TopicsCommand, topics};

/// Most of the work is to make and drop small texts, on one thread and on another: mimalloc is faster at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Metrics;

#[derive(Clone, Subcommand)]
enum Command {
    /// Fold the tape again from its first record into scratch tables, and compare them with the tables in force.
    Refold,
    /// Dead letters: records that could not be read.
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
    process::main::<Metrics>().await
}

impl Program for Metrics {
    const NAME: &'static str = Settings::NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Folds the tape into user volume, earned fees and realized PnL";
    type Settings = (Settings, Target);
    type Command = Command;

    fn read(layers: &Layers, problems: &mut Problems) -> Self::Settings {
        (Settings::read(layers, problems), tape_log::settings::target(layers, problems))
    }

    fn health_addr((settings, _): &Self::Settings) -> Option<SocketAddr> {
        settings.health
    }

    async fn run((settings, target): Self::Settings, shutdown: Shutdown) -> anyhow::Result<()> {
        metrics::run(settings, Log::open(&target).await?, shutdown).await
    }

    async fn execute((settings, target): Self::Settings, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Refold => refold(&settings, &target).await,
            Command::Topics(command) => {
                let access = Access { range: settings.partitions, ..METRICS_ACCESS };
                for line in command.execute(&target, &access).await? {
                    environment::print_line!("{line}");
                }
                Ok(())
            }
            Command::Migrate(command) => {
                for line in metrics::migrate(&settings, command).await? {
                    environment::print_line!("{line}");
                }
                Ok(())
            }
            Command::Adopt(command) => {
                for line in metrics::adopt(&settings, &Log::open(&target).await?, command).await? {
                    environment::print_line!("{line}");
                }
                Ok(())
            }
            Command::Dlq { command } => {
                let log = Log::open_to_read(&target).await?;
                let lines = command.execute(&log, &topics::READ_BY_METRICS, topics::OF_METRICS).await?;
                for line in lines {
                    environment::print_line!("{line}");
                }
                Ok(())
            }
        }
    }
}

async fn refold(settings: &Settings, target: &Target) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(Settings::NAME);
    let differences =
        metrics::refold::refold(settings, &Log::open(target).await?, |line| environment::print_line!("{line}")).await?;
    anyhow::ensure!(differences == 0, "refold the tape into the same tables: {differences} differ");
    Ok(())
}
