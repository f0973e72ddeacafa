//! Portfolio: the process.

use anyhow::Context;
use clap::{Parser, Subcommand};
use environment::{Layers, Problems, Shutdown};
use portfolio::Settings;
use std::process::ExitCode;
use tape_log::{Log, letter, topics};

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
    /// Records that were put aside because they could not be read.
    Dlq {
        #[command(subcommand)]
        order: Letters,
    },
    /// Print the settings as resolved, without secrets, and all that is wrong with them.
    CheckConfig,
    /// Ask the process that answers on HEALTH_ADDR whether it is alive.
    Health,
}

#[derive(Subcommand)]
enum Letters {
    /// Print them: where each lies, where it came from, why it was put aside.
    List,
    /// Have those read again, by portfolio only, that can be: each is the last word on its trade, and its block is final.
    Replay,
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
    let _telemetry = environment::telemetry::start(portfolio::service::NAME);
    environment::install_crypto();
    let log = Log::open(&target).await?;
    if let Command::Dlq { order } = command {
        return letters(&order, &log).await;
    }
    portfolio::run(settings, log, Shutdown::on_signals()).await
}

async fn letters(order: &Letters, log: &Log) -> anyhow::Result<()> {
    log.own(topics::OF_PORTFOLIO).await?;
    match order {
        Letters::List => {
            for letter in letter::list(log, &topics::READ_BY_PORTFOLIO).await? {
                println!("{letter}");
            }
        }
        Letters::Replay => {
            let fates = letter::replay(log, &topics::READ_BY_PORTFOLIO).await?;
            for (letter, fate) in &fates {
                println!("{letter} -> {fate}");
            }
        }
    }
    Ok(())
}
