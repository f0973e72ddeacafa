//! The metrics process: reads its settings and follows the tape until it is asked to stop.

use clap::{Parser, Subcommand};
use environment::{Layers, Problems, Shutdown};
use metrics::Settings;
use std::process::ExitCode;
use tape_log::{Log, Target, letter, topics};

/// Folds the tape into user volume, earned fees and realized PnL.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Follow the tape (the default without a command).
    Run,
    /// Fold the tape again from its first record into scratch tables, and compare them with the tables in force.
    Refold,
    /// Dead letters: records that could not be read.
    Dlq {
        #[command(subcommand)]
        command: DeadLetterCommand,
    },
    /// Print the settings as resolved, secrets struck out, or every problem with them.
    CheckConfig,
    /// Ask the running process whether it is alive; for container probes.
    Health,
}

#[derive(Clone, Copy, Subcommand)]
enum DeadLetterCommand {
    /// Print each dead letter: where it is, where it was read from, and why it could not be read.
    List,
    /// Have metrics read those again that can be read now, are the last event about their trade, and whose block is
    /// final.
    Replay,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command.unwrap_or(Command::Run);
    environment::install_crypto();
    let mut problems = Problems::default();
    let layers = Layers::load(&mut problems);
    let settings = Settings::read(&layers, &mut problems);
    let target = tape_log::settings::target(&layers, &mut problems);
    if let Err(wrong) = problems.finish() {
        return environment::exit_with(wrong);
    }
    let done = match command {
        Command::Run => run(settings, &target).await,
        Command::Refold => refold(settings, &target).await,
        Command::Dlq { command } => dead_letters(command, &target).await,
        Command::CheckConfig => {
            problems.resolved().iter().for_each(|variable| println!("{variable}"));
            Ok(())
        }
        Command::Health => probe(&settings).await,
    };
    done.map_or_else(environment::exit_with, |()| ExitCode::SUCCESS)
}

async fn run(settings: Settings, target: &Target) -> anyhow::Result<()> {
    let _telemetry = environment::telemetry::start(Settings::NAME);
    metrics::run(settings, Log::open(target).await?, Shutdown::on_signals()).await
}

async fn refold(settings: Settings, target: &Target) -> anyhow::Result<()> {
    let _telemetry = environment::telemetry::start(Settings::NAME);
    let differences = metrics::refold::refold(&settings, &Log::open(target).await?, |line| println!("{line}")).await?;
    anyhow::ensure!(differences == 0, "refold the tape into the same tables: {differences} differ");
    Ok(())
}

async fn dead_letters(command: DeadLetterCommand, target: &Target) -> anyhow::Result<()> {
    let log = Log::open(target).await?;
    log.own(topics::OF_METRICS).await?;
    match command {
        DeadLetterCommand::List => {
            for letter in letter::list(&log, &topics::READ_BY_METRICS).await? {
                println!("{letter}");
            }
        }
        DeadLetterCommand::Replay => {
            let fates = letter::replay(&log, &topics::READ_BY_METRICS).await?;
            for (letter, fate) in &fates {
                println!("{letter} -> {fate}");
            }
        }
    }
    Ok(())
}

async fn probe(settings: &Settings) -> anyhow::Result<()> {
    let addr = settings.health.ok_or_else(|| anyhow::anyhow!("ask for health: HEALTH_ADDR is not set"))?;
    println!("{}", environment::health::probe(addr).await?);
    Ok(())
}
