//! The binary `api`: serves until it is asked to stop.

use api::Settings;
use clap::Subcommand;
use environment::process::Program;
use environment::{Layers, Problems, Shutdown, process};
use std::net::SocketAddr;
use std::process::ExitCode;
use tape_log::access::API_ACCESS;
use tape_log::{Log, Target, TopicsCommand};

/// Most of the work is to make and drop small texts, on one thread and on another: mimalloc is faster at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Api;

#[derive(Clone, Subcommand)]
enum Command {
    /// Print which topics must exist and which rights this process needs.
    Topics(TopicsCommand),
}

#[tokio::main]
async fn main() -> ExitCode {
    process::main::<Api>().await
}

impl Program for Api {
    const NAME: &'static str = "api";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str =
        "Serves trades, metrics, leaderboards and balances: read-only REST, WebSocket and the page";
    type Settings = (Settings, Target);
    type Command = Command;

    fn read(layers: &Layers, problems: &mut Problems) -> Self::Settings {
        (Settings::read(layers, problems), tape_log::settings::target(layers, problems))
    }

    fn health_addr((settings, _): &Self::Settings) -> Option<SocketAddr> {
        Some(settings.admin_addr.unwrap_or(settings.addr))
    }

    async fn run((settings, target): Self::Settings, shutdown: Shutdown) -> anyhow::Result<()> {
        api::run(settings, Log::open(&target).await?, shutdown).await
    }

    async fn execute((_, target): Self::Settings, command: Command) -> anyhow::Result<()> {
        let Command::Topics(command) = command;
        for line in command.execute(&target, &API_ACCESS).await? {
            environment::print_line!("{line}");
        }
        Ok(())
    }
}
