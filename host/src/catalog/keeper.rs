//! The keeper: watches the folders, starts trials of new versions, and keeps the listing up to date with what is wanted
//! and admitted.

use super::choice::{Candidate, Choice, Trial, choose};
use super::history::History;
use super::not_in_force::versions_not_in_force;
use super::plugins::Plugins;
use super::wanted::{Changes, WantedChains};
use super::{Catalog, Entry, Listing};
use crate::chainfile::ChainFile;
use crate::plugin::{Admitted, Engine};
use crate::settings::Settings;
use crate::shadow::{self, Diff, Uncompared};
use crate::status::{FileStatus, StatusWriter, VersionUse};
use crate::subscription::Withdrawal;
use anyhow::Context;
use environment::Strings;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tape::Detector;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Time between two looks at the folders.
const FOLDER_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The result of a trial.
struct TrialResult {
    chain: String,
    digest: String,
    compared: Result<Diff, Uncompared>,
}

/// What was decided for one chain.
struct Decision {
    entry: Entry,
    choice: Choice,
    /// Why the newest text of the chain file is refused.
    refused: Option<String>,
}

/// Keeps the catalog up to date.
pub struct Keeper {
    engine: Engine,
    wanted: WantedChains,
    plugins: Plugins,
    histories: BTreeMap<String, History>,
    trials: JoinSet<TrialResult>,
    withdrawals: mpsc::UnboundedReceiver<Withdrawal>,
    listing: watch::Sender<Listing>,
    statuses: StatusWriter,
    /// Whether anything has happened since the listing was brought up to date.
    outdated: bool,
}

impl Keeper {
    /// Reads both folders once; `in_force` names the code that wrote each chain last, as far as the tape knows.
    pub async fn open(
        engine: &Engine,
        settings: &Settings,
        strings: &impl Strings,
        in_force: HashMap<String, Detector>,
    ) -> anyhow::Result<(Catalog, Self)> {
        let (withdrawals, received) = mpsc::unbounded_channel();
        let (listing, listed) = watch::channel(Listing::default());
        let history = |(chain, code)| (chain, History::with_code_in_force(code));
        let mut keeper = Self {
            engine: engine.clone(),
            wanted: WantedChains::new(&settings.chains, settings.secrets.as_deref()),
            plugins: Plugins::new(engine, &settings.gate, &settings.plugins),
            histories: in_force.into_iter().map(history).collect(),
            trials: JoinSet::new(),
            withdrawals: received,
            listing,
            statuses: StatusWriter::new(&settings.instance),
            outdated: true,
        };
        // Twice: a file written just now counts as complete at the second look.
        for _ in 0..2 {
            keeper.poll_plugins().with_context(|| format!("read PLUGINS_DIR {}", settings.plugins.display()))?;
            keeper.poll_chains(strings).with_context(|| {
                let secrets = settings.secrets.iter().map(|folder| format!(" and SECRETS_DIR {}", folder.display()));
                format!("read CHAINS_DIR {}{}", settings.chains.display(), secrets.collect::<String>())
            })?;
            tokio::time::sleep(FOLDER_POLL_INTERVAL / 4).await;
        }
        while let Some(admission) = keeper.plugins.next_admission().await {
            keeper.plugins.finish_admission(admission.context("admit a plugin")?, &mut keeper.statuses);
        }
        keeper.update();
        Ok((Catalog { listing: listed, withdrawals }, keeper))
    }

    /// Keeps the listing up to date for ever.
    pub async fn keep_current(&mut self, strings: &impl Strings) -> ! {
        let mut unreadable = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(FOLDER_POLL_INTERVAL) => {
                    let polled = self.poll_plugins().and_then(|()| self.poll_chains(strings));
                    if let Err(error) = &polled && !unreadable {
                        tracing::warn!(event = "folder.unreadable", %error, "a folder cannot be read; what it held stays in use");
                    }
                    unreadable = polled.is_err();
                }
                Some(Ok(admission)) = self.plugins.next_admission() => {
                    self.outdated |= self.plugins.finish_admission(admission, &mut self.statuses);
                }
                Some(Ok(result)) = self.trials.join_next() => self.finish_trial(result),
                Some(withdrawal) = self.withdrawals.recv() => self.withdraw(withdrawal),
            }
            if self.outdated || self.histories.values().any(History::is_trial_due) {
                self.update();
            }
        }
    }

    fn poll_plugins(&mut self) -> std::io::Result<()> {
        self.outdated |= self.plugins.poll(&mut self.statuses)?;
        Ok(())
    }

    fn poll_chains(&mut self, strings: &impl Strings) -> std::io::Result<()> {
        let mut changes = Changes::default();
        let polled = self.wanted.poll(strings, &mut self.statuses, &mut changes);
        self.outdated |= changes.any;
        for chain in changes.chains {
            if let Some(history) = self.histories.get_mut(&chain) {
                history.forget_trials();
            }
        }
        polled
    }

    fn finish_trial(&mut self, TrialResult { chain, digest, compared }: TrialResult) {
        self.outdated = true;
        let Some(history) = self.histories.get_mut(&chain) else { return };
        // The chain file has changed meanwhile: the version is tried again.
        if !matches!(history.trials.get(&digest), Some(Trial::Running(_))) {
            return;
        }
        match compared {
            Ok(diff) => {
                tracing::info!(event = "shadow.done", chain.id = chain, plugin.digest = digest, %diff, "shadow scan done");
                history.decide_trial(digest, Trial::Passed(diff));
            }
            Err(Uncompared::Fails(why)) => {
                tracing::error!(event = "shadow.failed", chain.id = chain, plugin.digest = digest, %why, "shadow scan failed");
                history.decide_trial(digest, Trial::Failed(format!("the shadow scan failed: {why}")));
            }
            Err(Uncompared::Later(why)) => {
                if history.retry_trial_later(digest, why.clone()) {
                    tracing::warn!(event = "shadow.delayed", chain.id = chain, %why, "no comparison with a shadow scan yet; trying again");
                }
            }
        }
    }

    fn withdraw(&mut self, Withdrawal { chain, digest, why }: Withdrawal) {
        self.outdated = true;
        tracing::error!(event = "plugin.withdrawn", chain.id = chain, plugin.digest = digest, %why, "version withdrawn");
        self.histories.entry(chain).or_default().trials.insert(digest, Trial::Withdrawn(why));
    }

    /// Brings the listing up to date, and writes beside each file what became of it.
    fn update(&mut self) {
        self.outdated = false;
        let before = self.listing.borrow().clone();
        let mut after = BTreeMap::new();
        let mut uses: BTreeMap<String, Vec<VersionUse>> = BTreeMap::new();
        for (path, wanted) in self.wanted.files() {
            let Some(file) = wanted.file else {
                self.statuses.write(&path, FileStatus::chain("refused", wanted.problem));
                continue;
            };
            let Decision { entry, choice, refused } = self.decide(&file, before.get(&file.id));
            let status = match (&entry.running, wanted.problem.or(refused)) {
                (_, Some(problem)) => FileStatus::chain("refused", Some(problem)),
                (Err(why), None) => FileStatus::chain("parked", Some(why.clone())),
                (Ok(_), None) => FileStatus::chain("followed", None),
            };
            self.statuses.write(&path, status);
            collect_uses(&mut uses, &file.id, entry.generation, choice);
            after.insert(file.id.clone(), entry);
        }
        for (id, problem) in self.wanted.refused_chains() {
            let history = self.histories.entry(id.clone()).or_default();
            let file = Arc::new(ChainFile { id: id.clone(), ..ChainFile::default() });
            let entry = history.entry(file, Err(format!("its chain file is refused: {problem}")), before.get(&id));
            after.insert(id, entry);
        }
        for (path, plugin) in self.plugins.admitted() {
            let chains = uses.get(&plugin.detector.digest).cloned().unwrap_or_default();
            self.statuses.write_uses(path, chains);
        }
        let same = |(a, b): ((&String, &Entry), (&String, &Entry))| a.0 == b.0 && a.1.generation == b.1.generation;
        if before.len() != after.len() || !before.iter().zip(&after).all(same) {
            self.listing.send_replace(Arc::new(after));
            // The version in use now may call for a trial of another.
            self.outdated = true;
        }
    }

    /// Decides what one chain runs with, and begins the trial that this calls for.
    fn decide(&mut self, file: &Arc<ChainFile>, before: Option<&Entry>) -> Decision {
        let history = self.histories.entry(file.id.clone()).or_default();
        let may_begin_trial = history.may_begin_trial();
        let in_use = history.in_use(file);
        let versions = self.plugins.versions_for(file, in_use.as_ref());
        // The settings are checked against each version's schema before the version is tried on the chain.
        let mut refused = check_settings(file, &versions, in_use.as_ref(), history);
        let candidates: Vec<Candidate> = versions.iter().map(|(candidate, _)| candidate.clone()).collect();
        let choice = choose(candidates, file, history.code_in_force(file).as_deref(), &history.trials);
        let find = |digest: &String| {
            versions.iter().find(|(candidate, _)| candidate.digest == *digest).map(|(_, plugin)| plugin.clone())
        };
        let (running, file) = match choice.used.as_ref().and_then(find) {
            None => (Err(choice.parked.clone().unwrap_or_default()), Arc::clone(file)),
            Some(plugin) => match (plugin.schema.check(&file.settings), before) {
                (Ok(()), _) => (Ok(plugin), Arc::clone(file)),
                // A refused text changes nothing.
                (Err(wrong), Some(Entry { running: Ok(_), file: accepted, .. })) => {
                    refused.get_or_insert(wrong);
                    (Ok(plugin), Arc::clone(accepted))
                }
                (Err(wrong), _) => (Err(wrong), Arc::clone(file)),
            },
        };
        let entry = history.entry(file, running, before);
        history.others.set(versions_not_in_force(
            &entry.file.plugin,
            &choice,
            self.plugins.admitted(),
            self.plugins.refused(),
        ));
        history.log_held(&entry.file.id, &choice);
        if let (Some(digest), Ok(old)) = (&choice.try_next, &entry.running)
            && may_begin_trial
            && let Some(new) = find(digest)
        {
            history.begin_trial(digest);
            let (engine, old, file, digest) = (self.engine.clone(), old.clone(), entry.file.clone(), digest.clone());
            self.trials.spawn(async move {
                let compared = shadow::compare(&engine, &old, &new, &file).await;
                TrialResult { chain: file.id.clone(), digest, compared }
            });
        }
        Decision { entry, choice, refused }
    }
}

/// Checks a chain's settings against the schema of each version. A version that does not accept them fails its trial;
/// returns why the one in use does not accept them.
fn check_settings(
    file: &ChainFile,
    versions: &[(Candidate, Admitted)],
    in_use: Option<&Admitted>,
    history: &mut History,
) -> Option<String> {
    let mut refused = None;
    for (candidate, plugin) in versions {
        let Err(wrong) = plugin.schema.check(&file.settings) else { continue };
        match in_use {
            Some(in_use) if in_use.detector.digest == candidate.digest => refused = Some(wrong),
            Some(_) => history.fail_trial(&candidate.digest, wrong),
            None => {}
        }
    }
    refused
}

/// Adds what one chain makes of each version to the uses by digest.
fn collect_uses(uses: &mut BTreeMap<String, Vec<VersionUse>>, chain: &str, generation: u64, choice: Choice) {
    let chain = || chain.to_owned();
    if let Some(digest) = choice.used {
        let state = "in-use".to_owned();
        let used = VersionUse { chain: chain(), state, generation: Some(generation), reason: None };
        uses.entry(digest).or_default().push(used);
    }
    for (digest, (state, reason)) in choice.others {
        let other = VersionUse { chain: chain(), state: state.to_owned(), generation: None, reason };
        uses.entry(digest).or_default().push(other);
    }
}
