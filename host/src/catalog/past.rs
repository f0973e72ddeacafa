//! What a chain has been through: which version it used, which were tried, withdrawn or told about.

use super::choice::{Choice, Trial};
use super::{Entry, Standing};
use crate::chainfile::ChainFile;
use crate::in_force::Waiting;
use crate::plugin::Admitted;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tape::Detector;

/// What a chain has been through; kept while the process runs.
#[derive(Default)]
pub(super) struct Past {
    pub(super) generation: u64,
    pub(super) in_use: Option<Admitted>,
    /// The code in force: what the tape names, then whatever was in use last.
    pub(super) in_force: Option<Arc<Detector>>,
    pub(super) withdrawn: BTreeMap<String, String>,
    pub(super) trials: BTreeMap<String, Trial>,
    pub(super) again: Option<Instant>,
    pub(super) waiting: Waiting,
    pub(super) told: BTreeMap<String, (&'static str, Option<String>)>,
}

impl Past {
    /// The entry as it was, or the next generation of it.
    pub(super) fn entry(&mut self, file: Arc<ChainFile>, standing: Standing, before: Option<&Entry>) -> Entry {
        if let Some(before) = before
            && before.file == file
            && is_same(&before.standing, &standing)
        {
            return before.clone();
        }
        self.generation += 1;
        let (chain, generation) = (&file.id, self.generation);
        match &standing {
            Standing::InUse(plugin) => {
                self.in_use = Some(plugin.clone());
                self.in_force = Some(Arc::clone(&plugin.detector));
                let detector = &plugin.detector;
                tracing::info!(
                    chain.id = chain,
                    generation,
                    plugin.version = detector.version,
                    plugin.digest = detector.digest,
                    "plugin in use"
                );
            }
            Standing::Parked(why) => {
                self.in_use = None;
                tracing::error!(chain.id = chain, generation, %why, "chain parked");
            }
        }
        let unknown = || Detector { plugin: file.plugin.clone(), version: String::new(), digest: String::new() };
        let detector = self.in_force.clone().unwrap_or_else(|| Arc::new(unknown()));
        Entry { generation, file, standing, detector, waiting: self.waiting.clone() }
    }

    /// Logs what is newly said of the versions that are not used.
    pub(super) fn tell(&mut self, chain: &str, choice: &Choice) {
        for (digest, (state, reason)) in &choice.others {
            if self.told.get(digest) != Some(&(*state, reason.clone())) && *state == "held" {
                let why = reason.as_deref().unwrap_or_default();
                tracing::warn!(chain.id = chain, plugin.digest = digest, why, "version held back");
            }
        }
        self.told.clone_from(&choice.others);
    }
}

fn is_same(a: &Standing, b: &Standing) -> bool {
    match (a, b) {
        (Standing::InUse(a), Standing::InUse(b)) => a.detector == b.detector,
        (Standing::Parked(a), Standing::Parked(b)) => a == b,
        _ => false,
    }
}
