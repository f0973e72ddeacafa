//! Status files: what became of a dropped file, in `NAME.wasm.<instance>.status.json` beside it. An operator with only
//! `ls` and `cat` can see why a plugin is in use or is not. Best effort: a folder that cannot be written to stops
//! nothing.

use crate::plugin::{Admitted, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What became of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileStatus {
    /// The file's name.
    pub file: String,
    /// The ingestor that wrote this.
    pub instance: String,
    /// When it was written, milliseconds since the Unix epoch.
    pub at: u64,
    /// `admitted` or `refused`; for a chain file `followed`, `parked` or `refused`.
    pub verdict: String,
    /// The step of admission that was not passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Plugin id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Plugin version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 of the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The version of the contract it was built for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wit: Option<String>,
    /// Milliseconds that admission took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What each chain of this plugin makes of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<VersionUse>,
}

/// What one chain makes of a plugin's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionUse {
    /// Id of the chain.
    pub chain: String,
    /// `in-use`, `shadowing`, `held`, `withdrawn`, `superseded`.
    pub state: String,
    /// The chain's generation that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Why, in a sentence: the trade diff, or what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl FileStatus {
    /// The status of a plugin that may run.
    pub fn admitted(plugin: &Admitted, took_ms: u64) -> Self {
        Self {
            verdict: "admitted".to_owned(),
            plugin: Some(plugin.detector.plugin.clone()),
            version: Some(plugin.version.to_string()),
            digest: Some(plugin.detector.digest.clone()),
            wit: Some(plugin.wit.to_string()),
            took_ms: Some(took_ms),
            ..Self::default()
        }
    }

    /// The status of a file that is not admitted.
    pub fn refused(verdict: &Verdict) -> Self {
        Self {
            verdict: "refused".to_owned(),
            stage: Some(verdict.stage.to_string()),
            reason: Some(verdict.why.clone()),
            fix: Some(verdict.fix.clone()),
            ..Self::default()
        }
    }

    /// The status of a chain file.
    pub fn chain(verdict: &str, reason: Option<String>) -> Self {
        Self { verdict: verdict.to_owned(), reason, ..Self::default() }
    }
}

/// Writes status files, each only when its content has changed.
#[derive(Debug)]
pub struct StatusWriter {
    instance: String,
    written: BTreeMap<PathBuf, FileStatus>,
    /// Whether a write has failed already.
    failed: bool,
}

impl StatusWriter {
    /// The writer of one ingestor.
    pub fn new(instance: &str) -> Self {
        Self { instance: instance.to_owned(), written: BTreeMap::new(), failed: false }
    }

    /// Writes the status of a file.
    pub fn write(&mut self, path: &Path, status: FileStatus) {
        let status = FileStatus {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            instance: self.instance.clone(),
            at: 0,
            ..status
        };
        if self.written.get(path) == Some(&status) {
            return;
        }
        let dated = FileStatus { at: environment::now_ms(), ..status.clone() };
        let text = serde_json::to_string_pretty(&dated).unwrap_or_default() + "\n";
        let target = status_path(path, &self.instance);
        let unfinished = target.with_extension("json.new");
        let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, &target));
        if let Err(error) = written
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::info!(event = "status.unwritable", %error, path = %target.display(), "status files cannot be written; the log has them");
        }
        self.written.insert(path.to_owned(), status);
    }

    /// Adds what the chains make of a plugin's version.
    pub fn write_uses(&mut self, path: &Path, chains: Vec<VersionUse>) {
        if let Some(status) = self.written.get(path).filter(|status| status.chains != chains).cloned() {
            self.write(path, FileStatus { chains, ..status });
        }
    }

    /// Removes the status of a file that is gone.
    pub fn remove(&mut self, path: &Path) {
        if self.written.remove(path).is_some() {
            // Best effort, like writing it.
            let _ = std::fs::remove_file(status_path(path, &self.instance));
        }
    }
}

/// The path of a file's status.
pub fn status_path(path: &Path, instance: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.{instance}.status.json"))
}

/// Every status in a folder, by file and instance.
pub fn read_statuses(folder: &Path) -> std::io::Result<Vec<FileStatus>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".status.json")
            && let Ok(text) = std::fs::read(&path)
            && let Ok(status) = serde_json::from_slice::<FileStatus>(&text)
        {
            found.push(status);
        }
    }
    found.sort_by(|a, b| (&a.file, &a.instance).cmp(&(&b.file, &b.instance)));
    Ok(found)
}
