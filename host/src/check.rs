//! `check-config` and `health`: what is resolved, whether it would run, and whether its log can be reached.

use crate::plugin::{Admitted, Engine, admit_folder};
use crate::run::{newest, read_chains};
use crate::settings::Settings;
use anyhow::Context;
use environment::{ConfigError, Strings};
use tape_log::{Log, topics};

/// Reads everything that `run` would and says what it found, or everything that is wrong.
pub async fn check_config(settings: &Settings, strings: &impl Strings) -> anyhow::Result<String> {
    let chains = read_chains(settings, strings)?;
    let engine = Engine::new(1)?;
    let (plugins, refused) = admit_folder(&engine, &settings.gate, &settings.plugins)
        .await
        .with_context(|| format!("read PLUGINS_DIR {}", settings.plugins.display()))?;
    let mut problems: Vec<String> = refused.iter().map(ToString::to_string).collect();
    let mut said = vec![];
    for chain in &chains {
        let (path, id) = (chain.path.display(), &chain.plugin);
        let pinned = |plugin: &&Admitted| chain.pinned.as_ref().is_none_or(|version| plugin.version == *version);
        let fitting: Vec<Admitted> = plugins.iter().filter(pinned).cloned().collect();
        let Some(plugin) = newest(&fitting, id) else {
            let version = chain.pinned.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
            problems.push(format!("{path}: plugin `{id}{version}` is not in PLUGINS_DIR"));
            continue;
        };
        if let Err(wrong) = plugin.schema.check(&chain.settings) {
            problems.push(format!("{path}: {wrong}"));
            continue;
        }
        let (version, endpoints) = (&plugin.detector.version, chain.endpoints.len());
        said.push(format!("chain {}: {id} {version}, {endpoints} endpoints", chain.id));
    }
    if problems.is_empty() { Ok(said.join("\n")) } else { Err(ConfigError(problems).into()) }
}

/// Whether the log answers.
pub async fn health(log: &Log) -> anyhow::Result<()> {
    log.ends(&topics::PROGRESS).await.context("reach the log")?;
    Ok(())
}
