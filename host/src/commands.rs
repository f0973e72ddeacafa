//! The commands of `chain-ingestor` beside `run`: `chaintape` has the same ones, from here.

mod backfill;
mod chains;
mod plugin;

pub use plugin::PluginCommand;

use crate::check::{self, CheckedChain};
use crate::file_request::file_request;
use crate::in_use::is_in_use;
use crate::requests::RequestKind;
use crate::{ChainCommand, Settings, scan};
use clap::{Args, Subcommand, ValueEnum};
use environment::output::CommandOutput;
use environment::process::{self, ConfigReport};
use environment::{ConfigError, Problems, Strings, telemetry};
use serde::Serialize;
use std::path::PathBuf;
use tape_log::Log;
use tape_log::settings::target;

/// A command that needs no service to run.
#[derive(Clone, Debug, Subcommand)]
pub enum IngestCommand {
    /// Print the trades of a span, or of a cassette, as JSON lines, without any log.
    #[command(after_help = "Examples:
  chaintape scan --plugin plugins/evm-0.1.0.wasm --chain chains/base.toml --from 41000000 --to 41000003
  chaintape scan --plugin plugins/evm-0.1.0.wasm --cassette first.cassette.json")]
    Scan {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        /// What is scanned.
        #[command(flatten)]
        source: ScanSource,
        /// Print each request and what was answered, on standard error.
        #[arg(long, value_enum)]
        trace: Option<Traced>,
    },
    /// Check, list and try plugins.
    Plugin {
        /// What to do.
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// On one chain.
    #[command(flatten)]
    Chain(ChainCommand),
    /// List the chains of CHAINS_DIR: the plugin of each, what is wrong with it, and how far it is on the tape.
    #[command(after_help = "Example:\n  chaintape chains --json | jq '.[] | select(.problem)'")]
    Chains {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What can be followed while a plugin works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Traced {
    /// Each request to the node, and the answer.
    Upstream,
}

impl Traced {
    /// What lets its lines pass.
    fn filter(self) -> &'static str {
        match self {
            Self::Upstream => "upstream_trace=trace",
        }
    }
}

/// What is scanned: a cassette, or a span of a chain.
#[derive(Args, Clone, Debug)]
pub struct ScanSource {
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

impl IngestCommand {
    /// Reads what it needs, does its work and prints the result. `program` is what the operator called.
    pub async fn execute(self, strings: &impl Strings, mut problems: Problems, program: &str) -> anyhow::Result<()> {
        let trace = match &self {
            Self::Scan { trace, .. } | Self::Plugin { command: PluginCommand::Test { trace, .. } } => *trace,
            _ => None,
        };
        telemetry::start_on_stderr("chain-ingestor", trace.map(Traced::filter));
        let result = match self {
            Self::Scan { plugin, source, .. } => return scan(plugin, source, strings).await,
            Self::Plugin { command } => command.execute(strings, problems).await?,
            Self::Chain(command) => {
                let target = target(strings, &mut problems);
                problems.finish()?;
                let log = Log::open(&target).await?;
                match command {
                    ChainCommand::Backfill { chain, from, to, wait: true } => {
                        let filed = file_request(&log, &chain, RequestKind::Backfill { from, to }).await?;
                        environment::print_line!("{}", filed.sentence);
                        backfill::wait(&target, &chain, &filed.id, (from, to)).await?
                    }
                    command => command.execute(&log, program).await?,
                }
            }
            Self::Chains { json } => {
                let settings = Settings::read(strings, &mut problems);
                let target = target(strings, &mut problems);
                problems.finish()?;
                let listed = chains::list(&settings, &target, strings).await?;
                if json {
                    serde_json::to_string_pretty(&listed)?
                } else {
                    chains::for_people(&listed, is_in_use(&target))
                }
            }
        };
        environment::print_line!("{result}");
        Ok(())
    }
}

async fn scan(plugin: PathBuf, source: ScanSource, strings: &impl Strings) -> anyhow::Result<()> {
    let mut out = CommandOutput;
    match source {
        ScanSource { cassette: Some(cassette), .. } => scan::scan_cassette(&plugin, &cassette, &mut out).await,
        ScanSource { chain: Some(chain), from: Some(from), to: Some(to), .. } => {
            scan::scan(&plugin, &chain, (from, to), strings, &mut out).await
        }
        ScanSource { .. } => anyhow::bail!("scan either a cassette, or a chain from a height to a height"),
    }
}

/// Opens the log, unless a setting is wrong.
pub async fn open_log(strings: &impl Strings, problems: &mut Problems) -> anyhow::Result<Log> {
    let target = target(strings, problems);
    problems.finish()?;
    Ok(Log::open(&target).await?)
}

/// Prints what is resolved, then whether it would run.
pub async fn check_config(
    settings: &Settings,
    strings: &impl Strings,
    problems: &Problems,
    as_json: bool,
) -> anyhow::Result<()> {
    if as_json {
        return check_config_as_json(settings, strings, problems).await;
    }
    process::check_config(problems)?;
    for chain in check::check_config(settings, strings).await? {
        environment::print_line!("{chain}");
    }
    Ok(())
}

/// What `check-config --json` prints where chains are followed.
#[derive(Serialize)]
struct ChainsReport {
    #[serde(flatten)]
    config: ConfigReport,
    chains: Vec<CheckedChain>,
}

async fn check_config_as_json(settings: &Settings, strings: &impl Strings, problems: &Problems) -> anyhow::Result<()> {
    let mut config = ConfigReport::of(problems);
    let checked = match problems.finish() {
        Ok(()) => check::check_config(settings, strings).await,
        Err(wrong) => Err(wrong.into()),
    };
    if let Err(error) = &checked {
        let sentences = error.downcast_ref::<ConfigError>().map(|wrong| wrong.0.clone());
        config.problems = sentences.unwrap_or_else(|| vec![format!("{error:#}")]);
    }
    let (chains, ended) = match checked {
        Ok(chains) => (chains, Ok(())),
        Err(error) => (vec![], Err(error)),
    };
    environment::print_line!("{}", serde_json::to_string_pretty(&ChainsReport { config, chains })?);
    ended
}
