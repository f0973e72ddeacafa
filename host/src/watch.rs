//! A folder that is looked at again and again: which files are new, changed or gone, once they are whole.
//!
//! A file is whole when it has not changed between two looks, or when its last change is older than that: what was
//! renamed into place is taken at once. Polling costs one listing per look and works on every file system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that has not changed for so long is whole.
const SETTLED: Duration = Duration::from_secs(1);

/// What a file looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    size: u64,
    changed: SystemTime,
    inode: u64,
}

/// One folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    extension: Option<&'static str>,
    seen: BTreeMap<PathBuf, Seen>,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
struct Seen {
    look: Look,
    /// Told of as it is now.
    told: bool,
    /// Told of ever.
    known: bool,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A whole file that is new or has changed.
    Whole(PathBuf),
    /// A file that was told of is gone.
    Gone(PathBuf),
}

impl Folder {
    /// A folder, of which only files with an extension count where one is given.
    pub fn new(path: &Path, extension: Option<&'static str>) -> Self {
        Self { path: path.to_owned(), extension, seen: BTreeMap::new() }
    }

    /// Looks once; a folder that cannot be read is an error and changes nothing.
    pub fn look(&mut self) -> std::io::Result<Vec<News>> {
        self.look_at(SystemTime::UNIX_EPOCH + Duration::from_millis(environment::now_ms()))
    }

    fn look_at(&mut self, now: SystemTime) -> std::io::Result<Vec<News>> {
        let found = self.list()?;
        let mut news = vec![];
        self.seen.retain(|path, seen| {
            let there = found.contains_key(path);
            if !there && seen.known {
                news.push(News::Gone(path.clone()));
            }
            there
        });
        for (path, look) in found {
            let before = self.seen.get(&path).copied();
            let same = before.is_some_and(|before| before.look == look);
            let settled = now.duration_since(look.changed).is_ok_and(|age| age >= SETTLED);
            let told = same || settled;
            if told && !(same && before.is_some_and(|before| before.told)) {
                news.push(News::Whole(path.clone()));
            }
            let known = told || before.is_some_and(|before| before.known);
            self.seen.insert(path, Seen { look, told, known });
        }
        Ok(news)
    }

    fn list(&self) -> std::io::Result<BTreeMap<PathBuf, Look>> {
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
                found.insert(path, Look { size: metadata.len(), changed, inode });
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
    fn a_file_is_told_when_it_has_stopped_changing() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path(), Some("wasm"));
        let before = SystemTime::UNIX_EPOCH + Duration::from_millis(environment::now_ms());
        let mut look = || folder.look_at(before).unwrap();
        assert_eq!(look(), []);
        let path = dir.path().join("a.wasm");
        fs::write(&path, "half").unwrap();
        fs::write(dir.path().join("a.wasm.me.status.json"), "{}").unwrap();
        assert_eq!(look(), [], "just written");
        fs::write(&path, "half and half").unwrap();
        assert_eq!(look(), [], "still being written");
        assert_eq!(look(), [News::Whole(path.clone())]);
        assert_eq!(look(), [], "told once");
        fs::write(&path, "another").unwrap();
        assert_eq!(look(), []);
        assert_eq!(look(), [News::Whole(path.clone())], "told again when it changes");
        fs::remove_file(&path).unwrap();
        assert_eq!(look(), [News::Gone(path.clone())]);
        fs::write(&path, "back").unwrap();
        assert_eq!((look(), look()), (vec![], vec![News::Whole(path.clone())]));
        fs::write(&path, "changed, then taken away").unwrap();
        assert_eq!(look(), []);
        fs::remove_file(&path).unwrap();
        assert_eq!(look(), [News::Gone(path)]);
    }

    #[test]
    fn what_is_renamed_into_place_is_taken_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (unfinished, path) = (dir.path().join("a.new"), dir.path().join("a.wasm"));
        fs::write(&unfinished, "whole").unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_millis(environment::now_ms()) - Duration::from_mins(1);
        fs::File::options().write(true).open(&unfinished).unwrap().set_modified(old).unwrap();
        let mut folder = Folder::new(dir.path(), Some("wasm"));
        assert_eq!(folder.look().unwrap(), []);
        fs::rename(&unfinished, &path).unwrap();
        assert_eq!(folder.look().unwrap(), [News::Whole(path)]);
    }

    #[test]
    fn a_folder_that_cannot_be_read_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("a.wasm"), "x").unwrap();
        let mut folder = Folder::new(&inner, None);
        folder.look().unwrap();
        assert_eq!(folder.look().unwrap().len(), 1);
        let away = dir.path().join("away");
        fs::rename(&inner, &away).unwrap();
        assert!(folder.look().is_err());
        fs::rename(&away, &inner).unwrap();
        assert_eq!(folder.look().unwrap(), []);
    }
}
