//! Chaos: two ingestors, two metrics, a portfolio and an api on a real Kafka and a real PostgreSQL follow mock nodes while
//! everything is killed, paused, cut off and lied to, and chains are rewound and filled in; afterwards the tape and the tables must say what the chains' own truth says.
//!
//! Faults, branches and lies are drawn from one seed. What a seed cannot fix is the order in which processes run: the same
//! seed tries the same things, not the same interleaving.

mod failover;
mod oracle;
mod plan;
mod process;
mod scene;

pub use failover::failover;

use anyhow::{Context, ensure};
use nodes::mock::Faults;
use plan::{BEFORE, Role, Strike};
use scene::Scene;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tape_log::{Log, topics};

/// One answer of a node in so many is wrong.
const USUALLY: u64 = 40;
/// Time between blocks.
const BLOCK: Duration = Duration::from_millis(100);

/// What to do, and with what.
#[derive(Clone, Debug)]
pub struct Order {
    /// How often something is struck.
    pub faults: u64,
    /// Decides what is struck when.
    pub seed: u64,
    /// Strike in this way alone.
    pub only: Option<String>,
    /// A Kafka that may be killed by the order below.
    pub brokers: String,
    /// A PostgreSQL that may be.
    pub database: String,
    /// Program and first arguments that kill and start a server again: `kafka` or `postgres` is added.
    pub bounce: Vec<String>,
    /// Where the services' binaries are.
    pub binaries: PathBuf,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Strikes that were dealt.
    pub faults: u64,
    /// Decided what was struck.
    pub seed: u64,
    /// Trades of the truth that are not live on the tape.
    pub lost: u64,
    /// Trades that came twice, or are live and not of the truth.
    pub doubled: u64,
    /// Whether the tables equal those of a run that saw only the truth.
    pub books_equal: bool,
    /// Live trades at the end.
    pub trades: u64,
    /// Records of the history log.
    pub filled_in: u64,
    /// Trades that were taken back.
    pub reverted: u64,
    /// Longest time that a chain stood still, milliseconds.
    pub stillest_ms: u64,
    /// Seconds the strikes took.
    pub seconds: u64,
    /// What is wrong, if anything: the first findings.
    pub findings: Vec<String>,
}

impl Order {
    /// How long everything may take to come to rest once nothing is struck any more: the longer it ran, the more is to be read.
    fn rest(&self) -> Duration {
        Duration::from_mins(2) + Duration::from_millis(500) * u32::try_from(self.faults).unwrap_or(u32::MAX)
    }
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.books_equal && self.findings.is_empty()
    }
}

/// Runs it.
pub async fn run(order: &Order) -> anyhow::Result<Verdict> {
    if let Some(only) = &order.only {
        let kinds = plan::Strikes::kinds();
        ensure!(kinds.contains(only), "no strike is called {only}; there are {kinds:?}");
    }
    let mut scene = Scene::set(order).await?;
    let begun = Instant::now();
    wait_for_trades(&scene.log).await.context("nothing came onto the tape before the first strike")?;
    let watch = oracle::stillness(scene.log.clone());
    let mut strikes = plan::Strikes::new(order.seed, order.only.as_deref());
    for number in 1..=order.faults {
        let strike = strikes.next();
        println!("chaos: [{:>5} s] {number:>4} {strike:?}", begun.elapsed().as_secs());
        deal(&strike, &mut scene, order).await.with_context(|| format!("deal {strike:?}"))?;
        scene.team.raise_the_dead()?;
        tokio::time::sleep(strikes.pause()).await;
    }
    let seconds = begun.elapsed().as_secs();

    // The chains stand still and tell the truth; whoever is dead gets up; what is missing of the past is asked for.
    scene.stand_still();
    set_all(&scene.faults, 0);
    scene.team.resume_all();
    scene.team.raise_the_dead()?;
    for chain in &scene.chains {
        let last = (BEFORE - 1).to_string();
        let deadline = Instant::now() + order.rest();
        while !scene.team.command(&["backfill", "--chain", chain, "--from", "0", "--to", &last]).await? {
            ensure!(Instant::now() < deadline, "no backfill of {chain} can be asked for");
            scene.team.raise_the_dead()?;
        }
    }
    let mut findings = vec![];
    let Scene { log, database, chains, nodes, team, .. } = &mut scene;
    let rested = oracle::rest(log, database, chains, nodes, order.rest(), || team.raise_the_dead()).await;
    if let Err(e) = rested {
        findings.push(format!("it does not come to rest: {e:#}"));
    }
    let stillest_ms = watch.end().await;
    let mut verdict = oracle::judge(&scene, &order.database).await?;
    findings.append(&mut verdict.findings);
    let verdict = Verdict { faults: order.faults, seed: order.seed, stillest_ms, seconds, findings, ..verdict };
    scene.strike_down(order, verdict.holds()).await?;
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

async fn deal(strike: &Strike, scene: &mut Scene, order: &Order) -> anyhow::Result<()> {
    let Scene { team, log, nodes, faults, chains, plugins, .. } = scene;
    match strike {
        Strike::Kill(role) => team.kill(*role)?,
        Strike::CrashAt(role, place, times) => team.crash_at(*role, place, *times).await?,
        Strike::Pause(role, length) => team.pause(*role, *length)?,
        Strike::Overlap(number, slowly) => {
            let other = 1 - number % 2;
            team.overlap(Role::Ingestor(number % 2), Role::Ingestor(other), *slowly).await?;
        }
        Strike::Storm(length) => {
            set_all(faults, 2);
            tokio::time::sleep(*length).await;
            set_all(faults, USUALLY);
        }
        Strike::DeepFork(chain) => {
            let node = &nodes[*chain % nodes.len()];
            node.fork(64, 65);
        }
        Strike::ForkAndBack(chain) => {
            let node = &nodes[*chain % nodes.len()];
            node.fork(8, 9);
            tokio::time::sleep(BLOCK * 3).await;
            node.return_to_left();
        }
        Strike::ForkWhileAway(chain) => {
            for role in [Role::Ingestor(0), Role::Ingestor(1)] {
                team.kill(role)?;
            }
            nodes[*chain % nodes.len()].fork(20, 21);
        }
        Strike::Backfill(chain, from, to) => {
            let (chain, from, to) = (&chains[*chain % chains.len()], from.to_string(), to.to_string());
            // Brokers that are down cannot be asked; the operator leaves it at that.
            team.command(&["backfill", "--chain", chain, "--from", &from, "--to", &to]).await?;
        }
        Strike::Rewind(chain, blocks) => {
            let to = nodes[*chain % nodes.len()].latest().saturating_sub(*blocks).to_string();
            team.command(&["rewind", "--chain", &chains[*chain % chains.len()], "--to", &to]).await?;
        }
        Strike::Swap(mark) => plugins.swap(*mark)?,
        Strike::Poison => oracle::poison(log).await,
        Strike::Server(which) => {
            let (program, arguments) = order.bounce.split_first().context("no way to bounce a server")?;
            let status = tokio::process::Command::new(program).args(arguments).arg(which).status().await;
            let status = status.with_context(|| format!("failed to start {program}"))?;
            ensure!(status.success(), "{which} was not bounced: {status}");
        }
    }
    Ok(())
}
