//! The commands `check-config` and `health`: what is resolved, whether it would run, and whether the log can be
//! reached.

use crate::chainfile::{self, ChainFile, Variables};
use crate::plugin::{Admitted, Engine, admit_folder, newest_version};
use crate::settings::Settings;
use anyhow::Context;
use environment::{ConfigError, Strings};
use serde::Serialize;
use std::fmt;
use tape_log::{Log, topics};

/// A chain that would be followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedChain {
    /// Id of the chain.
    pub chain: String,
    /// Id of its plugin, and the version that would be used.
    pub plugin: String,
    /// The version.
    pub version: String,
    /// How many nodes its file names.
    pub endpoints: usize,
}

impl fmt::Display for CheckedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, plugin, version, endpoints } = self;
        write!(f, "chain {chain}: {plugin} {version}, {endpoints} endpoints")
    }
}

/// Reads everything that `run` would; returns what it found, or everything that is wrong.
pub async fn check_config(settings: &Settings, strings: &impl Strings) -> anyhow::Result<Vec<CheckedChain>> {
    settings.check_folders()?;
    let variables = Variables { strings, secrets: settings.secrets.as_deref() };
    let chains = chainfile::read_folder(&settings.chains, &variables).map_err(ConfigError)?;
    let engine = Engine::new(1)?;
    let (plugins, refused) = admit_folder(&engine, &settings.gate, &settings.plugins)
        .await
        .with_context(|| format!("read PLUGINS_DIR {}", settings.plugins.display()))?;
    let mut problems: Vec<String> = refused.iter().map(ToString::to_string).collect();
    let mut checked = vec![];
    for chain in &chains {
        match check_chain(chain, &plugins) {
            Ok(chain) => checked.push(chain),
            Err(problem) => problems.push(format!("{}: {problem}", chain.path.display())),
        }
    }
    if problems.is_empty() { Ok(checked) } else { Err(ConfigError(problems).into()) }
}

/// Checks that a chain has a plugin that accepts its settings.
fn check_chain(chain: &ChainFile, plugins: &[Admitted]) -> Result<CheckedChain, String> {
    let plugin = resolve(chain, plugins)?;
    Ok(CheckedChain {
        chain: chain.id.clone(),
        plugin: chain.plugin.clone(),
        version: plugin.detector.version.clone(),
        endpoints: chain.endpoints.len(),
    })
}

/// The plugin that a chain is followed with, if it accepts the chain's settings.
pub(crate) fn resolve<'a>(chain: &ChainFile, plugins: &'a [Admitted]) -> Result<&'a Admitted, String> {
    let allowed = |plugin: &&Admitted| chain.allows(&plugin.version, &plugin.detector.digest);
    let Some(plugin) = newest_version(plugins.iter().filter(allowed), &chain.plugin) else {
        return Err(format!("plugin `{}` is not in PLUGINS_DIR", chain.wanted_plugin()));
    };
    plugin.schema.check(&chain.settings)?;
    Ok(plugin)
}

/// Fails if the log does not answer.
pub async fn health(log: &Log) -> anyhow::Result<()> {
    log.ends(&topics::PROGRESS).await.context("reach the log")?;
    Ok(())
}
