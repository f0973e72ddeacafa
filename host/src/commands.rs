//! The commands of the binary `chain-ingestor`: each reads what it needs, does its work and prints the result.

use crate::command_line::{PluginCommand, ScanSource};
use chain_ingestor::plugin::Gate;
use chain_ingestor::{ChainCommand, Settings, check, kit, scan};
use environment::{Layers, Problems, process};
use std::path::Path;
use tape_log::access::INGESTOR_ACCESS;
use tape_log::{Log, TopicsCommand, settings::target};

/// Opens the log, unless a setting is wrong.
pub(crate) async fn open_log(layers: &Layers, problems: &mut Problems) -> anyhow::Result<Log> {
    let target = target(layers, problems);
    problems.finish()?;
    Ok(Log::open(&target).await?)
}

/// Prints what is resolved, then whether it would run.
pub(crate) async fn check_config(layers: &Layers, mut problems: Problems) -> anyhow::Result<()> {
    let settings = Settings::read(layers, &mut problems);
    target(layers, &mut problems);
    process::check_config(&problems)?;
    println!("{}", check::check_config(&settings, layers).await?);
    Ok(())
}

/// Prints the trades of a span or of a cassette.
pub(crate) async fn scan(plugin: &Path, source: ScanSource, layers: &Layers) -> anyhow::Result<()> {
    environment::telemetry::start_on_stderr("chain-ingestor");
    let mut out = std::io::stdout();
    match source {
        ScanSource { cassette: Some(cassette), .. } => scan::scan_cassette(plugin, &cassette, &mut out).await,
        ScanSource { chain: Some(chain), from: Some(from), to: Some(to), .. } => {
            scan::scan(plugin, &chain, (from, to), layers, &mut out).await
        }
        ScanSource { .. } => anyhow::bail!("scan either a cassette, or a chain from a height to a height"),
    }
}

/// Runs a command for plugins and prints its result.
pub(crate) async fn plugin(command: PluginCommand, layers: &Layers, mut problems: Problems) -> anyhow::Result<()> {
    environment::telemetry::start_on_stderr("chain-ingestor");
    let settings = |mut problems: Problems| -> anyhow::Result<Settings> {
        let settings = Settings::read(layers, &mut problems);
        problems.finish()?;
        Ok(settings)
    };
    let result = match command {
        PluginCommand::Check { file, chain, cassettes } => {
            let gate = Settings::gate(layers, &mut problems);
            problems.finish()?;
            kit::check(&file, chain.as_deref(), cassettes.as_deref(), &gate, layers).await
        }
        PluginCommand::List => kit::list(&settings(problems)?).await,
        PluginCommand::Status => kit::status(&settings(problems)?),
        PluginCommand::Record { plugin, chain, from, to, out } => {
            kit::record(&plugin, &chain, (from, to), &out, layers).await
        }
        PluginCommand::Test { plugin, cassettes, bless } => kit::test(&plugin, &cassettes, bless).await,
        PluginCommand::Sign { file, key } => kit::sign(&file, &key),
        PluginCommand::Verify { file, key: Some(key) } => {
            let key = format!("ed25519:{}", key.strip_prefix("ed25519:").unwrap_or(&key));
            let gate = Gate::parse(&key).map_err(|wrong| anyhow::anyhow!("--key {wrong}"))?;
            kit::verify(&file, &gate)
        }
        PluginCommand::Verify { file, key: None } => {
            let gate = Settings::gate(layers, &mut problems);
            problems.finish()?;
            kit::verify(&file, &gate)
        }
        PluginCommand::Bench { plugin, cassettes } => kit::bench(&plugin, &cassettes).await,
    };
    println!("{}", result?);
    Ok(())
}

/// Compares, creates or prints the topics.
pub(crate) async fn topics(layers: &Layers, mut problems: Problems, command: &TopicsCommand) -> anyhow::Result<()> {
    let target = target(layers, &mut problems);
    problems.finish()?;
    for line in command.execute(&target, &INGESTOR_ACCESS).await? {
        println!("{line}");
    }
    Ok(())
}

/// Carries out a command on one chain and prints what happens next.
pub(crate) async fn chain(layers: &Layers, mut problems: Problems, command: &ChainCommand) -> anyhow::Result<()> {
    let log = open_log(layers, &mut problems).await?;
    println!("{}", command.execute(&log, "chain-ingestor").await?);
    Ok(())
}
