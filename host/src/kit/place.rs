//! Puts a file in place so that nobody ever sees half of it: written under another name, then renamed.

use anyhow::Context;
use std::path::{Path, PathBuf};

/// Writes a file.
pub(super) fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let aside = with_ending(path, ".part");
    let put = std::fs::write(&aside, bytes).and_then(|()| std::fs::rename(&aside, path));
    put.with_context(|| format!("write {}", path.display()))
}

/// A path with something behind its name.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
