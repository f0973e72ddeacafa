//! What became of a dropped file, in a file beside it: `NAME.wasm.<instance>.status.json`. Whoever has only `ls` and
//! `cat` can see why a plugin is in use or is not. Best effort: a folder that cannot be written to stops nothing.

use crate::plugin::{Admitted, Verdict};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is said about one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The file's name.
    pub file: String,
    /// Which ingestor says so.
    pub instance: String,
    /// When, milliseconds since the Unix epoch.
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
    pub chains: Vec<Use>,
}

/// What one chain makes of a plugin's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Use {
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

impl Status {
    /// Of a plugin that may run.
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

    /// Of a file that is no plugin.
    pub fn refused(verdict: &Verdict) -> Self {
        Self {
            verdict: "refused".to_owned(),
            stage: Some(verdict.stage.to_string()),
            reason: Some(verdict.why.clone()),
            fix: Some(verdict.fix.clone()),
            ..Self::default()
        }
    }

    /// Of a chain file.
    pub fn chain(verdict: &str, reason: Option<String>) -> Self {
        Self { verdict: verdict.to_owned(), reason, ..Self::default() }
    }
}

/// Writes status files, each only when what it says has changed.
#[derive(Debug)]
pub struct Board {
    instance: String,
    written: std::collections::BTreeMap<PathBuf, Status>,
    refused: bool,
}

impl Board {
    /// A board of one ingestor.
    pub fn new(instance: &str) -> Self {
        Self { instance: instance.to_owned(), written: std::collections::BTreeMap::new(), refused: false }
    }

    /// Says something about a file.
    pub fn say(&mut self, path: &Path, status: Status) {
        let status = Status {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            instance: self.instance.clone(),
            at: 0,
            ..status
        };
        if self.written.get(path) == Some(&status) {
            return;
        }
        let said = Status { at: environment::now_ms(), ..status.clone() };
        let text = serde_json::to_string_pretty(&said).unwrap_or_default() + "\n";
        let target = beside(path, &self.instance);
        let unfinished = target.with_extension("json.new");
        let done = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, &target));
        if let Err(error) = done
            && !std::mem::replace(&mut self.refused, true)
        {
            tracing::info!(%error, path = %target.display(), "status files cannot be written; the log has them");
        }
        self.written.insert(path.to_owned(), status);
    }

    /// Adds what the chains make of a plugin's version.
    pub fn say_uses(&mut self, path: &Path, chains: Vec<Use>) {
        if let Some(status) = self.written.get(path).filter(|status| status.chains != chains).cloned() {
            self.say(path, Status { chains, ..status });
        }
    }

    /// Takes back what was said about a file that is gone.
    pub fn forget(&mut self, path: &Path) {
        if self.written.remove(path).is_some() {
            // Best effort, as the writing.
            let _ = std::fs::remove_file(beside(path, &self.instance));
        }
    }
}

/// Where the status of a file stands.
pub fn beside(path: &Path, instance: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.{instance}.status.json"))
}

/// Every status in a folder, by file and instance.
pub fn read_all(folder: &Path) -> std::io::Result<Vec<Status>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".status.json")
            && let Ok(text) = std::fs::read(&path)
            && let Ok(status) = serde_json::from_slice::<Status>(&text)
        {
            found.push(status);
        }
    }
    found.sort_by(|a, b| (&a.file, &a.instance).cmp(&(&b.file, &b.instance)));
    Ok(found)
}
