//! The commands of `chaintape`: those of the services, carried out by the same code.

use crate::new::NewCommand;
use crate::overlay::StackSettings;
use chain_ingestor::commands::IngestCommand;
use clap::{Subcommand, ValueEnum};
use environment::command_line::GeneratedCommand;
use environment::{Problems, health};
use tape_log::access::{API_ACCESS, INGESTOR_ACCESS, METRICS_ACCESS, PORTFOLIO_ACCESS};
use tape_log::settings::target;
use tape_log::{DeadLetterCommand, Log, TopicsCommand, topics};

/// What `chaintape` does.
#[derive(Clone, Subcommand)]
pub(crate) enum StackCommand {
    /// Run all four services until told to stop (what happens without a command).
    Run,
    #[command(flatten)]
    Ingest(IngestCommand),
    /// Compare the topics of all services with what they should be, create them, or print what must exist.
    #[command(after_help = "Example:\n  chaintape --log kafka://broker:9092 topics --print")]
    Topics(TopicsCommand),
    /// Dead letters: records that a service could not read.
    #[command(
        after_help = "Examples:\n  chaintape dlq list --json | jq .reason\n  chaintape dlq --service metrics replay"
    )]
    Dlq {
        /// Of this service only.
        #[arg(long)]
        service: Option<Consumer>,
        #[command(subcommand)]
        command: DeadLetterCommand,
    },
    /// Print the settings as resolved, secrets struck out, then every chain; and everything that is wrong.
    CheckConfig {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask the running process whether it is alive.
    Health,
    /// Try the settings, the log, the database, every plugin and every node; say what would not work and what to do.
    #[command(
        after_help = "Exit code 1 where anything would not work.\n\nExample:\n  chaintape doctor --json | jq '.[] | select(.works | not)'"
    )]
    Doctor {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a folder from which everything runs: chain file, variables, plugin, compose file, README.
    #[command(
        after_help = "Examples:\n  chaintape new my-tape\n  chaintape new my-tape --rpc https://mainnet.base.org"
    )]
    New(NewCommand),
    /// Run everything from this program alone, on a mock chain and on recorded blocks of Ethereum and Solana.
    #[cfg(feature = "demo")]
    #[command(after_help = "With ETH_RPC_URL set it follows Ethereum too.\n\nExample:\n  chaintape demo")]
    Demo(crate::demo::DemoCommand),
    #[command(flatten)]
    Generated(GeneratedCommand),
}

/// A service that writes dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Consumer {
    Metrics,
    Portfolio,
}

/// Prints the topics of every service, or sees to them.
pub(crate) async fn see_to_topics(
    command: &TopicsCommand,
    strings: &StackSettings,
    mut problems: Problems,
) -> anyhow::Result<()> {
    let target = target(strings, &mut problems);
    problems.finish()?;
    let mut printed: Vec<String> = vec![];
    for access in [INGESTOR_ACCESS, METRICS_ACCESS, PORTFOLIO_ACCESS, API_ACCESS] {
        let lines = command.execute(&target, &access).await?;
        // An embedded log says the same of each.
        if lines != printed {
            for line in &lines {
                environment::print_line!("{line}");
            }
            printed = lines;
        }
    }
    Ok(())
}

/// Lists or replays the dead letters of both services, or of one.
pub(crate) async fn see_to_dead_letters(
    command: DeadLetterCommand,
    service: Option<Consumer>,
    strings: &StackSettings,
    mut problems: Problems,
) -> anyhow::Result<()> {
    let target = target(strings, &mut problems);
    problems.finish()?;
    let log = Log::open_to_read(&target).await?;
    let services = [
        (Consumer::Metrics, &topics::READ_BY_METRICS, topics::OF_METRICS),
        (Consumer::Portfolio, &topics::READ_BY_PORTFOLIO, topics::OF_PORTFOLIO),
    ];
    for (_, read, owned) in services.into_iter().filter(|(of, ..)| service.is_none_or(|wanted| wanted == *of)) {
        for line in command.execute(&log, read, owned).await? {
            environment::print_line!("{line}");
        }
    }
    Ok(())
}

/// Asks the running process, at the address that it serves on.
pub(crate) async fn ask_for_health(strings: &StackSettings, mut problems: Problems) -> anyhow::Result<()> {
    let settings = api::Settings::read(strings, &mut problems);
    problems.finish()?;
    environment::print_line!("{}", health::probe(settings.admin_addr.unwrap_or(settings.addr)).await?);
    Ok(())
}
