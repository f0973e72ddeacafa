//! Chaos: two ingestors, two metrics, a portfolio and an api on a real Kafka and a real PostgreSQL follow mock nodes while
//! everything is killed, paused, cut off and lied to, and chains are rewound and filled in; afterwards the tape and the tables must say what the chains' own truth says.
//!
//! Faults, branches and lies are drawn from one seed. What a seed cannot fix is the order in which processes run: the same
//! seed tries the same things, not the same interleaving.

mod oracle;
mod plan;
mod process;

use crate::line::plugins_dir;
use crate::mock::{self, Faults, Node, Script};
use anyhow::{Context, ensure};
use plan::{BEFORE, Role, Strike};
use process::Team;
use serde::Serialize;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tape_log::{Log, Target, topics};

/// Two chains whose journals lie in one share, and one elsewhere.
const CHAINS: usize = 3;
/// One answer of a node in so many is wrong.
const USUALLY: u64 = 40;
/// Time between blocks.
const BLOCK: Duration = Duration::from_millis(100);
/// How long everything may take to come to rest once nothing is struck any more.
const REST: Duration = Duration::from_mins(4);

/// What to do, and with what.
#[derive(Clone, Debug)]
pub struct Order {
    /// How often something is struck.
    pub faults: u64,
    /// Decides what is struck when.
    pub seed: u64,
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

impl Verdict {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.books_equal && self.findings.is_empty()
    }
}

/// Runs it.
pub async fn run(order: &Order) -> anyhow::Result<Verdict> {
    environment::install_crypto();
    let name = format!("chaos-{}-{}", std::process::id(), environment::now_ms());
    let folder = tempfile::Builder::new().prefix("chaintape-chaos-").tempdir()?.keep();
    println!("chaos: logs of the processes are in {}", folder.display());
    let database = oracle::create_database(&order.database, &name).await?;
    let target = Target::Kafka {
        brokers: order.brokers.clone(),
        prefix: format!("{name}."),
        environment: name.clone(),
        replication: 1,
        min_insync: 1,
    };
    let chains = chain_names();
    let nodes: Vec<Node> = (0..CHAINS as u64).map(|number| Node::new(script(order.seed, number))).collect();
    // The first block that is followed is final: below it nothing is left any more.
    nodes.iter().for_each(|node| node.grow(BEFORE + 80));
    let faults: Vec<Faults> =
        (0..CHAINS as u64 * 2).map(|n| Faults::seeded(order.seed + n, USUALLY, &mock::ALL)).collect();
    let mut servers = vec![];
    let files = folder.join("chains");
    std::fs::create_dir(&files)?;
    for (number, (node, chain)) in nodes.iter().zip(&chains).enumerate() {
        let mut endpoints = vec![];
        for faults in &faults[number * 2..number * 2 + 2] {
            let (address, server) = node.serve("127.0.0.1:0".parse()?, faults.clone()).await?;
            endpoints.push(format!("\"http://{address}\""));
            servers.push(server);
        }
        let seed = script(order.seed, number as u64).seed;
        let text = format!(
            "id = \"{chain}\"\nplugin = \"mock\"\nendpoints = [{}]\nstart = {BEFORE}\npoll_ms = 50\n\
             [settings]\nnode = true\nseed = {seed}\n",
            endpoints.join(", ")
        );
        std::fs::write(files.join(format!("{chain}.toml")), text)?;
    }
    // An environment of its own: nothing but what stands here is set.
    let empty = folder.join("env");
    std::fs::create_dir(&empty)?;
    for file in [".env".to_owned(), format!(".env.{name}")] {
        std::fs::write(empty.join(file), "")?;
    }
    let api = free_address()?;
    let variables = [
        ("ENV_DIR", empty.display().to_string()),
        ("APP_ENV", name.clone()),
        ("LOG", "kafka".to_owned()),
        ("KAFKA_BROKERS", order.brokers.clone()),
        ("TOPIC_PREFIX", format!("{name}.")),
        ("DATABASE_URL", database.clone()),
        ("PLUGINS_DIR", plugins_dir()?.display().to_string()),
        ("CHAINS_DIR", files.display().to_string()),
        ("PORTFOLIO_TRACK", "all".to_owned()),
        ("PORTFOLIO_PROVIDER", "mock".to_owned()),
        ("API_ADDR", api.to_string()),
        ("RUST_LOG", "info".to_owned()),
    ];
    let mut team = Team::new(&order.binaries, &folder, &variables);
    team.start_all()?;
    let ticking: Vec<_> = nodes.iter().map(|node| tokio::spawn(grow(node.clone()))).collect();

    let log = Log::open(&target).await?;
    let begun = Instant::now();
    wait_for_trades(&log).await.context("nothing came onto the tape before the first strike")?;
    let watch = oracle::stillness(log.clone());
    let mut strikes = plan::Strikes::new(order.seed);
    for number in 1..=order.faults {
        let strike = strikes.next();
        println!("chaos: [{:>5} s] {number:>4} {strike:?}", begun.elapsed().as_secs());
        deal(&strike, &mut team, &log, &nodes, &faults, order).await.with_context(|| format!("deal {strike:?}"))?;
        team.raise_the_dead()?;
        tokio::time::sleep(strikes.pause()).await;
    }
    let seconds = begun.elapsed().as_secs();

    // The chains stand still and tell the truth; whoever is dead gets up.
    ticking.iter().for_each(tokio::task::JoinHandle::abort);
    set_all(&faults, 0);
    team.resume_all();
    team.raise_the_dead()?;
    let mut findings = vec![];
    for chain in &chains {
        let all = ["backfill", "--chain", chain, "--from", "0", "--to", &(BEFORE - 1).to_string()].map(str::to_owned);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let deadline = Instant::now() + REST;
        while !team.command(&all).await? {
            ensure!(Instant::now() < deadline, "no backfill of {chain} can be asked for");
            team.raise_the_dead()?;
        }
    }
    let rested = oracle::rest(&log, &database, &chains, &nodes, REST, || team.raise_the_dead()).await;
    if let Err(e) = rested {
        findings.push(format!("it does not come to rest: {e:#}"));
    }
    let stillest_ms = watch.end().await;
    let mut verdict = oracle::judge(&log, &database, &order.database, api, &chains, &nodes).await?;
    findings.append(&mut verdict.findings);
    team.stop_all();
    oracle::drop_database(&order.database, &name).await?;
    let verdict = Verdict { faults: order.faults, seed: order.seed, stillest_ms, seconds, findings, ..verdict };
    if verdict.holds() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(verdict)
}

/// Two names whose journals lie in one share, then others.
fn chain_names() -> Vec<String> {
    let share = |name: &str| topics::JOURNAL.share_of(name.as_bytes());
    let first = share("chain-0");
    let twin = (1_u32..10_000).map(|n| format!("chain-{n}")).find(|name| share(name) == first);
    let mut names = vec!["chain-0".to_owned()];
    names.extend(twin);
    let other = (1_u32..10_000).map(|n| format!("other-{n}")).find(|name| share(name) != first);
    names.extend(other);
    names
}

fn script(seed: u64, number: u64) -> Script {
    Script {
        seed: seed.wrapping_mul(31).wrapping_add(number + 1) % 1_000_000,
        users: 20,
        reorg_one_in: 12,
        ..Script::default()
    }
}

/// An address of this machine that nobody listens on.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn set_all(faults: &[Faults], one_in: u64) {
    for faults in faults {
        faults.set(one_in);
    }
}

async fn grow(node: Node) {
    loop {
        node.tick();
        tokio::time::sleep(BLOCK).await;
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

async fn deal(
    strike: &Strike,
    team: &mut Team,
    log: &Log,
    nodes: &[Node],
    faults: &[Faults],
    order: &Order,
) -> anyhow::Result<()> {
    match strike {
        Strike::Kill(role) => team.kill(*role)?,
        Strike::CrashAt(role, place, times) => team.crash_at(*role, place, *times).await?,
        Strike::Pause(role, length) => team.pause(*role, *length)?,
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
            let (chain, from, to) = (&chain_names()[*chain], from.to_string(), to.to_string());
            // Brokers that are down cannot be asked; the operator leaves it at that.
            team.command(&["backfill", "--chain", chain, "--from", &from, "--to", &to]).await?;
        }
        Strike::Rewind(chain, blocks) => {
            let to = nodes[*chain % nodes.len()].latest().saturating_sub(*blocks).to_string();
            team.command(&["rewind", "--chain", &chain_names()[*chain], "--to", &to]).await?;
        }
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
