//! The binary `chain-ingestor`: reads its settings, then runs the command of the command line.

mod command_line;
mod commands;

use chain_ingestor::{Settings, check};
use clap::Parser;
use command_line::{Arguments, Command};
use environment::{Layers, Problems, Shutdown, process};
use std::process::ExitCode;

/// Most of the work is to make and drop small texts, on one thread and on another: mimalloc is faster at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    process::exit_code(run(Arguments::parse().command).await)
}

async fn run(command: Command) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let layers = Layers::load(&mut problems);
    match command {
        Command::Run => {
            let settings = Settings::read(&layers, &mut problems);
            let log = commands::open_log(&layers, &mut problems).await?;
            let _telemetry = environment::telemetry::start("chain-ingestor");
            problems.log_warnings();
            chain_ingestor::run(settings, &layers, log, Shutdown::on_signals()).await
        }
        Command::Scan { plugin, source } => commands::scan(&plugin, source, &layers).await,
        Command::Plugin { command } => commands::plugin(command, &layers, problems).await,
        Command::Chain(command) => commands::chain(&layers, problems, &command).await,
        Command::Topics(command) => commands::topics(&layers, problems, &command).await,
        Command::CheckConfig => commands::check_config(&layers, problems).await,
        Command::Health => {
            Settings::read(&layers, &mut problems);
            check::health(&commands::open_log(&layers, &mut problems).await?).await
        }
    }
}
