//! Watches the files that a component is made of, by polling: the compiler says which they are.
//!
//! A poll costs a `stat` for each file and works on every file system, those of containers and networks too, as that of
//! `PLUGINS_DIR` does. (`notify` would be woken by the system, but its licence, CC0, is none of those in `.cargo/deny.toml`.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Between two looks at the sources.
const SOURCES_POLL_EVERY: Duration = Duration::from_millis(50);

/// What of a file changes when it is written; none where there is no file.
type Stamp = Option<(SystemTime, u64)>;

/// The files of a crate.
pub(super) struct Sources {
    folder: PathBuf,
    cassettes: PathBuf,
    /// What the compiler read the last time, in whatever folder.
    read: BTreeSet<PathBuf>,
    seen: BTreeMap<PathBuf, Stamp>,
}

impl Sources {
    /// Those of a folder.
    pub(super) fn of(folder: &Path, cassettes: &Path) -> Self {
        let [folder, cassettes] = [folder, cassettes].map(Path::to_owned);
        Self { folder, cassettes, read: BTreeSet::new(), seen: BTreeMap::new() }
    }

    /// The compiler has read these.
    pub(super) fn read_by_the_compiler(&mut self, read: Vec<PathBuf>) {
        for path in read {
            // What it read before the look counts as it was then: nothing was seen of it.
            if self.read.insert(path.clone()) && !self.seen.contains_key(&path) {
                let stamp = stamp(&path);
                self.seen.insert(path, stamp);
            }
        }
    }

    /// Remembers how the files are now; when the newest of them was written, milliseconds since the Unix epoch.
    fn look(&mut self) -> u64 {
        self.seen = self.now();
        let newest = self.seen.values().flatten().map(|(changed, _)| *changed).max();
        let since = newest.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether any file is new, gone or another since the look.
    fn have_changed(&self) -> bool {
        self.now() != self.seen
    }

    /// Waits until nobody writes: a file is emptied before it is written anew. When the newest of them was written, milliseconds since
    /// the Unix epoch.
    pub(super) async fn until_settled(&mut self) -> u64 {
        loop {
            let edited_at = self.look();
            tokio::time::sleep(SOURCES_POLL_EVERY).await;
            if !self.have_changed() {
                return edited_at;
            }
        }
    }

    /// Waits for the next change.
    pub(super) async fn until_changed(&self) {
        while !self.have_changed() {
            tokio::time::sleep(SOURCES_POLL_EVERY).await;
        }
    }

    /// How many files are watched.
    pub(super) fn count(&self) -> usize {
        self.seen.values().flatten().count()
    }

    fn now(&self) -> BTreeMap<PathBuf, Stamp> {
        let mut paths: BTreeSet<PathBuf> = self.read.clone();
        paths.insert(self.folder.join("Cargo.toml"));
        for folder in [self.folder.join("src"), self.cassettes.clone()] {
            add_files(&folder, &mut paths);
        }
        paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect()
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn add_files(folder: &Path, paths: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => add_files(&entry.path(), paths),
            Ok(_) => {
                paths.insert(entry.path());
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_made_or_removed_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("src/deep")).unwrap();
        for name in ["Cargo.toml", "src/lib.rs", "elsewhere.rs"] {
            std::fs::write(path(name), "a").unwrap();
        }
        let mut sources = Sources::of(folder.path(), &path("cassettes"));
        assert!(sources.look() > 0);
        assert!(!sources.have_changed());
        assert_eq!(sources.count(), 2);
        let mut then = |what: &str, change: &dyn Fn()| {
            change();
            assert!(sources.have_changed(), "{what}");
            sources.look();
            assert!(!sources.have_changed(), "{what}, twice");
        };
        then("written", &|| std::fs::write(path("src/lib.rs"), "ab").unwrap());
        then("made", &|| std::fs::write(path("src/deep/new.rs"), "").unwrap());
        then("removed", &|| std::fs::remove_file(path("src/deep/new.rs")).unwrap());
        sources.read_by_the_compiler(vec![path("elsewhere.rs"), path("src/lib.rs")]);
        assert!(!sources.have_changed(), "it was read as it is");
        std::fs::write(path("elsewhere.rs"), "ab").unwrap();
        assert!(sources.have_changed(), "what the compiler reads counts wherever it lies");
    }
}
