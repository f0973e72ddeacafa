//! The scene of a run: chains served by mock nodes, a database and topics of its own, and everyone who is to be struck.

use super::plan::BEFORE;
use super::process::Team;
use super::{BLOCK, Order, USUALLY, oracle};
use nodes::mock::{self, Faults, Node, Script, Server};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use system::swaps;
use tape_log::{Log, Target, topics};
use tokio::task::JoinHandle;

/// Two chains whose journals lie in one partition, and one elsewhere.
const CHAINS: usize = 3;

pub(super) struct Scene {
    pub(super) log: Log,
    pub(super) database: String,
    pub(super) chains: Vec<String>,
    pub(super) nodes: Vec<Node>,
    /// Of each node's two addresses.
    pub(super) faults: Vec<Faults>,
    pub(super) api: SocketAddr,
    pub(super) team: Team,
    pub(super) plugins: Plugins,
    name: String,
    folder: PathBuf,
    ticking: Vec<JoinHandle<()>>,
    _servers: Vec<Server>,
}

/// The folder of plugins that everyone watches.
pub(super) struct Plugins {
    folder: PathBuf,
    component: Vec<u8>,
}

impl Plugins {
    fn lay_out(folder: &Path) -> anyhow::Result<Self> {
        let component = std::fs::read(swaps::component("mock")?)?;
        let folder = folder.join("plugins");
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("mock.wasm"), &component)?;
        Ok(Self { folder, component })
    }

    /// Drops another version in.
    pub(super) fn swap(&self, mark: u8) -> std::io::Result<()> {
        let unfinished = self.folder.join("mock.wasm.new");
        std::fs::write(&unfinished, swaps::marked(&self.component, mark))?;
        std::fs::rename(unfinished, self.folder.join("mock.wasm"))
    }
}

impl Scene {
    /// Starts everything.
    pub(super) async fn set(order: &Order) -> anyhow::Result<Self> {
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
        for node in &nodes {
            node.grow(BEFORE + 80);
        }
        let faults: Vec<Faults> =
            (0..CHAINS as u64 * 2).map(|n| Faults::seeded(order.seed + n, USUALLY, &mock::ALL)).collect();
        let files = folder.join("chains");
        let servers = serve(&nodes, &chains, &faults, order.seed, &files).await?;
        let plugins = Plugins::lay_out(&folder)?;
        let api = free_address()?;
        let variables = variables(order, &name, &folder, &database, api)?;
        let mut team = Team::new(&order.binaries, &folder, &variables);
        team.start_all()?;
        let ticking = nodes.iter().map(|node| tokio::spawn(grow(node.clone()))).collect();
        let log = Log::open(&target).await?;
        let scene =
            Self { log, database, chains, nodes, faults, api, team, plugins, name, folder, ticking, _servers: servers };
        Ok(scene)
    }

    /// The chains grow no more.
    pub(super) fn stand_still(&self) {
        self.ticking.iter().for_each(JoinHandle::abort);
    }

    /// Ends everyone; what they logged is kept unless all went well.
    pub(super) async fn strike_down(mut self, order: &Order, well: bool) -> anyhow::Result<()> {
        self.stand_still();
        self.team.stop_all();
        oracle::drop_database(&order.database, &self.name).await?;
        if well {
            std::fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }
}

/// Serves every chain at two addresses, and writes the chain files that name them.
async fn serve(
    nodes: &[Node],
    chains: &[String],
    faults: &[Faults],
    seed: u64,
    files: &Path,
) -> anyhow::Result<Vec<Server>> {
    std::fs::create_dir(files)?;
    let mut servers = vec![];
    for (number, (node, chain)) in nodes.iter().zip(chains).enumerate() {
        let mut endpoints = vec![];
        for faults in &faults[number * 2..number * 2 + 2] {
            let (address, server) = node.serve("127.0.0.1:0".parse()?, faults.clone()).await?;
            endpoints.push(format!("\"http://{address}\""));
            servers.push(server);
        }
        let seed = script(seed, number as u64).seed;
        let text = format!(
            "id = \"{chain}\"\nplugin = \"mock\"\nendpoints = [{}]\nstart = {BEFORE}\npoll_ms = 50\n\
             [settings]\nnode = true\nseed = {seed}\n",
            endpoints.join(", ")
        );
        std::fs::write(files.join(format!("{chain}.toml")), text)?;
    }
    Ok(servers)
}

/// An environment of its own: nothing but what stands here is set.
fn variables(
    order: &Order,
    name: &str,
    folder: &Path,
    database: &str,
    api: SocketAddr,
) -> std::io::Result<[(&'static str, String); 12]> {
    let empty = folder.join("env");
    std::fs::create_dir(&empty)?;
    for file in [".env".to_owned(), format!(".env.{name}")] {
        std::fs::write(empty.join(file), "")?;
    }
    Ok([
        ("ENV_DIR", empty.display().to_string()),
        ("APP_ENV", name.to_owned()),
        ("LOG", "kafka".to_owned()),
        ("KAFKA_BROKERS", order.brokers.clone()),
        ("TOPIC_PREFIX", format!("{name}.")),
        ("DATABASE_URL", database.to_owned()),
        ("PLUGINS_DIR", folder.join("plugins").display().to_string()),
        ("CHAINS_DIR", folder.join("chains").display().to_string()),
        ("PORTFOLIO_TRACK", "all".to_owned()),
        ("PORTFOLIO_PROVIDER", "mock".to_owned()),
        ("API_ADDR", api.to_string()),
        ("RUST_LOG", "info".to_owned()),
    ])
}

/// Two names whose journals lie in one partition, then others.
fn chain_names() -> Vec<String> {
    let partition = |name: &str| topics::JOURNAL.partition_of(name.as_bytes());
    let first = partition("chain-0");
    let twin = (1_u32..10_000).map(|n| format!("chain-{n}")).find(|name| partition(name) == first);
    let mut names = vec!["chain-0".to_owned()];
    names.extend(twin);
    let other = (1_u32..10_000).map(|n| format!("other-{n}")).find(|name| partition(name) != first);
    names.extend(other);
    names
}

/// Users of the last chain come once or twice: nothing that is said of them later makes up for what was never said. Those of the
/// others come again and again, so that what is taken back lies under what came since.
fn script(seed: u64, number: u64) -> Script {
    Script {
        seed: seed.wrapping_mul(31).wrapping_add(number + 1) % 1_000_000,
        users: if number + 1 == CHAINS as u64 { 5_000 } else { 20 },
        reorg_one_in: 12,
        ..Script::default()
    }
}

/// An address of this machine that nobody listens on.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

async fn grow(node: Node) {
    loop {
        node.tick();
        tokio::time::sleep(BLOCK).await;
    }
}
