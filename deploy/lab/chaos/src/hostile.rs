//! Hostile plugins with chains of their own, dropped in beside the honest ones: no other chain may notice them.

use super::plugins::Plugins;
use anyhow::Context;
use guests::{Recipe, hostile};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tape_log::topics;
use wire::v1::progress::{ChainProgressed, State};

/// A kind of hostile plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guest {
    /// Its trades have no trader; its journal lies in one partition with an honest chain's.
    PoisonPlugin,
    /// It makes the host hold far more than it hands over.
    Amplifier,
    /// The schema of its settings never ends.
    LyingSchema,
    /// It says that it is the honest chains' plugin, in a newer version.
    Impostor,
}

/// The hostile plugins of a run.
pub(super) struct Guests {
    chains: PathBuf,
    /// A chain whose journal lies in one partition with that of the first honest one.
    neighbour: String,
    invited: BTreeSet<Guest>,
}

impl Guest {
    /// All kinds.
    pub(super) const ALL: [Self; 4] = [Self::PoisonPlugin, Self::Amplifier, Self::LyingSchema, Self::Impostor];

    /// The id of its plugin.
    fn plugin(self) -> &'static str {
        match self {
            Self::PoisonPlugin => "poison",
            // The recipe's own.
            Self::Amplifier => "wat",
            Self::LyingSchema => "schema",
            Self::Impostor => "mock",
        }
    }

    fn recipe(self) -> Recipe {
        match self {
            Self::PoisonPlugin => hostile::poison(self.plugin()),
            Self::Amplifier => hostile::amplifier_of_one_key(),
            Self::LyingSchema => hostile::lying_schema(self.plugin()),
            Self::Impostor => hostile::impostor(self.plugin()),
        }
    }
}

impl Guests {
    /// The ids of their plugins, which the run's key may sign.
    pub(super) fn plugins() -> impl Iterator<Item = &'static str> {
        Guest::ALL.into_iter().map(Guest::plugin)
    }

    /// Their chain files go to this folder.
    pub(super) fn new(chains: &Path, honest: &str) -> Self {
        let neighbour =
            guests::neighbour_of(honest, "guest-poison", |name| topics::JOURNAL.partition_of(name.as_bytes()));
        Self { chains: chains.to_owned(), neighbour, invited: BTreeSet::new() }
    }

    /// Drops a hostile plugin in, with its chain file; a second time it is another file.
    pub(super) fn invite(&mut self, guest: Guest, mark: u8, plugins: &Plugins) -> anyhow::Result<()> {
        let component = guests::marked(&guest.recipe().build(), mark);
        let file = format!("guest-{}-{guest:?}.wasm", guest.plugin());
        plugins.drop_in(&file, &component).with_context(|| format!("drop {file} in"))?;
        if let Some(chain) = self.chain_of(guest) {
            let text = hostile::chain_file(&chain, guest.plugin(), 500, 2);
            std::fs::write(self.chains.join(format!("{chain}.toml")), text).context("write a guest's chain file")?;
        }
        self.invited.insert(guest);
        Ok(())
    }

    /// The chain of its own that a hostile plugin has.
    fn chain_of(&self, guest: Guest) -> Option<String> {
        match guest {
            Guest::PoisonPlugin => Some(self.neighbour.clone()),
            Guest::Amplifier | Guest::LyingSchema => Some(format!("guest-{}", guest.plugin())),
            Guest::Impostor => None,
        }
    }

    /// What is wrong with how their chains are shown: each must say that it is not followed, and why; and none may have
    /// put anything on the tape.
    pub(super) fn findings(&self, newest: &BTreeMap<String, ChainProgressed>) -> Vec<String> {
        let mut findings = vec![];
        for guest in &self.invited {
            let Some(chain) = self.chain_of(*guest) else { continue };
            match newest.get(&chain) {
                None => findings.push(format!("the chain {chain} of {guest:?} is shown nowhere")),
                Some(progress) => {
                    let says_why = progress.reason.is_some() && (progress.state == State::Parked || progress.waiting);
                    if !says_why || progress.published.is_some() {
                        findings.push(format!("the chain {chain} of {guest:?} is shown as {progress:?}"));
                    }
                }
            }
        }
        findings
    }
}

/// Whether a chain belongs to a hostile plugin.
pub(super) fn is_guest(chain: &[u8]) -> bool {
    chain.starts_with(b"guest-")
}
