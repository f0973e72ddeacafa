//! The keeper: looks at the folders, admits what is dropped, has new versions tried, and keeps the listing true.

use super::choice::{Candidate, Choice, Situation, Trial, choose};
use super::past::Past;
use super::{Catalog, Entry, Listing, Order, Standing, verdicts};
use crate::chainfile::{self, ChainFile, Variables};
use crate::plugin::{Admitted, Engine, Gate, Refusal, Verdict, admit};
use crate::settings::Settings;
use crate::shadow::{self, Diff, Uncompared};
use crate::status::{Board, Status, Use};
use crate::watch::{Folder, News};
use anyhow::Context;
use environment::Strings;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape::Detector;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Time between looks at the folders.
const LOOK: Duration = Duration::from_millis(200);
/// Time until a chain that could not be read is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What an admission came to.
type Admission = (PathBuf, u64, Result<Admitted, Refusal>, Duration);
/// What a trial came to.
type Tried = (String, String, Result<Diff, Uncompared>);

/// Keeps the catalog.
pub struct Keeper {
    engine: Engine,
    gate: Gate,
    secrets: Option<PathBuf>,
    folders: Folders,
    board: Board,
    listing: watch::Sender<Listing>,
    orders: mpsc::UnboundedReceiver<Order>,
    admissions: JoinSet<Admission>,
    /// How often each file was seen whole: what an earlier admission says of a changed file does not count.
    seen: HashMap<PathBuf, u64>,
    plugins: BTreeMap<PathBuf, Admitted>,
    refused: BTreeMap<PathBuf, Verdict>,
    files: BTreeMap<PathBuf, ChainFiles>,
    trials: JoinSet<Tried>,
    chains: BTreeMap<String, Past>,
    /// Whether anything has happened since the listing was brought up to date.
    news: bool,
}

struct Folders {
    plugins: Folder,
    chains: Folder,
    secrets: Option<Folder>,
}

/// A chain file as it counts, and what is wrong with the newest text of it.
#[derive(Default)]
struct ChainFiles {
    good: Option<Arc<ChainFile>>,
    problem: Option<String>,
}

impl Keeper {
    /// Reads both folders once; `in_force` says which code wrote each chain last, as far as the tape knows.
    pub async fn open(
        engine: &Engine,
        settings: &Settings,
        strings: &impl Strings,
        in_force: HashMap<String, Detector>,
    ) -> anyhow::Result<(Catalog, Self)> {
        let (orders, received) = mpsc::unbounded_channel();
        let (listing, seen) = watch::channel(Listing::default());
        let past = |(chain, code)| (chain, Past { in_force: Some(Arc::new(code)), ..Past::default() });
        let mut keeper = Self {
            engine: engine.clone(),
            gate: settings.gate.clone(),
            secrets: settings.secrets.clone(),
            folders: Folders {
                plugins: Folder::new(&settings.plugins, Some("wasm")),
                chains: Folder::new(&settings.chains, Some("toml")),
                secrets: settings.secrets.as_deref().map(|folder| Folder::new(folder, None)),
            },
            board: Board::new(&settings.instance),
            listing,
            orders: received,
            admissions: JoinSet::new(),
            seen: HashMap::new(),
            plugins: BTreeMap::new(),
            refused: BTreeMap::new(),
            files: BTreeMap::new(),
            trials: JoinSet::new(),
            chains: in_force.into_iter().map(past).collect(),
            news: true,
        };
        // Twice: what was written just now is whole at the second look.
        for _ in 0..2 {
            keeper.look_at_plugins().with_context(|| format!("read PLUGINS_DIR {}", settings.plugins.display()))?;
            keeper.look_at_chains(strings).with_context(|| format!("read CHAINS_DIR {}", settings.chains.display()))?;
            tokio::time::sleep(LOOK / 4).await;
        }
        while let Some(admission) = keeper.admissions.join_next().await {
            keeper.admitted(admission.context("admit a plugin")?);
        }
        keeper.update();
        Ok((Catalog { listing: seen, orders }, keeper))
    }

    /// Keeps the listing true for ever.
    pub async fn keep(&mut self, strings: &impl Strings) -> ! {
        let mut blind = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {
                    let looked = self.look_at_plugins().and_then(|()| self.look_at_chains(strings));
                    if let Err(error) = &looked && !blind {
                        tracing::warn!(%error, "a folder cannot be read; what it held stays in use");
                    }
                    blind = looked.is_err();
                }
                Some(Ok(admission)) = self.admissions.join_next() => self.admitted(admission),
                Some(Ok(tried)) = self.trials.join_next() => self.tried(tried),
                Some(order) = self.orders.recv() => self.obey(order),
            }
            let due = |past: &Past| past.again.is_some_and(|again| again <= Instant::now());
            if self.news || self.chains.values().any(due) {
                self.update();
            }
        }
    }

    fn look_at_plugins(&mut self) -> std::io::Result<()> {
        for news in self.folders.plugins.look()? {
            self.news = true;
            match news {
                News::Whole(path) => {
                    let seen = self.seen.entry(path.clone()).or_default();
                    *seen += 1;
                    let (engine, gate, seen, begun) = (self.engine.clone(), self.gate.clone(), *seen, Instant::now());
                    self.admissions.spawn(async move {
                        let admitted = admit(&engine, &gate, &path).await;
                        (path, seen, admitted, begun.elapsed())
                    });
                }
                News::Gone(path) => {
                    *self.seen.entry(path.clone()).or_default() += 1;
                    if let Some(plugin) = self.plugins.remove(&path) {
                        tracing::info!(?plugin, path = %path.display(), "plugin taken away");
                    }
                    self.refused.remove(&path);
                    self.board.forget(&path);
                }
            }
        }
        Ok(())
    }

    fn admitted(&mut self, (path, seen, admission, took): Admission) {
        if self.seen.get(&path) != Some(&seen) {
            return;
        }
        self.news = true;
        self.refused.remove(&path);
        match admission {
            Ok(plugin) => {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(
                    plugin.id = plugin.detector.plugin,
                    plugin.version = plugin.detector.version,
                    plugin.digest = plugin.detector.digest,
                    took_ms,
                    "plugin admitted"
                );
                self.board.say(&path, Status::admitted(&plugin, took_ms));
                self.plugins.insert(path, plugin);
            }
            Err(refusal) => {
                // A refused file changes nothing: what was admitted from it before stays.
                tracing::error!(%refusal, "plugin refused");
                self.board.say(&path, Status::refused(&refusal.verdict));
                self.refused.insert(path, refusal.verdict);
            }
        }
    }

    fn look_at_chains(&mut self, strings: &impl Strings) -> std::io::Result<()> {
        let mut read = BTreeSet::new();
        for news in self.folders.chains.look()? {
            self.news = true;
            match news {
                News::Whole(path) => {
                    read.insert(path);
                }
                News::Gone(path) => {
                    self.files.remove(&path);
                    self.board.forget(&path);
                }
            }
        }
        let secrets = self.folders.secrets.as_mut().map(Folder::look).transpose()?.unwrap_or_default();
        if !secrets.is_empty() {
            // Any of them may be what a file asks for.
            self.news = true;
            read.extend(self.files.keys().cloned());
        }
        for path in read {
            let variables = Variables { strings, secrets: self.secrets.as_deref() };
            let parsed = chainfile::read(&path, &variables);
            self.take_file(&path, parsed);
        }
        Ok(())
    }

    fn take_file(&mut self, path: &Path, parsed: Result<ChainFile, Vec<String>>) {
        let twin = |file: &ChainFile| {
            let others = self.files.iter().filter(|(other, _)| *other != path);
            let twin = others.filter_map(|(_, it)| it.good.as_ref()).find(|it| it.id == file.id)?;
            Some(format!("id `{}` is taken by {}; choose another", file.id, twin.path.display()))
        };
        let parsed = parsed.map_err(|problems| problems.join("; ")).and_then(|file| match twin(&file) {
            Some(problem) => Err(problem),
            None => Ok(file),
        });
        let known = self.files.entry(path.to_owned()).or_default();
        match parsed {
            Ok(file) => {
                known.problem = None;
                if known.good.as_deref() != Some(&file) {
                    // Whatever was decided under the old text is decided anew.
                    if let Some(past) = self.chains.get_mut(&file.id) {
                        (past.withdrawn, past.trials, past.again) = (BTreeMap::new(), BTreeMap::new(), None);
                    }
                    known.good = Some(Arc::new(file));
                }
            }
            Err(problem) => {
                tracing::error!(%problem, path = %path.display(), "chain file refused");
                known.problem = Some(problem);
            }
        }
    }

    fn tried(&mut self, (chain, digest, outcome): Tried) {
        self.news = true;
        let Some(past) = self.chains.get_mut(&chain) else { return };
        // The chain file has changed meanwhile: it is tried again.
        if past.trials.get(&digest) != Some(&Trial::Running) {
            return;
        }
        match outcome {
            Ok(diff) => {
                tracing::info!(chain.id = chain, plugin.digest = digest, %diff, "shadow scan done");
                past.trials.insert(digest, Trial::Passed(diff));
            }
            Err(Uncompared::Fails(why)) => {
                tracing::error!(chain.id = chain, plugin.digest = digest, %why, "shadow scan failed");
                past.trials.insert(digest, Trial::Failed(format!("the shadow scan failed: {why}")));
            }
            Err(Uncompared::Later(why)) => {
                tracing::warn!(chain.id = chain, %why, "the chain cannot be read for a shadow scan; trying again");
                past.trials.remove(&digest);
                past.again = Some(Instant::now() + AGAIN);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        self.news = true;
        let Order::Withdraw { chain, digest, why } = order;
        tracing::error!(chain.id = chain, plugin.digest = digest, %why, "version withdrawn");
        self.chains.entry(chain).or_default().withdrawn.insert(digest, why);
    }

    /// Brings the listing up to date, and says beside each file what became of it.
    fn update(&mut self) {
        self.news = false;
        let before = self.listing.borrow().clone();
        let mut after = BTreeMap::new();
        let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
        let files: Vec<(PathBuf, Option<Arc<ChainFile>>, Option<String>)> =
            self.files.iter().map(|(path, it)| (path.clone(), it.good.clone(), it.problem.clone())).collect();
        for (path, good, problem) in files {
            let Some(file) = good else {
                self.board.say(&path, Status::chain("refused", problem));
                continue;
            };
            let (entry, choice, refused) = self.settle(&file, before.get(&file.id));
            let said = match (&entry.standing, problem.or(refused)) {
                (_, Some(problem)) => Status::chain("refused", Some(problem)),
                (Standing::Parked(why), None) => Status::chain("parked", Some(why.clone())),
                (Standing::InUse(_), None) => Status::chain("followed", None),
            };
            self.board.say(&path, said);
            let (chain, generation) = (&file.id, entry.generation);
            if let Some(digest) = choice.used {
                let state = "in-use".to_owned();
                let one = Use { chain: chain.clone(), state, generation: Some(generation), reason: None };
                uses.entry(digest).or_default().push(one);
            }
            for (digest, (state, reason)) in choice.others {
                let one = Use { chain: chain.clone(), state: state.to_owned(), generation: None, reason };
                uses.entry(digest).or_default().push(one);
            }
            after.insert(file.id.clone(), entry);
        }
        for (path, plugin) in &self.plugins {
            let chains = uses.get(&plugin.detector.digest).cloned().unwrap_or_default();
            self.board.say_uses(path, chains);
        }
        let same = |(a, b): ((&String, &Entry), (&String, &Entry))| a.0 == b.0 && a.1.generation == b.1.generation;
        if before.len() != after.len() || !before.iter().zip(&after).all(same) {
            self.listing.send_replace(Arc::new(after));
            // What is in use now may call for a trial.
            self.news = true;
        }
    }

    /// One chain's entry; with what was chosen, and why its newest text is refused.
    fn settle(&mut self, file: &Arc<ChainFile>, before: Option<&Entry>) -> (Entry, Choice, Option<String>) {
        let past = self.chains.entry(file.id.clone()).or_default();
        past.again = past.again.filter(|again| *again > Instant::now());
        let of_kind = |plugin: &&Admitted| plugin.detector.plugin == file.plugin;
        let mut there: Vec<Admitted> = self.plugins.values().filter(of_kind).cloned().collect();
        let in_use = past.in_use.clone().filter(|plugin| plugin.detector.plugin == file.plugin);
        let mut candidates: Vec<Candidate> = there.iter().map(|plugin| candidate(plugin, false)).collect();
        if let Some(plugin) = &in_use
            && !there.iter().any(|it| it.detector.digest == plugin.detector.digest)
            && self.plugins.contains_key(&plugin.path)
        {
            candidates.push(candidate(plugin, true));
            there.push(plugin.clone());
        }
        // The schema is asked before the chain.
        let mut refused = None;
        for plugin in &there {
            let digest = &plugin.detector.digest;
            let is_in_use = in_use.as_ref().is_some_and(|it| it.detector.digest == *digest);
            if let Err(wrong) = plugin.schema.check(&file.settings) {
                if is_in_use {
                    refused = Some(wrong);
                } else if in_use.is_some() {
                    past.trials.insert(digest.clone(), Trial::Failed(wrong));
                }
            }
        }
        let digest = in_use.as_ref().map(|plugin| &plugin.detector).or(past.in_force.as_ref());
        let digest = digest.map(|detector| detector.digest.clone());
        let situation = Situation {
            plugin: &file.plugin,
            pinned: file.pinned.as_ref(),
            policy: &file.policy,
            in_use: digest.as_deref(),
            withdrawn: &past.withdrawn,
            trials: &past.trials,
        };
        let choice = choose(candidates, &situation);
        let find = |digest: &str| there.iter().find(|plugin| plugin.detector.digest == digest).cloned();
        let used = choice.used.as_deref().and_then(find);
        let (standing, file) = match used {
            None => (Standing::Parked(choice.parked.clone().unwrap_or_default()), Arc::clone(file)),
            Some(plugin) => match plugin.schema.check(&file.settings) {
                Ok(()) => (Standing::InUse(plugin), Arc::clone(file)),
                Err(wrong) => match before {
                    // A refused text changes nothing.
                    Some(Entry { standing: Standing::InUse(_), file: old, .. }) => {
                        refused.get_or_insert(wrong);
                        (Standing::InUse(plugin), Arc::clone(old))
                    }
                    _ => (Standing::Parked(wrong), Arc::clone(file)),
                },
            },
        };
        let entry = past.entry(file, standing, before);
        if let (Some(next), Standing::InUse(old)) = (&choice.try_next, &entry.standing)
            && past.again.is_none()
            && let Some(new) = find(next)
        {
            past.trials.insert(next.clone(), Trial::Running);
            let (engine, old, file, digest) = (self.engine.clone(), old.clone(), entry.file.clone(), next.clone());
            self.trials.spawn(async move {
                let compared = shadow::compare(&engine, &old, &new, &file).await;
                (file.id.clone(), digest, compared)
            });
        }
        past.waiting.set(verdicts::of(&entry.file.plugin, &choice, &self.plugins, &self.refused));
        past.tell(&entry.file.id, &choice);
        (entry, choice, refused)
    }
}

fn candidate(plugin: &Admitted, replaced: bool) -> Candidate {
    Candidate { version: plugin.version.clone(), digest: plugin.detector.digest.clone(), replaced }
}
