//! What the chain-ingestor reads from its environment.

use crate::plugin::Gate;
use environment::{ConfigError, Problems, Strings};
use std::path::PathBuf;

/// The environment of a developer's machine, and of a process that is told of none.
const DEV: &str = "dev";

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
    /// Whether the folders are there: without them nothing can be followed.
    pub fn check_folders(&self) -> Result<(), ConfigError> {
        let named = [
            ("PLUGINS_DIR", Some(&self.plugins)),
            ("CHAINS_DIR", Some(&self.chains)),
            ("SECRETS_DIR", self.secrets.as_ref()),
        ];
        let missing =
            named.into_iter().filter_map(|(name, folder)| Some((name, folder?))).filter(|(_, folder)| !folder.is_dir());
        let problems: Vec<String> = missing
            .map(|(name, folder)| {
                format!("{name} is `{}`, and no folder is there; make it, or name another", folder.display())
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError(problems)) }
    }

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

    /// Reads which plugins may be admitted. Outside of `dev` the list must be there, and bind every key to its plugins.
    pub fn gate(strings: &impl Strings, problems: &mut Problems) -> Gate {
        let environment = problems.text(strings, "APP_ENV", DEV);
        let allowed = problems.text(strings, "PLUGINS_ALLOW", "");
        let gate = Gate::parse(&allowed).unwrap_or_else(|wrong| {
            problems.add("PLUGINS_ALLOW", wrong);
            Gate::default()
        });
        if environment == DEV {
            return gate;
        }
        if gate.is_open() {
            let what = "is not set, but must be where APP_ENV is not `dev`, or any file could take any chain over: \
                        ed25519:HEX=ID,ID of the keys that sign plugins, or sha256:HEX of each component";
            problems.add("PLUGINS_ALLOW", what);
        } else if let Some(key) = gate.unbound_key() {
            let what = format!("binds {key} to no plugin: write {key}=ID,ID, or {key}=* for every plugin");
            problems.add("PLUGINS_ALLOW", what);
        }
        gate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn wrong(environment: &str, allowed: &str) -> Option<String> {
        let strings: HashMap<String, String> = [("APP_ENV", environment), ("PLUGINS_ALLOW", allowed)]
            .map(|(key, value)| (key.into(), value.into()))
            .into();
        let mut problems = Problems::default();
        Settings::gate(&strings, &mut problems);
        problems.finish().err().map(|error| error.to_string())
    }

    #[test]
    fn outside_of_dev_every_component_needs_a_digest_or_a_key_that_is_bound() {
        let key = format!("ed25519:{}", "ab".repeat(32));
        for allowed in ["", &key, "sha256:x"] {
            assert!(wrong("prod", allowed).is_some(), "{allowed}");
        }
        assert!(wrong("staging", "").unwrap().contains("PLUGINS_ALLOW is not set, but must be"));
        assert!(wrong("prod", &key).unwrap().contains(&format!("{key}=*")));
        assert!(wrong("prod", ",").is_some(), "a list of nothing");
        for allowed in [format!("{key}=evm"), format!("{key}=*"), format!("sha256:{}", "ab".repeat(32))] {
            assert_eq!(wrong("prod", &allowed), None);
        }
        for allowed in ["", &key] {
            assert_eq!(wrong("dev", allowed), None);
        }
    }
}
