//! The binary `chain-ingestor`: reads its settings, then does what the command line says.

use chain_ingestor::{Settings, ask, check, scan};
use clap::{Parser, Subcommand};
use environment::{Layers, Problems, Shutdown};
use ingest_domain::Ask;
use std::path::PathBuf;
use std::process::ExitCode;
use tape_log::{Log, settings::target};

/// Follows blockchains through WASM plugins and publishes canonical trades.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Follow every chain in CHAINS_DIR.
    Run,
    /// Print the trades of a span as JSON lines, without any log.
    Scan {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        /// The chain file.
        #[arg(long)]
        chain: PathBuf,
        /// First height.
        #[arg(long)]
        from: u64,
        /// Last height.
        #[arg(long)]
        to: u64,
    },
    /// Put the heights of a chain that nothing covers on the tape, while live goes on.
    Backfill {
        /// Id of the chain.
        #[arg(long)]
        chain: String,
        /// First height.
        #[arg(long)]
        from: u64,
        /// Last height.
        #[arg(long)]
        to: u64,
    },
    /// Take every trade of a chain above a height back and follow it from there, whatever was final.
    Rewind {
        /// Id of the chain.
        #[arg(long)]
        chain: String,
        /// The last height to keep.
        #[arg(long)]
        to: u64,
    },
    /// Check settings, chain files and plugins, and print what is resolved.
    CheckConfig,
    /// Ask whether the log can be reached (exec probe).
    Health,
}

#[tokio::main]
async fn main() -> ExitCode {
    match start(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => environment::exit_with(error),
    }
}

async fn start(command: Command) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let layers = Layers::load(&mut problems);
    if let Command::Scan { plugin, chain, from, to } = command {
        return scan::scan(&plugin, &chain, (from, to), &layers, &mut std::io::stdout()).await;
    }
    let asked = match &command {
        Command::Backfill { chain, from, to } => Some((chain, Ask::Backfill { from: *from, to: *to })),
        Command::Rewind { chain, to } => Some((chain, Ask::Rewind { to: *to })),
        _ => None,
    };
    if let Some((chain, what)) = asked {
        let target = target(&layers, &mut problems);
        problems.finish()?;
        println!("{}", ask::ask(&Log::open(&target).await?, chain, what).await?);
        return Ok(());
    }
    let settings = Settings::read(&layers, &mut problems);
    let target = target(&layers, &mut problems);
    if matches!(command, Command::CheckConfig) {
        for resolved in problems.resolved() {
            println!("{resolved}");
        }
        problems.finish()?;
        println!("{}", check::check_config(&settings, &layers).await?);
        return Ok(());
    }
    problems.finish()?;
    let log = Log::open(&target).await?;
    if matches!(command, Command::Health) {
        return check::health(&log).await;
    }
    environment::telemetry::start("chain-ingestor");
    chain_ingestor::run(settings, &layers, log, Shutdown::on_signals()).await
}
