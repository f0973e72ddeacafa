//! The repository's files as the tests read them.

use std::fs;
use std::path::{Path, PathBuf};

/// Made by tools, never committed.
pub(crate) const MADE: &[&str] = &["target", "data"];

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The repository's files below a folder, without what tools made.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let shown = shown(&path);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // cargo-component writes bindings beside the sources; only the SDK's are ours.
        let generated = shown.starts_with("plugins/") && name == "bindings.rs" && !shown.starts_with("plugins/sdk/");
        if generated || name == ".git" || name == "node_modules" || MADE.contains(&shown.as_str()) {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Fails with all violations, one a line.
pub(crate) fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// Every Rust file of this repository with its path from the root and its text.
pub(crate) fn rust_files() -> Vec<(String, String)> {
    files_ending_in(".rs")
}

/// The sources that new crates begin with.
pub(crate) fn rust_templates() -> Vec<(String, String)> {
    files_ending_in(".rs.txt")
}

fn files_ending_in(end: &str) -> Vec<(String, String)> {
    let is_one = |path: &PathBuf| path.to_string_lossy().ends_with(end);
    let read = |path: PathBuf| (shown(&path), fs::read_to_string(&path).unwrap());
    files(&root()).into_iter().filter(is_one).map(read).collect()
}

/// What stands between backticks.
pub(crate) fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The cells of each row of the tables in a Markdown text; rows of dashes are left out.
pub(crate) fn table_rows(text: &str) -> Vec<Vec<&str>> {
    let is_row = |line: &&str| line.starts_with('|') && !line.bytes().all(|it| b"|-: ".contains(&it));
    text.lines().filter(is_row).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}
