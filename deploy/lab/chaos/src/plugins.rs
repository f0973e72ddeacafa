//! The folder of plugins of a run, and the key that signs them.

use ring::signature::{Ed25519KeyPair, KeyPair};
use std::path::{Path, PathBuf};
use system::swaps;

/// The private key that signs the plugins of a run.
const SIGNING_SEED: [u8; 32] = [7; 32];

/// The file of the honest chains' plugin.
const MOCK: &str = "mock.wasm";

/// The folder of plugins that both ingestors watch.
pub(super) struct Plugins {
    folder: PathBuf,
    component: Vec<u8>,
    key: Ed25519KeyPair,
}

impl Plugins {
    /// Writes the honest plugin into a new folder.
    pub(super) fn write_to(folder: &Path) -> anyhow::Result<Self> {
        let component = std::fs::read(swaps::component("mock")?)?;
        let folder = folder.join("plugins");
        std::fs::create_dir(&folder)?;
        let key = Ed25519KeyPair::from_seed_unchecked(&SIGNING_SEED)
            .map_err(|e| anyhow::anyhow!("make a key that signs plugins: {e}"))?;
        let plugins = Self { folder, component, key };
        plugins.drop_in(MOCK, &plugins.component)?;
        Ok(plugins)
    }

    /// The list that admits what this signs, for plugins of these ids.
    pub(super) fn allowed(&self, ids: impl Iterator<Item = &'static str>) -> String {
        let key = hex::encode(self.key.public_key());
        let ids: Vec<&str> = ids.collect();
        format!("ed25519:{key}={}", ids.join(","))
    }

    /// Drops another version in.
    pub(super) fn swap(&self, mark: u8) -> std::io::Result<()> {
        self.drop_in(MOCK, &swaps::marked(&self.component, mark))
    }

    /// Puts a component into place, its signature before it.
    pub(super) fn drop_in(&self, file: &str, component: &[u8]) -> std::io::Result<()> {
        let unfinished = self.folder.join(format!("{file}.new"));
        std::fs::write(&unfinished, component)?;
        std::fs::write(self.folder.join(format!("{file}.sig")), self.key.sign(component).as_ref())?;
        std::fs::rename(unfinished, self.folder.join(file))
    }
}
