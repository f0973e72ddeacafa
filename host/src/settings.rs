//! What the chain-ingestor reads from its environment.

use environment::{Problems, Strings};
use std::path::PathBuf;

/// The chain-ingestor's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of components, `NAME-VERSION.wasm`.
    pub plugins: PathBuf,
    /// Folder of chain files.
    pub chains: PathBuf,
    /// Folder of secrets, one file each.
    pub secrets: Option<PathBuf>,
    /// Scans of all chains that may run at once.
    pub scans: u32,
}

impl Settings {
    /// Reads them, noting what is wrong.
    pub fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        Self {
            plugins: problems.required(strings, "PLUGINS_DIR").into(),
            chains: problems.required(strings, "CHAINS_DIR").into(),
            secrets: problems.optional(strings, "SECRETS_DIR").map(PathBuf::from),
            scans: problems.parsed(strings, "SCANS_AT_ONCE", 16),
        }
    }
}
