//! What is admitted: the components of `PLUGINS_DIR`, each admitted or refused when it is dropped or changed.

use super::choice::Candidate;
use crate::chainfile::ChainFile;
use crate::plugin::{Admitted, Engine, Gate, Refusal, Verdict, admit};
use crate::status::{FileStatus, StatusWriter};
use crate::watch::{FileChange, WatchedFolder};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The plugins that can be used, and the files that were refused.
pub(super) struct Plugins {
    engine: Engine,
    gate: Gate,
    folder: WatchedFolder,
    admissions: JoinSet<Admission>,
    /// How often each file was seen complete: the result of an admission does not count once its file has changed
    /// again.
    revisions: HashMap<PathBuf, u64>,
    admitted: BTreeMap<PathBuf, Admitted>,
    refused: BTreeMap<PathBuf, Verdict>,
}

/// The result of one admission.
pub(super) struct Admission {
    path: PathBuf,
    revision: u64,
    result: Result<Admitted, Refusal>,
    took: Duration,
}

impl Plugins {
    pub(super) fn new(engine: &Engine, gate: &Gate, folder: &Path) -> Self {
        Self {
            engine: engine.clone(),
            gate: gate.clone(),
            folder: WatchedFolder::new(folder, Some("wasm")),
            admissions: JoinSet::new(),
            revisions: HashMap::new(),
            admitted: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(super) fn admitted(&self) -> &BTreeMap<PathBuf, Admitted> {
        &self.admitted
    }

    pub(super) fn refused(&self) -> &BTreeMap<PathBuf, Verdict> {
        &self.refused
    }

    /// Begins to admit the files that are new or changed, and forgets those that are gone; returns whether there were
    /// any.
    pub(super) fn poll(&mut self, statuses: &mut StatusWriter) -> std::io::Result<bool> {
        let changes = self.folder.poll()?;
        let any = !changes.is_empty();
        for change in changes {
            match change {
                FileChange::Complete(path) => self.begin_admission(path),
                FileChange::Removed(path) => {
                    *self.revisions.entry(path.clone()).or_default() += 1;
                    if let Some(plugin) = self.admitted.remove(&path) {
                        tracing::info!(event = "plugin.removed", ?plugin, path = %path.display(), "plugin taken away");
                    }
                    self.refused.remove(&path);
                    statuses.remove(&path);
                }
            }
        }
        Ok(any)
    }

    fn begin_admission(&mut self, path: PathBuf) {
        let revision = self.revisions.entry(path.clone()).or_default();
        *revision += 1;
        let (engine, gate, revision, begun) = (self.engine.clone(), self.gate.clone(), *revision, Instant::now());
        self.admissions.spawn(async move {
            let result = admit(&engine, &gate, &path).await;
            Admission { path, revision, result, took: begun.elapsed() }
        });
    }

    /// Waits for the next admission to end; none when there are none.
    pub(super) async fn next_admission(&mut self) -> Option<Result<Admission, tokio::task::JoinError>> {
        self.admissions.join_next().await
    }

    /// Takes over the result of an admission; returns whether it counts.
    pub(super) fn finish_admission(&mut self, admission: Admission, statuses: &mut StatusWriter) -> bool {
        let Admission { path, revision, result, took } = admission;
        if self.revisions.get(&path) != Some(&revision) {
            return false;
        }
        self.refused.remove(&path);
        match result {
            Ok(plugin) => {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(
                    event = "plugin.admitted",
                    plugin.id = plugin.detector.plugin,
                    plugin.version = plugin.detector.version,
                    plugin.digest = plugin.detector.digest,
                    took_ms,
                    "plugin admitted"
                );
                statuses.write(&path, FileStatus::admitted(&plugin, took_ms));
                self.admitted.insert(path, plugin);
            }
            Err(refusal) => {
                // A refused file changes nothing: what was admitted from it before stays.
                tracing::error!(event = "plugin.refused", %refusal, "plugin refused");
                statuses.write(&path, FileStatus::refused(&refusal.verdict));
                self.refused.insert(path, refusal.verdict);
            }
        }
        true
    }

    /// The versions that a chain could use: those in the folder, and the one in use though its file was replaced.
    pub(super) fn versions_for(&self, file: &ChainFile, in_use: Option<&Admitted>) -> Vec<(Candidate, Admitted)> {
        let of_plugin = self.admitted.values().filter(|plugin| plugin.detector.plugin == file.plugin);
        let mut versions: Vec<(Candidate, Admitted)> =
            of_plugin.map(|plugin| (candidate(plugin, false), plugin.clone())).collect();
        if let Some(plugin) = in_use
            && !versions.iter().any(|(candidate, _)| candidate.digest == plugin.detector.digest)
            && self.admitted.contains_key(&plugin.path)
        {
            versions.push((candidate(plugin, true), plugin.clone()));
        }
        versions
    }
}

fn candidate(plugin: &Admitted, replaced: bool) -> Candidate {
    Candidate { version: plugin.version.clone(), digest: plugin.detector.digest.clone(), replaced }
}
