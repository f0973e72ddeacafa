//! The binary `chaintape`: all four services in one process, by default on SQLite.

mod overlay;
mod probe;
mod known_chains;
mod new;
mod doctor;
#[cfg(feature = "demo")]
mod demo;
mod command;

use anyhow::Context;
use chain_ingestor::commands;
use clap::{CommandFactory, Parser};
use command::StackCommand;
use environment::health::Notices;
use environment::{Layers, Measurements, Problems, Shutdown, process};
use overlay::{StackArguments, StackSettings};
use std::fs::File;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tape_log::guard::TapeGuard;
use tape_log::{Log, Target, settings::target};
use tokio::task::JoinSet;

/// Most of the work is to make and drop small texts, on one thread and on another: mimalloc is faster at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Large enough for the stack frames of a debug build.
const THREAD_STACK_BYTES: usize = 8 << 20;

/// How often and how long a start waits for the lock of an embedded log.
const LOCK_RETRIES: u32 = 4;
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let arguments = StackArguments::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(THREAD_STACK_BYTES).build();
    process::exit_code(runtime.context("start the runtime").and_then(|runtime| runtime.block_on(start(arguments))))
}

async fn start(arguments: StackArguments) -> anyhow::Result<()> {
    let command = arguments.wanted();
    environment::install_crypto();
    let mut problems = Problems::default();
    let strings = StackSettings::new(Layers::load(&mut problems), &arguments);
    match command {
        StackCommand::Generated(command) => command.execute(StackArguments::command()),
        StackCommand::Run | StackCommand::CheckConfig { .. } => run(&arguments, strings, problems, command).await,
        StackCommand::Ingest(command) => command.execute(&strings, problems, &arguments.program()).await,
        StackCommand::Topics(command) => command::see_to_topics(&command, &strings, problems).await,
        StackCommand::Dlq { service, command } => {
            command::see_to_dead_letters(command, service, &strings, problems).await
        }
        StackCommand::Doctor { json } => doctor::doctor(&strings, problems, json).await,
        StackCommand::New(command) => command.execute(&strings).await,
        #[cfg(feature = "demo")]
        StackCommand::Demo(command) => {
            arguments.refuse_log_and_database()?;
            command.execute(&strings).await
        }
        StackCommand::Health => command::ask_for_health(&strings, problems).await,
    }
}

/// Runs the four services, or checks whether it could.
async fn run(
    arguments: &StackArguments,
    strings: StackSettings,
    mut problems: Problems,
    command: StackCommand,
) -> anyhow::Result<()> {
    let mut ingest = chain_ingestor::Settings::read(&strings, &mut problems);
    ingest.command = arguments.program();
    let mut metrics = metrics::Settings::read(&strings, &mut problems);
    let mut portfolio = portfolio::Settings::read(&strings, &mut problems);
    // The api answers for the whole process; the other two get no port of their own.
    (metrics.health, portfolio.health) = (None, None);
    let api = api::Settings::read(&strings, &mut problems);
    let target = target(&strings, &mut problems);
    if let StackCommand::CheckConfig { json } = command {
        return commands::check_config(&ingest, &strings, &problems, json).await;
    }
    problems.finish()?;
    let _telemetry = environment::telemetry::start("chaintape");
    problems.log_warnings();
    let _lock = lock_log_file(&target)?;
    let log = Log::open(&target).await?;
    let shutdown = Shutdown::on_signals();
    if arguments.until_stdin_closes {
        stop_with_stdin(&shutdown);
    }
    let mut services = JoinSet::new();
    let consumer = |service| api::Consumer {
        service,
        guard: Arc::<TapeGuard>::default(),
        notices: Notices::default(),
        measurements: Measurements::of(service),
    };
    let consumers = ["metrics", "portfolio"].map(consumer);
    let [of_metrics, of_portfolio] = consumers.clone();
    services.spawn(api::run_with(api, log.clone(), consumers.into(), shutdown.clone()));
    let api::Consumer { guard, measurements, .. } = of_metrics;
    services.spawn(metrics::run_guarded(metrics, log.clone(), guard, measurements, shutdown.clone()));
    let api::Consumer { guard, notices, measurements, .. } = of_portfolio;
    services.spawn(portfolio::run_guarded(portfolio, log.clone(), guard, notices, measurements, shutdown.clone()));
    let ingest_shutdown = shutdown.clone();
    services.spawn(async move { chain_ingestor::run(ingest, &strings, log, ingest_shutdown).await });
    while let Some(ended) = services.join_next().await {
        let ended = ended.context("run a service").and_then(|result| result);
        shutdown.trigger();
        ended?;
    }
    Ok(())
}

/// Requests the stop once standard input has ended. The thread reads until then, or until the process ends.
fn stop_with_stdin(shutdown: &Shutdown) {
    let shutdown = shutdown.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        shutdown.trigger();
    });
}

/// Locks the file of an embedded log for this process, so that a second process is refused.
fn lock_log_file(target: &Target) -> anyhow::Result<Option<File>> {
    let Target::Sqlite(path) = target else { return Ok(None) };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("create the directory of LOG, {}", directory.display()))?;
    }
    let path = path.with_extension("lock");
    let file = File::create(&path).with_context(|| format!("create the lock file {}", path.display()))?;
    let mut locked = file.try_lock();
    for _ in 0..LOCK_RETRIES {
        if locked.is_ok() {
            break;
        }
        // A command that sees whether anything runs here holds it for a moment.
        std::thread::sleep(LOCK_RETRY_DELAY);
        locked = file.try_lock();
    }
    locked.with_context(|| {
        format!("lock {}: another chaintape runs on this log; stop it, or choose another --log", path.display())
    })?;
    Ok(Some(file))
}
