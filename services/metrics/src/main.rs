//! The metrics process: variables in, trades folded until it is asked to stop.

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
    /// Follow the tape (what happens without a command).
    Run,
    /// Fold the tape anew from its first record, beside the tables in force and up to where they are, and compare.
    Refold,
    /// Records that were put aside because they could not be read.
    Dlq {
        #[command(subcommand)]
        order: Letters,
    },
    /// Print the settings as resolved, secrets struck out, or every problem with them.
    CheckConfig,
    /// Ask the running process whether it is alive; for container probes.
    Health,
}

#[derive(Clone, Copy, Subcommand)]
enum Letters {
    /// Print them: where each lies, where it came from, why it was put aside.
    List,
    /// Have those read again, by metrics only, that can be: each is the last word on its trade, and its block is final.
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
        Command::Dlq { order } => letters(order, &target).await,
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

async fn letters(order: Letters, target: &Target) -> anyhow::Result<()> {
    let log = Log::open(target).await?;
    log.own(topics::OF_METRICS).await?;
    match order {
        Letters::List => {
            for letter in letter::list(&log, &topics::READ_BY_METRICS).await? {
                println!("{letter}");
            }
        }
        Letters::Replay => {
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
