//! `plugin dev`: from an edit of a plugin's source to its first trade on the tape of a running system, again and again.
//!
//! Each round builds the crate in the one way that there is, admits the component, replays the cassettes, shows what they give now
//! and did not before, puts the component into `PLUGINS_DIR`, and follows what the running system makes of it.

mod running;
mod sources;

use super::check::check_cassettes;
use super::difference::changes;
use super::place::put;
use super::test::{expected_lines, read_cassettes};
use super::{build, read_chain_file, replay};
use crate::chainfile::ChainFile;
use crate::plugin::{Admitted, Engine, Gate, admit};
use anyhow::{Context, bail, ensure};
use environment::Strings;
use plugin_build::{BuiltComponent, PluginCrate};
use running::RunningSystem;
use sources::Sources;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tape_log::Target;

/// What `plugin dev` works on.
pub struct Development {
    /// The folder of the crate.
    pub folder: PathBuf,
    /// The chain file with which the running system follows the chain.
    pub chain: PathBuf,
    /// The folder of cassettes, where it is not that of the crate.
    pub cassettes: Option<PathBuf>,
    /// `PLUGINS_DIR` of the running system.
    pub plugins: PathBuf,
    /// Its log.
    pub log: Target,
    /// The number of builds after which it ends.
    pub builds: Option<u64>,
}

/// Builds at once, then at every change, until Ctrl-C or the given number of builds.
pub async fn dev(development: &Development, strings: &impl Strings) -> anyhow::Result<String> {
    let mut author = Author {
        development,
        strings,
        engine: Engine::new(1)?,
        cassettes: development.cassettes.clone().unwrap_or_else(|| development.folder.join("cassettes")),
        before: BTreeMap::new(),
        digest: None,
    };
    ensure!(development.chain.is_file(), "read the chain file {}: there is none", development.chain.display());
    let folder = &development.folder;
    ensure!(
        folder.join("Cargo.toml").is_file(),
        "work on {}: there is no Cargo.toml; name a crate's folder, or make one with `plugin new NAME`",
        folder.display()
    );
    let mut sources = Sources::of(&development.folder, &author.cassettes);
    let mut builds = 0;
    loop {
        // Looked at before the build: what changes while it runs is another round.
        let edited_at = sources.until_settled().await;
        let built = author.round(edited_at, &sources).await;
        builds += 1;
        let is_last = development.builds.is_some_and(|most| builds >= most);
        match built {
            Ok(component) => sources.read_by_the_compiler(component),
            Err(error) if is_last => return Err(error),
            Err(error) => environment::print_line!("failed to {error:#}"),
        }
        if is_last {
            return Ok(format!("ended after {builds} builds"));
        }
        environment::print_line!("watching {} files", sources.count());
        sources.until_changed().await;
    }
}

/// What is known from one round to the next.
struct Author<'a, S> {
    development: &'a Development,
    strings: &'a S,
    engine: Engine,
    cassettes: PathBuf,
    /// What each cassette gave the last time.
    before: BTreeMap<PathBuf, String>,
    /// The component that was put into place last.
    digest: Option<String>,
}

impl<S: Strings> Author<'_, S> {
    /// One build and what follows; the files that the compiler read. `edited_at` is when the newest source was written,
    /// milliseconds since the Unix epoch.
    async fn round(&mut self, edited_at: u64, watched: &Sources) -> anyhow::Result<Vec<PathBuf>> {
        let folder = self.development.folder.clone();
        let begun = Instant::now();
        let building = move || {
            let plugin = PluginCrate::read(&folder)?;
            let component = plugin.build(false)?;
            Ok::<_, anyhow::Error>((plugin, component))
        };
        let (plugin, BuiltComponent { bytes, sources }) = tokio::task::spawn_blocking(building).await??;
        let path = build::put(&self.development.folder, &plugin, &bytes)?;
        let took = begun.elapsed().as_secs_f64();
        let admitted = admit(&self.engine, &Gate::default(), &path).await.context("admit the plugin")?;
        let digest = &admitted.detector.digest;
        environment::print_line!("{}: built in {took:.1} s, {digest}", plugin.file_name());
        if self.digest.as_ref() == Some(digest) {
            environment::print_line!("  the same component as before: nothing to do");
            return Ok(sources);
        }
        let file = read_chain_file(&self.development.chain, &admitted, self.strings)?;
        self.refuse_what_would_not_be_used(&file, &admitted)?;
        self.replay_cassettes(&admitted, &file).await?;
        let place = self.development.plugins.join(plugin.file_name());
        let running = RunningSystem::before_a_drop(&self.development.log, &self.development.plugins, &file.id).await?;
        put(&place, &bytes)?;
        self.digest = Some(digest.clone());
        match running {
            Some(running) => {
                let file = plugin.file_name();
                tokio::select! {
                    followed = running.follow(&file, digest, edited_at) => followed?,
                    // Whoever edits again does not want to wait for a trade of what was there before.
                    () = watched.until_changed() => {
                        environment::print_line!("  edited again before a trade of it was on the tape");
                        return Ok(sources);
                    }
                }
            }
            None => environment::print_line!(
                "  put {}; nothing runs on this log: start `chaintape` in this folder",
                place.display()
            ),
        }
        self.check_cassettes(&admitted, &file).await;
        Ok(sources)
    }

    /// A chain that names another plugin or another component would never use this one.
    fn refuse_what_would_not_be_used(&self, file: &ChainFile, plugin: &Admitted) -> anyhow::Result<()> {
        let (id, version) = (&plugin.detector.plugin, &plugin.version);
        let is_used = file.plugin == *id && file.allows(version, &plugin.detector.digest);
        ensure!(
            is_used,
            "use {id} {version}: {} names `{}`; write plugin = \"{id}\" while you work on it",
            self.development.chain.display(),
            file.wanted_plugin()
        );
        Ok(())
    }

    /// Replays every cassette and shows what it gives now and did not before; an error where one that was scanned before fails.
    async fn replay_cassettes(&mut self, plugin: &Admitted, file: &ChainFile) -> anyhow::Result<()> {
        let mut broken = vec![];
        for (path, cassette) in cassettes_in(&self.cassettes)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let scanned = replay(&self.engine, plugin, &cassette, &file.limits, None).await.0;
            let now = match scanned {
                Ok(scanned) => expected_lines(&scanned)?,
                Err(error) if cassette.failure.is_some() => {
                    environment::print_line!("  {name}: fails, as one that records a failure may: {error}");
                    continue;
                }
                Err(error) => {
                    broken.push(format!("{name}: {error}"));
                    continue;
                }
            };
            let trades = now.lines().filter(|line| line.contains("\"tradeId\"")).count();
            match self.before.insert(path, now.clone()) {
                None => environment::print_line!("  {name}: {trades} trades"),
                Some(before) => {
                    let changes = changes(&before, &now);
                    let same = if changes.is_empty() { ", as before" } else { "" };
                    environment::print_line!("  {name}: {trades} trades{same}");
                    for change in changes {
                        environment::print_line!("    {change}");
                    }
                }
            }
        }
        if broken.is_empty() {
            return Ok(());
        }
        bail!("scan what was recorded, so the running system keeps the version before:\n  {}", broken.join("\n  "));
    }

    /// The rest of `plugin check`, once the new version runs.
    async fn check_cassettes(&self, plugin: &Admitted, file: &ChainFile) {
        if !matches!(cassettes_in(&self.cassettes), Ok(found) if !found.is_empty()) {
            return;
        }
        match check_cassettes(&self.engine, plugin, &self.cassettes, &file.limits).await {
            Ok(lines) => {
                for line in lines {
                    environment::print_line!("  {line}");
                }
            }
            Err(error) => environment::print_line!("  BREAKS A RULE: {error:#}"),
        }
    }
}

/// The cassettes of a folder; none where there is no folder.
fn cassettes_in(folder: &Path) -> anyhow::Result<Vec<(PathBuf, crate::cassette::Cassette)>> {
    if folder.is_dir() { read_cassettes(folder) } else { Ok(vec![]) }
}
