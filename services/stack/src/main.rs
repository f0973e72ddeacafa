//! The binary `chaintape`: all four services in one process, on SQLite unless told otherwise.

mod overlay;

use anyhow::Context;
use clap::Parser;
use environment::{Layers, Problems, Shutdown, process};
use overlay::{Arguments, Overlay};
use std::fs::File;
use std::process::ExitCode;
use tape_log::{Log, Target, settings::target};
use tokio::task::JoinSet;

/// Worker threads need room for what a debug build keeps on its stack.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    process::exit_code(runtime.context("start the runtime").and_then(|runtime| runtime.block_on(start(arguments))))
}

async fn start(arguments: Arguments) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let strings = Overlay::new(Layers::load(&mut problems), &arguments);
    let ingest = chain_ingestor::Settings::read(&strings, &mut problems);
    let mut metrics = metrics::Settings::read(&strings, &mut problems);
    let mut portfolio = portfolio::Settings::read(&strings, &mut problems);
    // One process has one health: that of its api.
    (metrics.health, portfolio.health) = (None, None);
    let api = api::Settings::read(&strings, &mut problems);
    let target = target(&strings, &mut problems);
    if arguments.check_config {
        return Ok(process::check_config(&problems)?);
    }
    problems.finish()?;
    let _telemetry = environment::telemetry::start("chaintape");
    environment::install_crypto();
    let _alone = lock(&target)?;
    let log = Log::open(&target).await?;
    let shutdown = Shutdown::on_signals();
    let mut services = JoinSet::new();
    services.spawn(api::run(api, log.clone(), shutdown.clone()));
    services.spawn(metrics::run(metrics, log.clone(), shutdown.clone()));
    services.spawn(portfolio::run(portfolio, log.clone(), shutdown.clone()));
    let wish = shutdown.clone();
    services.spawn(async move { chain_ingestor::run(ingest, &strings, log, wish).await });
    while let Some(ended) = services.join_next().await {
        let ended = ended.context("keep a service running").and_then(|result| result);
        shutdown.trigger();
        ended?;
    }
    Ok(())
}

/// A log file belongs to one process: a second one is refused.
fn lock(target: &Target) -> anyhow::Result<Option<File>> {
    let Target::Sqlite(path) = target else { return Ok(None) };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create the folder {}", folder.display()))?;
    }
    let path = path.with_extension("lock");
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    file.try_lock().with_context(|| format!("lock {}: another chaintape is running on this log", path.display()))?;
    Ok(Some(file))
}
