//! What `doctor` finds out about plugins, chain files and nodes: it asks each node for its head, as `run` would.

use crate::chainfile::{self, ChainFile, Variables};
use crate::check;
use crate::plugin::{Admitted, Engine, admit_folder};
use crate::settings::Settings;
use crate::source::{FailureLog, Source};
use crate::subscription::Subscription;
use environment::{Strings, with_causes};
use futures_util::future::join_all;
use ingest_domain::ChainReader;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How long one chain's nodes may take to say how far they are.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was tried: `chain base`, `log`.
    pub subject: String,
    /// Whether it works.
    pub works: bool,
    /// What was seen.
    pub says: String,
    /// What to do where it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// It works.
    pub fn works(subject: impl Into<String>, says: impl Into<String>) -> Self {
        Self { subject: subject.into(), works: true, says: says.into(), fix: None }
    }

    /// It does not work, and this is what to do.
    pub fn fails(subject: impl Into<String>, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { subject: subject.into(), works: false, says: says.into(), fix: Some(fix.into()) }
    }
}

/// Admits every plugin, reads every chain file, and asks the nodes of each chain for the head.
pub async fn examine(settings: &Settings, strings: &impl Strings) -> anyhow::Result<Vec<Finding>> {
    let engine = Engine::new(1)?;
    let mut findings = vec![];
    let folder = settings.plugins.display();
    let plugins = match admit_folder(&engine, &settings.gate, &settings.plugins).await {
        Ok((plugins, refused)) => {
            for refusal in refused {
                let fix = "replace or remove the file; `plugin check FILE` says more";
                findings.push(Finding::fails("plugin", refusal.to_string(), fix));
            }
            plugins
        }
        Err(error) => {
            let fix = "make the folder, or set PLUGINS_DIR to the one that holds NAME-VERSION.wasm";
            findings.push(Finding::fails("plugins", format!("PLUGINS_DIR {folder}: {error}"), fix));
            vec![]
        }
    };
    findings.extend(plugins.iter().map(|plugin| {
        let subject = format!("plugin {}", plugin.detector.plugin);
        Finding::works(subject, format!("version {} for contract {} is admitted", plugin.version, plugin.wit))
    }));
    let chains = match chainfile::list(&settings.chains) {
        Ok(paths) => paths,
        Err(error) => {
            let fix = "make the folder, or set CHAINS_DIR to the one that holds chain files (*.toml)";
            let says = format!("CHAINS_DIR {}: {error}", settings.chains.display());
            findings.push(Finding::fails("chains", says, fix));
            vec![]
        }
    };
    if let Some(folder) = settings.secrets.as_ref().filter(|folder| !folder.is_dir()) {
        let says = format!("SECRETS_DIR {} is no folder", folder.display());
        findings.push(Finding::fails(
            "secrets",
            says,
            "make it, or leave SECRETS_DIR out where nothing is read from it",
        ));
    }
    let variables = Variables { strings, secrets: settings.secrets.as_deref() };
    let mut asked = vec![];
    for path in chains {
        match chainfile::read(&path, &variables) {
            Ok(file) => asked.push(examine_chain(&engine, file, &plugins)),
            Err(problems) => findings.extend(problems.into_iter().map(|problem| {
                Finding::fails(format!("chain file {}", path.display()), problem, "correct this line of the file")
            })),
        }
    }
    findings.extend(join_all(asked).await);
    Ok(findings)
}

/// Asks the nodes of a chain, through its plugin, how far they are.
async fn examine_chain(engine: &Engine, file: ChainFile, plugins: &[Admitted]) -> Finding {
    let subject = format!("chain {}", file.id);
    let plugin = match check::resolve(&file, plugins) {
        Ok(plugin) => plugin.clone(),
        Err(problem) => {
            let fix = format!("put the plugin into PLUGINS_DIR, or correct {}", file.path.display());
            return Finding::fails(subject, problem, fix);
        }
    };
    let (version, endpoints) = (plugin.version.clone(), file.endpoints.len());
    let with = format!("{} {version}", file.plugin);
    let mut source = Source::new(engine, Subscription::fixed(Arc::new(file), plugin), FailureLog::default());
    match tokio::time::timeout(HEAD_TIMEOUT, source.head()).await {
        Ok(Ok(tip)) => {
            let is_final = tip.finalized.map(|id| format!(", final to {}", id.height)).unwrap_or_default();
            let of = if endpoints == 0 { "needs no node".to_owned() } else { format!("{endpoints} endpoints") };
            let says = format!("{} at block {}{is_final}, by {with}, {of}", tip.network, tip.latest.height);
            Finding::works(subject, says)
        }
        Ok(Err(failure)) => {
            let fix = "see whether the node's address and key in the chain file are right and reachable from here";
            Finding::fails(subject, format!("no node says how far it is: {}", with_causes(&failure)), fix)
        }
        Err(_) => {
            let says = format!("no node said how far it is within {} s", HEAD_TIMEOUT.as_secs());
            Finding::fails(subject, says, "try another endpoint, or see what is between here and the node")
        }
    }
}
