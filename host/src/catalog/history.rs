//! What a chain has been through: which version it used, and what became of the versions that were tried on it.

use super::Entry;
use super::choice::{Choice, Trial};
use crate::chainfile::ChainFile;
use crate::in_force::OtherVersions;
use crate::plugin::Admitted;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape::Detector;

/// Time until a trial is repeated for which the chain could not be read: at first, since that may be over with the next block, and at
/// most.
const FIRST_TRIAL_RETRY_DELAY: Duration = Duration::from_millis(250);
const MAX_TRIAL_RETRY_DELAY: Duration = Duration::from_secs(5);

/// What a chain has been through; kept while the process runs.
#[derive(Default)]
pub(super) struct History {
    generation: u64,
    in_use: Option<Admitted>,
    /// The code in force: what the tape names, then whatever was in use last.
    in_force: Option<Arc<Detector>>,
    /// What became of other versions, by digest.
    pub(super) trials: BTreeMap<String, Trial>,
    /// No trial begins before.
    retry_at: Option<Instant>,
    /// Trials in a row that came to nothing, since one was decided.
    trials_in_vain: u32,
    pub(super) others: OtherVersions,
    /// What was logged of the versions that are not used.
    logged: BTreeMap<String, (&'static str, Option<String>)>,
}

impl History {
    /// A chain whose last step on the tape names this code.
    pub(super) fn with_code_in_force(code: Detector) -> Self {
        Self { in_force: Some(Arc::new(code)), ..Self::default() }
    }

    /// The chain file has a new text: whatever was decided under the old one is decided anew.
    pub(super) fn forget_trials(&mut self) {
        (self.trials, self.retry_at, self.trials_in_vain) = (BTreeMap::new(), None, 0);
    }

    /// A version could not be compared: that is repeated later. Returns whether the reason is another than before.
    pub(super) fn retry_trial_later(&mut self, digest: String, why: String) -> bool {
        let before = self.trials.insert(digest, Trial::Later(why.clone()));
        self.retry_at = Some(Instant::now() + retry_delay(self.trials_in_vain));
        self.trials_in_vain = self.trials_in_vain.saturating_add(1);
        before != Some(Trial::Running(Some(why)))
    }

    /// A trial came to an end.
    pub(super) fn decide_trial(&mut self, digest: String, decided: Trial) {
        self.trials.insert(digest, decided);
        self.trials_in_vain = 0;
    }

    /// A version is being compared from now on.
    pub(super) fn begin_trial(&mut self, digest: &str) {
        let why = match self.trials.remove(digest) {
            Some(Trial::Later(why)) => Some(why),
            _ => None,
        };
        self.trials.insert(digest.to_owned(), Trial::Running(why));
    }

    /// Whether a trial that had to wait is due.
    pub(super) fn is_trial_due(&self) -> bool {
        self.retry_at.is_some_and(|at| at <= Instant::now())
    }

    /// Whether a trial may begin now.
    pub(super) fn may_begin_trial(&mut self) -> bool {
        self.retry_at = self.retry_at.filter(|at| *at > Instant::now());
        self.retry_at.is_none()
    }

    /// The plugin in use, where it is the one that the chain file names.
    pub(super) fn in_use(&self, file: &ChainFile) -> Option<Admitted> {
        self.in_use.clone().filter(|plugin| plugin.detector.plugin == file.plugin)
    }

    /// The version in use, or else the code in force, where it is of the plugin that the chain file names.
    pub(super) fn code_in_force(&self, file: &ChainFile) -> Option<Arc<Detector>> {
        let of_file = |code: &&Arc<Detector>| code.plugin == file.plugin;
        let in_use = self.in_use.as_ref().map(|plugin| &plugin.detector).filter(of_file);
        in_use.or(self.in_force.as_ref().filter(of_file)).cloned()
    }

    /// A version that does not accept the chain's settings: it is not used until the chain file changes.
    pub(super) fn fail_trial(&mut self, digest: &str, why: String) {
        if !matches!(self.trials.get(digest), Some(Trial::Withdrawn(_))) {
            self.trials.insert(digest.to_owned(), Trial::Failed(why));
        }
    }

    /// The entry as it was, or the next generation of it.
    pub(super) fn entry(
        &mut self,
        file: Arc<ChainFile>,
        running: Result<Admitted, String>,
        before: Option<&Entry>,
    ) -> Entry {
        if let Some(before) = before
            && before.file == file
            && before.running.as_ref().map(|plugin| &plugin.detector) == running.as_ref().map(|plugin| &plugin.detector)
        {
            return before.clone();
        }
        self.generation += 1;
        let (chain, generation) = (&file.id, self.generation);
        match &running {
            Ok(plugin) => {
                self.in_use = Some(plugin.clone());
                self.in_force = Some(Arc::clone(&plugin.detector));
                let detector = &plugin.detector;
                tracing::info!(
                    event = "plugin.in-use",
                    chain.id = chain,
                    generation,
                    plugin.version = detector.version,
                    plugin.digest = detector.digest,
                    "plugin in use"
                );
            }
            Err(why) => {
                self.in_use = None;
                tracing::error!(event = "chain.parked", chain.id = chain, generation, %why, "chain parked");
            }
        }
        let unknown = || Detector { plugin: file.plugin.clone(), version: String::new(), digest: String::new() };
        let detector = self.in_force.clone().unwrap_or_else(|| Arc::new(unknown()));
        Entry { generation, file, running, detector, others: self.others.clone() }
    }

    /// Logs the versions that are newly held back.
    pub(super) fn log_held(&mut self, chain: &str, choice: &Choice) {
        for (digest, (state, reason)) in &choice.others {
            if self.logged.get(digest) != Some(&(*state, reason.clone())) && *state == "held" {
                let why = reason.as_deref().unwrap_or_default();
                tracing::warn!(
                    event = "plugin.held-back",
                    chain.id = chain,
                    plugin.digest = digest,
                    why,
                    "version held back"
                );
            }
        }
        self.logged.clone_from(&choice.others);
    }
}

/// Twice as long after each trial that came to nothing.
fn retry_delay(trials_in_vain: u32) -> Duration {
    FIRST_TRIAL_RETRY_DELAY.saturating_mul(1 << trials_in_vain.min(10)).min(MAX_TRIAL_RETRY_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_repeated_soon_and_then_ever_later() {
        let delays = [0, 1, 2, 4, 5, u32::MAX].map(|trials| retry_delay(trials).as_millis());
        assert_eq!(delays, [250, 500, 1_000, 4_000, 5_000, 5_000]);
        let mut history = History::default();
        let wait_after_one_more = |history: &mut History| {
            let before = Instant::now();
            history.retry_trial_later("d".to_owned(), "no blocks".to_owned());
            history.retry_at.unwrap().saturating_duration_since(before)
        };
        for at_least in [250, 500, 1_000] {
            assert!(wait_after_one_more(&mut history) >= Duration::from_millis(at_least));
        }
        assert!(!history.may_begin_trial());
        history.decide_trial("d".to_owned(), Trial::Failed("traps".to_owned()));
        assert!(
            wait_after_one_more(&mut history) < Duration::from_secs(1),
            "a trial that was decided begins the row anew"
        );
    }
}
