//! Chaos: injects faults into the whole system on a real Kafka and a real PostgreSQL, then compares topics and tables with the truth.
//!
//! Two ingestors, two metrics, a portfolio and an api follow mock nodes. Processes and servers are killed and paused, nodes give
//! wrong answers, chains are rewound and backfilled. Faults, branches and wrong answers are drawn from one seed. A seed does not
//! decide how processes interleave: the same seed tries the same faults, not the same interleaving.

mod access;
mod failover;
mod hostile;
mod last_act;
mod oracle;
mod plan;
mod plugins;
mod process;
mod rig;

pub use access::Servers;
pub use failover::failover;

use anyhow::{Context, ensure};
use last_act::LastAct;
use nodes::mock::Faults;
use plan::{FIRST_FOLLOWED_HEIGHT, Role, Strike};
use rig::Rig;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tape_log::{Log, topics};

/// A node gives one wrong answer in so many, unless a fault says otherwise.
const ONE_LIE_IN: u64 = 40;
/// Time from one block to the next.
const BLOCK_TIME: Duration = Duration::from_millis(100);

/// What a run does, and with which servers and binaries.
#[derive(Clone, Debug)]
pub struct ChaosOptions {
    /// Number of faults.
    pub faults: u64,
    /// The faults are drawn from it.
    pub seed: u64,
    /// Faults of this kind only.
    pub only: Option<String>,
    /// What it runs on.
    pub servers: Servers,
    /// Where the services' binaries are.
    pub binaries: PathBuf,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Faults that were injected.
    pub faults: u64,
    /// What they were drawn from.
    pub seed: u64,
    /// Trades of the truth that are not live on the tape at the end.
    pub lost: u64,
    /// Trades that came twice, or are live at the end and not of the truth.
    pub doubled: u64,
    /// Whether the tables equal those of a run that saw only the truth.
    pub books_equal: bool,
    /// Live trades at the end.
    pub trades: u64,
    /// Records of `trades.history.v1`.
    pub filled_in: u64,
    /// Trades that were reverted.
    pub reverted: u64,
    /// Longest time that a chain stood still, milliseconds.
    pub stillest_ms: u64,
    /// Seconds in which faults were injected.
    pub seconds: u64,
    /// What is wrong, if anything: the first findings.
    pub findings: Vec<String>,
}

impl ChaosOptions {
    /// How long everything may take to catch up after the last fault: the longer the run, the more is to be read.
    fn catch_up_timeout(&self) -> Duration {
        Duration::from_mins(2) + Duration::from_millis(500) * u32::try_from(self.faults).unwrap_or(u32::MAX)
    }
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.books_equal && self.findings.is_empty()
    }
}

/// Injects the faults, lets everything catch up, and compares what was written with the truth.
pub async fn run(options: &ChaosOptions) -> anyhow::Result<Verdict> {
    if let Some(only) = &options.only {
        let kinds = plan::Strikes::kinds(options.servers.bounce().is_some());
        ensure!(kinds.contains(only), "there is no kind of fault {only}; there are {kinds:?}");
    }
    let mut rig = Rig::start(options).await?;
    let begun = Instant::now();
    wait_for_trades(&rig.log).await.context("nothing came onto the tape before the first fault")?;
    let watch = oracle::watch_stillness(rig.log.clone());
    let mut strikes = plan::Strikes::new(options.seed, options.only.as_deref(), options.servers.bounce().is_some());
    for number in 1..=options.faults {
        let strike = strikes.next();
        println!("chaos: [{:>5} s] {number:>4} {strike:?}", begun.elapsed().as_secs());
        inject(&strike, &mut rig, options).await.with_context(|| format!("inject {strike:?}"))?;
        rig.processes.restart_dead()?;
        tokio::time::sleep(strikes.pause()).await;
    }
    let seconds = begun.elapsed().as_secs();

    // Stop the chains and all faults, restart what is dead, and backfill what is missing below the first followed height.
    rig.stand_still();
    set_all(&rig.faults, 0);
    rig.processes.resume_all();
    rig.processes.restart_dead()?;
    for chain in &rig.chains {
        let last = (FIRST_FOLLOWED_HEIGHT - 1).to_string();
        let deadline = Instant::now() + options.catch_up_timeout();
        while !rig.processes.command(&["backfill", "--chain", chain, "--from", "0", "--to", &last]).await? {
            ensure!(Instant::now() < deadline, "no backfill of {chain} can be requested");
            rig.processes.restart_dead()?;
        }
    }
    let mut findings = vec![];
    let Rig { log, access, chains, nodes, processes, .. } = &mut rig;
    let caught_up =
        oracle::wait_until_caught_up(log, &access.database, chains, nodes, options.catch_up_timeout(), || {
            processes.restart_dead()
        })
        .await;
    if let Err(e) = caught_up {
        findings.push(format!("the services do not catch up: {e:#}"));
    }
    let stillest_ms = watch.end().await;
    let mut verdict = oracle::compare_with_truth(&rig).await?;
    findings.append(&mut verdict.findings);
    if let Servers::Open { brokers, .. } = &options.servers {
        let last_act = LastAct::of_seed(options.seed);
        println!("chaos: [{:>5} s] last {last_act:?}", begun.elapsed().as_secs());
        findings.extend(last_act::perform(last_act, &mut rig, brokers).await.with_context(|| format!("{last_act:?}"))?);
    }
    let verdict = Verdict { faults: options.faults, seed: options.seed, stillest_ms, seconds, findings, ..verdict };
    rig.tear_down(options, verdict.holds()).await?;
    Ok(verdict)
}

fn set_all(faults: &[Faults], one_in: u64) {
    for faults in faults {
        faults.set(one_in);
    }
}

async fn wait_for_trades(log: &Log) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_mins(2);
    while Instant::now() < deadline {
        let ends = log.ends(&topics::TRADES).await;
        if ends.is_ok_and(|ends| ends.iter().filter(|(_, end)| *end > 0).count() > 5) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    anyhow::bail!("no trades within two minutes")
}

async fn inject(strike: &Strike, rig: &mut Rig, options: &ChaosOptions) -> anyhow::Result<()> {
    let Rig { processes, log, nodes, faults, chains, plugins, guests, .. } = rig;
    match strike {
        Strike::Kill(role) => processes.kill(*role)?,
        Strike::CrashAt(role, place, times) => processes.crash_at(*role, place, *times).await?,
        Strike::Pause(role, length) => processes.pause(*role, *length)?,
        Strike::Overlap(number, slowly) => {
            let other = 1 - number % 2;
            processes.overlap(Role::Ingestor(number % 2), Role::Ingestor(other), *slowly).await?;
        }
        Strike::Storm(length) => {
            set_all(faults, 2);
            tokio::time::sleep(*length).await;
            set_all(faults, ONE_LIE_IN);
        }
        Strike::DeepFork(chain) => {
            let node = &nodes[*chain % nodes.len()];
            node.fork(64, 65);
        }
        Strike::ForkAndBack(chain) => {
            let node = &nodes[*chain % nodes.len()];
            node.fork(8, 9);
            tokio::time::sleep(BLOCK_TIME * 3).await;
            node.return_to_left();
        }
        Strike::ForkWhileAway(chain) => {
            for role in [Role::Ingestor(0), Role::Ingestor(1)] {
                processes.kill(role)?;
            }
            nodes[*chain % nodes.len()].fork(20, 21);
        }
        Strike::Backfill(chain, from, to) => {
            let (chain, from, to) = (&chains[*chain % chains.len()], from.to_string(), to.to_string());
            // While brokers are down the request fails; that is no finding.
            processes.command(&["backfill", "--chain", chain, "--from", &from, "--to", &to]).await?;
        }
        Strike::Rewind(chain, blocks) => {
            let to = nodes[*chain % nodes.len()].latest().saturating_sub(*blocks).to_string();
            processes.command(&["rewind", "--chain", &chains[*chain % chains.len()], "--to", &to]).await?;
        }
        Strike::Swap(mark) => plugins.swap(*mark)?,
        Strike::Guest(guest, mark) => guests.invite(*guest, *mark, plugins)?,
        Strike::Poison => oracle::publish_poison(log).await,
        Strike::Server(which) => {
            let bounce = options.servers.bounce().and_then(<[String]>::split_first);
            let (program, arguments) = bounce.context("no command that kills and starts a server was given")?;
            let status = tokio::process::Command::new(program).args(arguments).arg(which).status().await;
            let status = status.with_context(|| format!("failed to start {program}"))?;
            ensure!(status.success(), "{which} was not bounced: {status}");
        }
    }
    Ok(())
}
