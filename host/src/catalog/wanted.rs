//! What is wanted: the chain files of `CHAINS_DIR`, read again when they or the secrets they name change.

use crate::chainfile::{self, ChainFile, Variables};
use crate::status::StatusWriter;
use crate::watch::{FileChange, WatchedFolder};
use environment::Strings;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The chain files as they count.
pub(super) struct WantedChains {
    folder: WatchedFolder,
    secrets: Option<(PathBuf, WatchedFolder)>,
    files: BTreeMap<PathBuf, WantedChain>,
}

/// One chain file as it counts, and what is wrong with the newest text of it.
#[derive(Clone, Default)]
pub(super) struct WantedChain {
    /// The last text that was accepted.
    pub(super) file: Option<Arc<ChainFile>>,
    /// Why the newest text is refused.
    pub(super) problem: Option<String>,
    /// The chain that a refused text is about, as far as it says so.
    pub(super) id: Option<String>,
}

/// What has changed since the last look.
#[derive(Default)]
pub(super) struct Changes {
    /// Whether anything has.
    pub(super) any: bool,
    /// The chains with a new text.
    pub(super) chains: Vec<String>,
}

impl WantedChains {
    pub(super) fn new(folder: &Path, secrets: Option<&Path>) -> Self {
        let secrets = secrets.map(|folder| (folder.to_owned(), WatchedFolder::new(folder, None)));
        Self { folder: WatchedFolder::new(folder, Some("toml")), secrets, files: BTreeMap::new() }
    }

    /// The chain files by path.
    pub(super) fn files(&self) -> Vec<(PathBuf, WantedChain)> {
        self.files.iter().map(|(path, wanted)| (path.clone(), wanted.clone())).collect()
    }

    /// The chains that only a refused text names, and why it is refused.
    pub(super) fn refused_chains(&self) -> BTreeMap<String, String> {
        let accepted: BTreeSet<&str> =
            self.files.values().filter_map(|it| it.file.as_ref()).map(|file| file.id.as_str()).collect();
        let refused = self.files.values().filter(|it| it.file.is_none());
        let named = refused.filter_map(|it| Some((it.id.clone()?, it.problem.clone()?)));
        named.filter(|(id, _)| !accepted.contains(id.as_str())).collect()
    }

    /// Reads the files that are new or changed, or all of them when a secret has changed.
    pub(super) fn poll(
        &mut self,
        strings: &impl Strings,
        statuses: &mut StatusWriter,
        changes: &mut Changes,
    ) -> std::io::Result<()> {
        let mut to_read = BTreeSet::new();
        for change in self.folder.poll()? {
            changes.any = true;
            match change {
                FileChange::Complete(path) => {
                    to_read.insert(path);
                }
                FileChange::Removed(path) => {
                    self.files.remove(&path);
                    statuses.remove(&path);
                }
            }
        }
        let secrets = self.secrets.as_mut().map(|(_, folder)| folder.poll()).transpose()?.unwrap_or_default();
        if !secrets.is_empty() {
            // Any file may name any of them.
            changes.any = true;
            to_read.extend(self.files.keys().cloned());
        }
        for path in to_read {
            let secrets = self.secrets.as_ref().map(|(path, _)| path.as_path());
            let parsed = chainfile::read(&path, &Variables { strings, secrets });
            changes.chains.extend(self.accept(&path, parsed));
            if let Some(wanted) = self.files.get_mut(&path) {
                wanted.id = chainfile::id_of(&path);
            }
        }
        Ok(())
    }

    /// Takes over a text or notes what is wrong with it; returns the chain's id where the text is a new one.
    fn accept(&mut self, path: &Path, parsed: Result<ChainFile, Vec<String>>) -> Option<String> {
        let parsed = parsed.map_err(|problems| problems.join("; "));
        let parsed = parsed.and_then(|file| self.refuse_duplicate_id(path, &file).map(|()| file));
        let known = self.files.entry(path.to_owned()).or_default();
        match parsed {
            Ok(file) => {
                known.problem = None;
                if known.file.as_deref() == Some(&file) {
                    return None;
                }
                let id = file.id.clone();
                known.file = Some(Arc::new(file));
                Some(id)
            }
            Err(problem) => {
                tracing::error!(event = "chain.file.refused", %problem, path = %path.display(), "chain file refused");
                known.problem = Some(problem);
                None
            }
        }
    }

    fn refuse_duplicate_id(&self, path: &Path, file: &ChainFile) -> Result<(), String> {
        let others = self.files.iter().filter(|(other, _)| *other != path);
        let mut accepted = others.filter_map(|(_, wanted)| wanted.file.as_ref());
        match accepted.find(|other| other.id == file.id) {
            Some(other) => Err(format!("id `{}` is taken by {}; choose another", file.id, other.path.display())),
            None => Ok(()),
        }
    }
}
