//! The command `chains`: each chain file, what it resolves to, and how far its chain is on the tape.

use crate::chainfile::{self, Variables};
use crate::check;
use crate::plugin::{Engine, admit_folder};
use crate::settings::Settings;
use crate::tape::newest_progress;
use anyhow::Context;
use environment::Strings;
use serde::Serialize;
use tape_log::{Log, Target};
use wire::v1::progress::State;

/// One chain file.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedChain {
    /// Id of the chain.
    chain: String,
    /// The chain file.
    file: String,
    /// Id of its plugin, and the version that would be used.
    plugin: Option<String>,
    version: Option<String>,
    endpoints: usize,
    /// Why it cannot be followed.
    problem: Option<String>,
    /// What the tape says of it; none where it says nothing.
    tape: Option<LastProgress>,
}

/// What an ingestor wrote last of a chain.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LastProgress {
    state: State,
    waiting: bool,
    height: Option<u64>,
    lag_blocks: u64,
    reason: Option<String>,
    /// When, milliseconds since the Unix epoch.
    at: u64,
}

/// Lists the chains of `CHAINS_DIR`. A chain file that is wrong is a row with a problem, not the end of the list.
pub(super) async fn list(
    settings: &Settings,
    target: &Target,
    strings: &impl Strings,
) -> anyhow::Result<Vec<ListedChain>> {
    let paths = chainfile::list(&settings.chains).with_context(|| {
        format!("read CHAINS_DIR {}: it must be a folder of chain files", settings.chains.display())
    })?;
    let (plugins, _) = admit_folder(&Engine::new(1)?, &settings.gate, &settings.plugins)
        .await
        .with_context(|| format!("read PLUGINS_DIR {}: it must be a folder of plugins", settings.plugins.display()))?;
    let log = Log::open_to_read(target).await.context("read what the tape says of the chains")?;
    let variables = Variables { strings, secrets: settings.secrets.as_deref() };
    let mut listed: Vec<ListedChain> = vec![];
    for path in paths {
        let mut chain = ListedChain {
            chain: chainfile::id_of(&path).unwrap_or_default(),
            file: path.display().to_string(),
            plugin: None,
            version: None,
            endpoints: 0,
            problem: None,
            tape: None,
        };
        match chainfile::read(&path, &variables) {
            Err(problems) => {
                // The file is named beside them.
                let here = format!("{}: ", path.display());
                let problems = problems.iter().map(|problem| problem.strip_prefix(&here).unwrap_or(problem));
                chain.problem = Some(problems.collect::<Vec<_>>().join("; "));
            }
            Ok(file) => {
                (chain.chain, chain.plugin, chain.endpoints) =
                    (file.id.clone(), Some(file.plugin.clone()), file.endpoints.len());
                match check::resolve(&file, &plugins) {
                    Ok(plugin) => chain.version = Some(plugin.version.to_string()),
                    Err(problem) => chain.problem = Some(problem),
                }
            }
        }
        if let Some(twin) = listed.iter().find(|other| other.chain == chain.chain) {
            chain.problem = Some(format!("id `{}` is taken by {}; choose another", chain.chain, twin.file));
        } else if let Some(Ok(progress)) = newest_progress(&log, &chain.chain).await? {
            chain.tape = Some(LastProgress {
                state: progress.state,
                waiting: progress.waiting,
                height: progress.published.map(|block| block.height),
                lag_blocks: progress.lag_blocks,
                reason: progress.reason,
                at: progress.at,
            });
        }
        listed.push(chain);
    }
    Ok(listed)
}

/// The list as lines in columns; what the tape says is old where no process runs on it.
pub(super) fn for_people(listed: &[ListedChain], is_running: bool) -> String {
    if listed.is_empty() {
        return "there are no chain files (*.toml) in CHAINS_DIR".to_owned();
    }
    let mut lines = vec![];
    if !is_running && listed.iter().any(|chain| chain.tape.is_some()) {
        lines.push("no process runs on this log; what was last said of each chain:".to_owned());
    }
    for chain in listed {
        let plugin = [chain.plugin.as_deref(), chain.version.as_deref()];
        let plugin = plugin.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let tape = match &chain.tape {
            None => "not on the tape yet".to_owned(),
            Some(LastProgress { state, waiting, height, lag_blocks, .. }) => {
                let state = match state {
                    _ if *waiting => "waiting",
                    State::Live => "live",
                    State::Catching => "catching up",
                    State::Parked => "parked",
                };
                let height = height.map(|height| format!(" at {height}")).unwrap_or_default();
                let lag = if *lag_blocks > 0 { format!(", {lag_blocks} behind") } else { String::new() };
                format!("{state}{height}{lag}")
            }
        };
        lines.push(format!("{:<16} {plugin:<18} {:>2} endpoints  {tape}", chain.chain, chain.endpoints));
        lines.extend(chain.problem.as_ref().map(|problem| format!("  {}: {problem}", chain.file)));
        lines.extend(chain.tape.as_ref().and_then(|tape| Some(format!("  {}", tape.reason.as_ref()?))));
    }
    lines.join("\n")
}
