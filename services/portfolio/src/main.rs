//! Portfolio: the process.

use anyhow::Context;
use clap::{Parser, Subcommand};
use environment::{Layers, Problems, Shutdown};
use portfolio::Settings;
use std::process::ExitCode;

/// Keeps what tracked wallets hold, as an external provider says, and publishes what changes.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run until told to stop (the default).
    Run,
    /// Print the settings as resolved, without secrets, and all that is wrong with them.
    CheckConfig,
    /// Ask the process that answers on HEALTH_ADDR whether it is alive.
    Health,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Cli::parse().command.unwrap_or(Command::Run)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => environment::exit_with(error),
    }
}

async fn serve(command: Command) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let layers = Layers::load(&mut problems);
    let settings = Settings::read(&layers, &mut problems);
    if let Command::Health = command {
        let addr = settings.health.context("ask for health: HEALTH_ADDR is not set")?;
        println!("{}", environment::health::probe(addr).await?);
        return Ok(());
    }
    let target = tape_log::settings::target(&layers, &mut problems);
    if let Command::CheckConfig = command {
        problems.resolved().iter().for_each(|resolved| println!("{resolved}"));
        return Ok(problems.finish()?);
    }
    problems.finish()?;
    environment::telemetry::start(portfolio::service::NAME);
    environment::install_crypto();
    let log = tape_log::Log::open(&target).await?;
    portfolio::run(settings, log, Shutdown::on_signals()).await
}
