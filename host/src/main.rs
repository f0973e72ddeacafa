//! The binary `chain-ingestor`: reads its settings, then does what the command line says.

use chain_ingestor::{Settings, ask, check, kit, scan};
use clap::{Args, Parser, Subcommand};
use environment::{Layers, Problems, Shutdown, process};
use ingest_domain::Ask;
use std::path::{Path, PathBuf};
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
    /// Print the trades of a span, or of a cassette, as JSON lines, without any log.
    Scan {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        #[command(flatten)]
        what: What,
    },
    /// Check, list and try plugins.
    Plugin {
        #[command(subcommand)]
        order: Order,
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

/// What is scanned.
#[derive(Args)]
struct What {
    /// A cassette to replay, without a network.
    #[arg(long, conflicts_with_all = ["chain", "from", "to"])]
    cassette: Option<PathBuf>,
    /// The chain file.
    #[arg(long, required_unless_present = "cassette")]
    chain: Option<PathBuf>,
    /// First height.
    #[arg(long, required_unless_present = "cassette")]
    from: Option<u64>,
    /// Last height.
    #[arg(long, required_unless_present = "cassette")]
    to: Option<u64>,
}

#[derive(Subcommand)]
enum Order {
    /// Admit a component as `run` would; with cassettes, check its behaviour too.
    Check {
        /// The component.
        file: PathBuf,
        /// A chain file whose settings and limits are to be used.
        #[arg(long)]
        chain: Option<PathBuf>,
        /// A folder of `*.cassette.json`.
        #[arg(long)]
        cassettes: Option<PathBuf>,
    },
    /// Say what lies in PLUGINS_DIR.
    List,
    /// Say what the running ingestors make of PLUGINS_DIR and CHAINS_DIR.
    Status,
    /// Scan a span of a real chain and keep all answers as a cassette.
    Record {
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
        /// Where to: `NAME.cassette.json`.
        #[arg(long)]
        out: PathBuf,
    },
    /// Replay cassettes and compare the trades with what is expected.
    Test {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        /// A folder of `*.cassette.json` and `*.expected.jsonl`.
        cassettes: PathBuf,
        /// Write what comes out as what is expected.
        #[arg(long)]
        bless: bool,
    },
    /// Measure how fast cassettes are scanned, and what a trade costs in fuel.
    Bench {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        /// A folder of `*.cassette.json`.
        cassettes: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    process::exit_code(start(Arguments::parse().command).await)
}

async fn start(command: Command) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let layers = Layers::load(&mut problems);
    let command = match command {
        Command::Scan { plugin, what } => return print_trades(&plugin, what, &layers).await,
        Command::Plugin { order } => {
            println!("{}", on_plugins(order, &layers, problems).await?);
            return Ok(());
        }
        Command::Backfill { chain, from, to } => {
            return file_request(&layers, problems, &chain, Ask::Backfill { from, to }).await;
        }
        Command::Rewind { chain, to } => return file_request(&layers, problems, &chain, Ask::Rewind { to }).await,
        other => other,
    };
    let settings = Settings::read(&layers, &mut problems);
    let target = target(&layers, &mut problems);
    if matches!(command, Command::CheckConfig) {
        process::check_config(&problems)?;
        println!("{}", check::check_config(&settings, &layers).await?);
        return Ok(());
    }
    problems.finish()?;
    let log = Log::open(&target).await?;
    if matches!(command, Command::Health) {
        return check::health(&log).await;
    }
    let _telemetry = environment::telemetry::start("chain-ingestor");
    chain_ingestor::run(settings, &layers, log, Shutdown::on_signals()).await
}

async fn print_trades(plugin: &Path, what: What, layers: &Layers) -> anyhow::Result<()> {
    environment::telemetry::start_on_stderr("chain-ingestor");
    let mut out = std::io::stdout();
    match what {
        What { cassette: Some(cassette), .. } => scan::scan_cassette(plugin, &cassette, &mut out).await,
        What { chain: Some(chain), from: Some(from), to: Some(to), .. } => {
            scan::scan(plugin, &chain, (from, to), layers, &mut out).await
        }
        _ => anyhow::bail!("scan either a cassette, or a chain from a height to a height"),
    }
}

async fn on_plugins(order: Order, layers: &Layers, mut problems: Problems) -> anyhow::Result<String> {
    environment::telemetry::start_on_stderr("chain-ingestor");
    let settings = |mut problems: Problems| -> anyhow::Result<Settings> {
        let settings = Settings::read(layers, &mut problems);
        problems.finish()?;
        Ok(settings)
    };
    match order {
        Order::Check { file, chain, cassettes } => {
            let gate = Settings::gate(layers, &mut problems);
            problems.finish()?;
            kit::check(&file, chain.as_deref(), cassettes.as_deref(), &gate, layers).await
        }
        Order::List => kit::list(&settings(problems)?).await,
        Order::Status => kit::status(&settings(problems)?),
        Order::Record { plugin, chain, from, to, out } => kit::record(&plugin, &chain, (from, to), &out, layers).await,
        Order::Test { plugin, cassettes, bless } => kit::test(&plugin, &cassettes, bless).await,
        Order::Bench { plugin, cassettes } => kit::bench(&plugin, &cassettes).await,
    }
}

async fn file_request(layers: &Layers, mut problems: Problems, chain: &str, what: Ask) -> anyhow::Result<()> {
    let target = target(layers, &mut problems);
    problems.finish()?;
    println!("{}", ask::ask(&Log::open(&target).await?, chain, what).await?);
    Ok(())
}
