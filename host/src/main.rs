//! The binary `chain-ingestor`: reads its settings, then runs the command of the command line.

use chain_ingestor::commands::{self, IngestCommand};
use chain_ingestor::{Settings, check};
use clap::{CommandFactory, Parser, Subcommand};
use environment::command_line::{EXIT_CODES, GeneratedCommand};
use environment::{Layers, Problems, Shutdown, process};
use std::process::ExitCode;
use tape_log::TopicsCommand;
use tape_log::access::INGESTOR_ACCESS;
use tape_log::settings::target;

/// Most of the work is to make and drop small texts, on one thread and on another: mimalloc is faster at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Follows blockchains through WASM plugins and publishes canonical trades.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Follow every chain in CHAINS_DIR (what happens without a command).
    Run,
    #[command(flatten)]
    Ingest(IngestCommand),
    /// Compare the topics with what they should be, create them, or print what must exist.
    Topics(TopicsCommand),
    /// Check settings, chain files and plugins, and print what is resolved.
    CheckConfig {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check whether the log can be reached (exec probe).
    Health,
    #[command(flatten)]
    Generated(GeneratedCommand),
}

#[tokio::main]
async fn main() -> ExitCode {
    process::exit_code(run(Arguments::parse().command.unwrap_or(Command::Run)).await)
}

async fn run(command: Command) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let layers = Layers::load(&mut problems);
    match command {
        Command::Generated(command) => command.execute(Arguments::command()),
        Command::Run => {
            let settings = Settings::read(&layers, &mut problems);
            let log = commands::open_log(&layers, &mut problems).await?;
            let _telemetry = environment::telemetry::start("chain-ingestor");
            problems.log_warnings();
            chain_ingestor::run(settings, &layers, log, Shutdown::on_signals()).await
        }
        Command::Ingest(command) => command.execute(&layers, problems, "chain-ingestor").await,
        Command::Topics(command) => {
            let target = target(&layers, &mut problems);
            problems.finish()?;
            for line in command.execute(&target, &INGESTOR_ACCESS).await? {
                environment::print_line!("{line}");
            }
            Ok(())
        }
        Command::CheckConfig { json } => {
            let settings = Settings::read(&layers, &mut problems);
            target(&layers, &mut problems);
            commands::check_config(&settings, &layers, &problems, json).await
        }
        Command::Health => {
            Settings::read(&layers, &mut problems);
            check::health(&commands::open_log(&layers, &mut problems).await?).await
        }
    }
}
