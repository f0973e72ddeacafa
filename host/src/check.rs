//! The commands `check-config` and `health`: what is resolved, whether it would run, and whether the log can be
//! reached.

use crate::chainfile::{self, ChainFile, Variables};
use crate::plugin::{Admitted, Engine, admit_folder, newest_version};
use crate::settings::Settings;
use anyhow::Context;
use environment::{ConfigError, Strings};
use tape_log::{Log, topics};

/// Reads everything that `run` would; returns what it found, or everything that is wrong.
pub async fn check_config(settings: &Settings, strings: &impl Strings) -> anyhow::Result<String> {
    let variables = Variables { strings, secrets: settings.secrets.as_deref() };
    let chains = chainfile::read_folder(&settings.chains, &variables).map_err(ConfigError)?;
    let engine = Engine::new(1)?;
    let (plugins, refused) = admit_folder(&engine, &settings.gate, &settings.plugins)
        .await
        .with_context(|| format!("read PLUGINS_DIR {}", settings.plugins.display()))?;
    let mut problems: Vec<String> = refused.iter().map(ToString::to_string).collect();
    let mut lines = vec![];
    for chain in &chains {
        match check_chain(chain, &plugins) {
            Ok(line) => lines.push(line),
            Err(problem) => problems.push(format!("{}: {problem}", chain.path.display())),
        }
    }
    if problems.is_empty() { Ok(lines.join("\n")) } else { Err(ConfigError(problems).into()) }
}

/// Checks that a chain has a plugin that accepts its settings.
fn check_chain(chain: &ChainFile, plugins: &[Admitted]) -> Result<String, String> {
    let plugin = resolve(chain, plugins)?;
    let (id, version, endpoints) = (&chain.plugin, &plugin.detector.version, chain.endpoints.len());
    Ok(format!("chain {}: {id} {version}, {endpoints} endpoints", chain.id))
}

/// The plugin that a chain is followed with, if it accepts the chain's settings.
pub(crate) fn resolve<'a>(chain: &ChainFile, plugins: &'a [Admitted]) -> Result<&'a Admitted, String> {
    let id = &chain.plugin;
    let pinned = |plugin: &&Admitted| chain.pinned.as_ref().is_none_or(|version| plugin.version == *version);
    let Some(plugin) = newest_version(plugins.iter().filter(pinned), id) else {
        let version = chain.pinned.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        return Err(format!("plugin `{id}{version}` is not in PLUGINS_DIR"));
    };
    plugin.schema.check(&chain.settings)?;
    Ok(plugin)
}

/// Fails if the log does not answer.
pub async fn health(log: &Log) -> anyhow::Result<()> {
    log.ends(&topics::PROGRESS).await.context("reach the log")?;
    Ok(())
}
