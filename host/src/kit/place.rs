//! Puts a file in place so that nobody ever sees half of it: written under another name, then renamed.

use anyhow::Context;
use std::path::{Path, PathBuf};

/// Writes a file.
pub(super) fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    prepare(path, bytes)?.place()
}

/// A file that is written in full and not in its place yet. Dropping it takes it away.
pub(super) struct PreparedFile {
    aside: PathBuf,
    path: PathBuf,
}

/// Writes a file beside its place; what is there keeps its permissions, and a link to it stays a link.
pub(super) fn prepare(path: &Path, bytes: &[u8]) -> anyhow::Result<PreparedFile> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let prepared = PreparedFile { aside: with_ending(&path, ".part"), path };
    let written = std::fs::write(&prepared.aside, bytes).and_then(|()| match std::fs::metadata(&prepared.path) {
        Ok(there) if there.is_file() => std::fs::set_permissions(&prepared.aside, there.permissions()),
        _ => Ok(()),
    });
    written.with_context(|| format!("write {}", prepared.path.display()))?;
    Ok(prepared)
}

impl PreparedFile {
    /// Moves it into its place.
    pub(super) fn place(self) -> anyhow::Result<()> {
        std::fs::rename(&self.aside, &self.path).with_context(|| format!("write {}", self.path.display()))
    }
}

impl Drop for PreparedFile {
    fn drop(&mut self) {
        // Nothing is there once it is in its place.
        let _ = std::fs::remove_file(&self.aside);
    }
}

/// A path with something behind its name.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_is_replaced_keeps_its_permissions_and_the_link_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "old").unwrap();
        fs::set_permissions(path("file"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink(path("file"), path("link")).unwrap();
        put(&path("link"), b"new").unwrap();
        assert!(path("link").symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read(path("file")).unwrap(), b"new");
        assert_eq!(fs::metadata(path("file")).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn what_is_not_placed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        drop(prepare(&path("file"), b"new").unwrap());
        fs::create_dir_all(path("taken/by-a-folder")).unwrap();
        assert!(put(&path("taken"), b"new").is_err());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["taken"]);
    }
}
