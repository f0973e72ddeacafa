//! The processes of a run: started with the run's variables, killed, paused and restarted by process id only.

use super::access::Variables;
use super::plan::Role;
use anyhow::Context;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to reach the place at which it is to crash, and a command to end.
const CRASH_TIMEOUT: Duration = Duration::from_secs(12);

/// How long an ingestor is alone: the sessions of those before have ended, and it has made its first steps.
const HEAD_START: Duration = Duration::from_secs(10);
/// How long an ingestor is frozen: longer than its session timeout, by less than a slow take-over takes.
const FREEZE: Duration = Duration::from_secs(8);
/// How long both ingestors run side by side afterwards.
const OVERLAP: Duration = Duration::from_secs(4);

/// All processes of a run. Dropping it ends them.
pub(super) struct Processes {
    binaries: PathBuf,
    logs: PathBuf,
    /// Those of all programs; those of one count more.
    variables: Vec<(String, String)>,
    of_programs: Variables,
    /// Where the readers of the tape serve their health.
    health: BTreeMap<Role, SocketAddr>,
    alive: BTreeMap<Role, Child>,
    /// Paused processes with the moment at which they continue.
    paused: BTreeMap<Role, Instant>,
}

impl Processes {
    pub(super) fn new(
        binaries: &Path,
        logs: &Path,
        (variables, of_programs): (&[(&str, String)], &Variables),
        health: BTreeMap<Role, SocketAddr>,
    ) -> Self {
        let variables = variables.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Self {
            binaries: binaries.to_owned(),
            logs: logs.to_owned(),
            variables,
            of_programs: of_programs.clone(),
            health,
            alive: BTreeMap::new(),
            paused: BTreeMap::new(),
        }
    }

    /// Where a process serves its health, if it does.
    pub(super) fn health_addr(&self, role: Role) -> Option<SocketAddr> {
        self.health.get(&role).copied()
    }

    pub(super) fn start_all(&mut self) -> anyhow::Result<()> {
        Role::ALL.into_iter().try_for_each(|role| self.start(role, None))
    }

    fn start(&mut self, role: Role, variable: Option<(&str, String)>) -> anyhow::Result<()> {
        let (program, number) = match role {
            Role::Ingestor(number) => ("chain-ingestor", number),
            Role::Metrics(number) => ("metrics", number),
            Role::Portfolio => ("portfolio", 0),
            Role::Api => ("api", 0),
        };
        let path = self.logs.join(format!("{program}-{number}.log"));
        let log = File::options().create(true).append(true).open(&path)?;
        let mut command = Command::new(self.binaries.join(program));
        // The api has no subcommand.
        command.args((role != Role::Api).then_some("run")).envs(self.variables_of(program));
        command.envs(variable).envs(self.health.get(&role).map(|addr| ("HEALTH_ADDR", addr.to_string())));
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log);
        let child = command.spawn().with_context(|| format!("start {program} of {}", self.binaries.display()))?;
        self.alive.insert(role, child);
        Ok(())
    }

    fn variables_of(&self, program: &str) -> impl Iterator<Item = (String, String)> {
        let own = self.of_programs.get(program).into_iter().flatten();
        self.variables.iter().chain(own).cloned()
    }

    /// Runs a command of the ingestor, at most for `CRASH_TIMEOUT`; whether it succeeded. Its output is in `commands.log`.
    pub(super) async fn command(&self, arguments: &[&str]) -> anyhow::Result<bool> {
        let log = File::options().create(true).append(true).open(self.logs.join("commands.log"))?;
        let mut command = tokio::process::Command::new(self.binaries.join("chain-ingestor"));
        command.args(arguments).envs(self.variables_of("chain-ingestor")).kill_on_drop(true);
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log);
        match tokio::time::timeout(CRASH_TIMEOUT, command.status()).await {
            Ok(ended) => Ok(ended.context("run a command of the ingestor")?.success()),
            Err(_) => Ok(false),
        }
    }

    pub(super) fn kill(&mut self, role: Role) -> anyhow::Result<()> {
        self.paused.remove(&role);
        if let Some(mut child) = self.alive.remove(&role) {
            child.kill().context("kill")?;
            child.wait()?;
        }
        Ok(())
    }

    /// Restarts a process so that it crashes at a named place, and waits until it has; one that does not reach the place is killed.
    pub(super) async fn crash_at(&mut self, role: Role, place: &str, times: u64) -> anyhow::Result<()> {
        self.kill(role)?;
        self.start(role, Some(("CHAINTAPE_CRASH", format!("{place}:{times}"))))?;
        let deadline = Instant::now() + CRASH_TIMEOUT;
        while Instant::now() < deadline {
            self.wake_due();
            if let Some(child) = self.alive.get_mut(&role)
                && child.try_wait()?.is_some()
            {
                self.alive.remove(&role);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.kill(role)
    }

    /// Freezes an ingestor, which is alone and slow to begin a step, until its session has ended, most probably before an append;
    /// another one takes over, slowly or not, and before it has, the first one continues. Freezing within a transaction would not
    /// do: readers of the journal wait for its end.
    pub(super) async fn overlap(&mut self, frozen: Role, other: Role, slowly: bool) -> anyhow::Result<()> {
        let lingering = |place: &str| Some(("CHAINTAPE_LINGER", place.to_owned()));
        self.kill(frozen)?;
        self.kill(other)?;
        self.start(frozen, lingering("tape.append.before:500"))?;
        tokio::time::sleep(HEAD_START).await;
        self.start(other, if slowly { lingering("tape.partition.fenced:4000") } else { None })?;
        self.pause(frozen, FREEZE)?;
        tokio::time::sleep(FREEZE).await;
        self.wake(frozen);
        tokio::time::sleep(OVERLAP).await;
        self.kill(frozen)?;
        self.kill(other)
    }

    pub(super) fn pause(&mut self, role: Role, length: Duration) -> anyhow::Result<()> {
        if let Some(child) = self.alive.get(&role) {
            signal(child.id(), "-STOP")?;
            self.paused.insert(role, Instant::now() + length);
        }
        Ok(())
    }

    fn wake_due(&mut self) {
        let now = Instant::now();
        let due: Vec<Role> = self.paused.iter().filter(|(_, until)| **until <= now).map(|(role, _)| *role).collect();
        for role in due {
            self.wake(role);
        }
    }

    fn wake(&mut self, role: Role) {
        self.paused.remove(&role);
        if let Some(child) = self.alive.get(&role) {
            // It may have ended meanwhile.
            let _ = signal(child.id(), "-CONT");
        }
    }

    /// Wakes every process that is paused.
    pub(super) fn resume_all(&mut self) {
        let paused: Vec<Role> = self.paused.keys().copied().collect();
        for role in paused {
            self.wake(role);
        }
    }

    /// Starts every process that has ended, and wakes those whose pause is over.
    pub(super) fn restart_dead(&mut self) -> anyhow::Result<()> {
        self.wake_due();
        for role in Role::ALL {
            let gone = match self.alive.get_mut(&role) {
                Some(child) => child.try_wait()?.is_some(),
                None => true,
            };
            if gone {
                self.start(role, None)?;
            }
        }
        Ok(())
    }

    pub(super) fn stop_all(&mut self) {
        self.resume_all();
        for child in self.alive.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.alive.clear();
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.stop_all();
    }
}

fn signal(pid: u32, which: &str) -> anyhow::Result<()> {
    let status = Command::new("kill").args([which, &pid.to_string()]).status()?;
    anyhow::ensure!(status.success(), "kill {which} {pid}: {status}");
    Ok(())
}
