//! What the chain-ingestor reads from its environment.

use crate::plugin::Gate;
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
    /// Which plugins may be admitted at all.
    pub gate: Gate,
    /// Names this ingestor among those that share the folders.
    pub instance: String,
    /// The program with the commands `rewind`, `backfill` and `repair`, as an operator of this process calls it.
    pub command: String,
}

impl Settings {
    /// Reads them, noting what is wrong.
    pub fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        let gate = Self::gate(strings, problems);
        let host = strings.get("HOSTNAME").unwrap_or_else(|| "local".to_owned());
        let instance = problems.text(strings, "INSTANCE", &host);
        if !instance.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            problems.add("INSTANCE", format!("is `{instance}`, but must be letters, digits, `-`, `_` and `.`"));
        }
        Self {
            plugins: problems.required(strings, "PLUGINS_DIR").into(),
            chains: problems.required(strings, "CHAINS_DIR").into(),
            secrets: problems.optional(strings, "SECRETS_DIR").map(PathBuf::from),
            scans: problems.parsed(strings, "SCANS_AT_ONCE", 16),
            gate,
            instance,
            command: "chain-ingestor".to_owned(),
        }
    }

    /// Reads which plugins may be admitted.
    pub fn gate(strings: &impl Strings, problems: &mut Problems) -> Gate {
        let allowed = problems.text(strings, "PLUGINS_ALLOW", "");
        Gate::parse(&allowed).unwrap_or_else(|wrong| {
            problems.add("PLUGINS_ALLOW", wrong);
            Gate::default()
        })
    }
}
