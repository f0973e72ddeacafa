//! Watches a folder by polling: reports files that are new or changed, once they are complete, and files that are gone.
//!
//! A file counts as complete when it has not changed between two polls, or when its last change is at least a second
//! old: a finished file that is renamed into place is reported at once. A poll costs one listing and works on every
//! file system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file whose last change is at least this old counts as complete.
const COMPLETE_AFTER: Duration = Duration::from_secs(1);

/// The properties of a file that change when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    size: u64,
    changed: SystemTime,
    inode: u64,
}

/// One folder.
#[derive(Debug)]
pub(crate) struct WatchedFolder {
    path: PathBuf,
    extension: Option<&'static str>,
    seen: BTreeMap<PathBuf, Seen>,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
struct Seen {
    stamp: FileStamp,
    /// Its present content was reported.
    reported: bool,
    /// Some content of it was reported.
    ever_reported: bool,
}

/// A change that a poll found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileChange {
    /// A complete file that is new or has changed.
    Complete(PathBuf),
    /// A file that was reported is gone.
    Removed(PathBuf),
}

impl WatchedFolder {
    /// A folder; with an extension only files that have it count.
    pub(crate) fn new(path: &Path, extension: Option<&'static str>) -> Self {
        Self { path: path.to_owned(), extension, seen: BTreeMap::new() }
    }

    /// Polls once; a folder that cannot be read is an error and changes nothing.
    pub(crate) fn poll(&mut self) -> std::io::Result<Vec<FileChange>> {
        self.poll_at(SystemTime::UNIX_EPOCH + Duration::from_millis(environment::now_ms()))
    }

    fn poll_at(&mut self, now: SystemTime) -> std::io::Result<Vec<FileChange>> {
        let found = self.list()?;
        let mut changes = vec![];
        self.seen.retain(|path, seen| {
            let there = found.contains_key(path);
            if !there && seen.ever_reported {
                changes.push(FileChange::Removed(path.clone()));
            }
            there
        });
        for (path, stamp) in found {
            let before = self.seen.get(&path).copied();
            let same = before.is_some_and(|before| before.stamp == stamp);
            let settled = now.duration_since(stamp.changed).is_ok_and(|age| age >= COMPLETE_AFTER);
            let reported = same || settled;
            if reported && !(same && before.is_some_and(|before| before.reported)) {
                changes.push(FileChange::Complete(path.clone()));
            }
            let ever_reported = reported || before.is_some_and(|before| before.ever_reported);
            self.seen.insert(path, Seen { stamp, reported, ever_reported });
        }
        Ok(changes)
    }

    fn list(&self) -> std::io::Result<BTreeMap<PathBuf, FileStamp>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if self.extension.is_some_and(|wanted| extension != Some(wanted)) {
                continue;
            }
            // A link counts as what it points to; what vanished meanwhile is not there.
            if let Ok(metadata) = std::fs::metadata(&path)
                && metadata.is_file()
            {
                let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
                found.insert(path, FileStamp { size: metadata.len(), changed, inode });
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_reported_when_it_has_stopped_changing() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = WatchedFolder::new(dir.path(), Some("wasm"));
        let before = SystemTime::UNIX_EPOCH + Duration::from_millis(environment::now_ms());
        let mut poll = || folder.poll_at(before).unwrap();
        assert_eq!(poll(), []);
        let path = dir.path().join("a.wasm");
        fs::write(&path, "half").unwrap();
        fs::write(dir.path().join("a.wasm.me.status.json"), "{}").unwrap();
        assert_eq!(poll(), [], "just written");
        fs::write(&path, "half and half").unwrap();
        assert_eq!(poll(), [], "still being written");
        assert_eq!(poll(), [FileChange::Complete(path.clone())]);
        assert_eq!(poll(), [], "reported once");
        fs::write(&path, "another").unwrap();
        assert_eq!(poll(), []);
        assert_eq!(poll(), [FileChange::Complete(path.clone())], "reported again when it changes");
        fs::remove_file(&path).unwrap();
        assert_eq!(poll(), [FileChange::Removed(path.clone())]);
        fs::write(&path, "back").unwrap();
        assert_eq!((poll(), poll()), (vec![], vec![FileChange::Complete(path.clone())]));
        fs::write(&path, "changed, then taken away").unwrap();
        assert_eq!(poll(), []);
        fs::remove_file(&path).unwrap();
        assert_eq!(poll(), [FileChange::Removed(path)]);
    }

    #[test]
    fn a_file_renamed_into_place_is_reported_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (unfinished, path) = (dir.path().join("a.new"), dir.path().join("a.wasm"));
        fs::write(&unfinished, "whole").unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_millis(environment::now_ms()) - Duration::from_mins(1);
        fs::File::options().write(true).open(&unfinished).unwrap().set_modified(old).unwrap();
        let mut folder = WatchedFolder::new(dir.path(), Some("wasm"));
        assert_eq!(folder.poll().unwrap(), []);
        fs::rename(&unfinished, &path).unwrap();
        assert_eq!(folder.poll().unwrap(), [FileChange::Complete(path)]);
    }

    #[test]
    fn a_folder_that_cannot_be_read_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("a.wasm"), "x").unwrap();
        let mut folder = WatchedFolder::new(&inner, None);
        folder.poll().unwrap();
        assert_eq!(folder.poll().unwrap().len(), 1);
        let away = dir.path().join("away");
        fs::rename(&inner, &away).unwrap();
        assert!(folder.poll().is_err());
        fs::rename(&away, &inner).unwrap();
        assert_eq!(folder.poll().unwrap(), []);
    }
}
