//! The rig of a run: chains served by mock nodes, a database and topics of its own, and the processes that are to fail.

use super::access::Access;
use super::hostile::Guests;
use super::plan::{FIRST_FOLLOWED_HEIGHT, READERS};
use super::plugins::Plugins;
use super::process::Processes;
use super::{BLOCK_TIME, ChaosOptions, ONE_LIE_IN};
use nodes::mock::{self, Faults, Node, Script, Server};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use tape_log::{Log, topics};
use tokio::task::JoinHandle;

/// Two chains whose journals lie in one partition, and one elsewhere.
const CHAINS: usize = 3;

/// Everything a run needs, started.
pub(super) struct Rig {
    pub(super) log: Log,
    pub(super) access: Access,
    pub(super) chains: Vec<String>,
    pub(super) nodes: Vec<Node>,
    /// Of each node's two addresses.
    pub(super) faults: Vec<Faults>,
    pub(super) api: SocketAddr,
    pub(super) processes: Processes,
    pub(super) plugins: Plugins,
    pub(super) guests: Guests,
    name: String,
    folder: PathBuf,
    ticking: Vec<JoinHandle<()>>,
    _servers: Vec<Server>,
}

impl Rig {
    /// Starts everything.
    pub(super) async fn start(options: &ChaosOptions) -> anyhow::Result<Self> {
        environment::install_crypto();
        let name = format!("chaos-{}-{}", std::process::id(), environment::now_ms());
        let folder = tempfile::Builder::new().prefix("chaintape-chaos-").tempdir()?.keep();
        println!("chaos: logs of the processes are in {}", folder.display());
        let access = options.servers.open(&name).await?;
        let chains = chain_names();
        let nodes: Vec<Node> = (0..CHAINS as u64).map(|number| Node::new(script(options.seed, number))).collect();
        // The first block that is followed is final: below it nothing is left any more.
        for node in &nodes {
            node.grow(FIRST_FOLLOWED_HEIGHT + 80);
        }
        let faults: Vec<Faults> =
            (0..CHAINS as u64 * 2).map(|n| Faults::seeded(options.seed + n, ONE_LIE_IN, &mock::ALL_FAULTS)).collect();
        let files = folder.join("chains");
        let servers = serve(&nodes, &chains, &faults, options.seed, &files).await?;
        let guests = Guests::new(&files, &chains[0]);
        let plugins = Plugins::write_to(&folder)?;
        let api = free_address()?;
        let variables = variables(&name, &folder, api, plugins.allowed(Guests::plugins()));
        write_empty_environments(&folder, &name, &access)?;
        let health = READERS.into_iter().map(|role| Ok((role, free_address()?))).collect::<std::io::Result<_>>()?;
        let mut processes = Processes::new(&options.binaries, &folder, (&variables, &access.variables), health);
        processes.start_all()?;
        let ticking = nodes.iter().map(|node| tokio::spawn(grow(node.clone()))).collect();
        let log = Log::open(&access.log).await?;
        let rig = Self {
            log,
            access,
            chains,
            nodes,
            faults,
            api,
            processes,
            plugins,
            guests,
            name,
            folder,
            ticking,
            _servers: servers,
        };
        Ok(rig)
    }

    /// Stops the growth of all chains.
    pub(super) fn stand_still(&self) {
        self.ticking.iter().for_each(JoinHandle::abort);
    }

    /// Ends all processes and drops the database; their logs are kept unless all went well.
    pub(super) async fn tear_down(mut self, options: &ChaosOptions, well: bool) -> anyhow::Result<()> {
        self.stand_still();
        self.processes.stop_all();
        options.servers.clean_up(&self.name).await?;
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
            "id = \"{chain}\"\nplugin = \"mock\"\nendpoints = [{}]\nstart = {FIRST_FOLLOWED_HEIGHT}\npoll_ms = 50\n\
             [settings]\nnode = true\nseed = {seed}\n",
            endpoints.join(", ")
        );
        std::fs::write(files.join(format!("{chain}.toml")), text)?;
    }
    Ok(servers)
}

/// The variables of all processes; their `ENV_DIR` is empty, so that nothing else is set.
fn variables(name: &str, folder: &Path, api: SocketAddr, plugins_allow: String) -> [(&'static str, String); 10] {
    [
        ("ENV_DIR", folder.join("env").display().to_string()),
        ("APP_ENV", name.to_owned()),
        ("LOG", "kafka".to_owned()),
        ("PLUGINS_DIR", folder.join("plugins").display().to_string()),
        ("PLUGINS_ALLOW", plugins_allow),
        ("CHAINS_DIR", folder.join("chains").display().to_string()),
        ("PORTFOLIO_TRACK", "all".to_owned()),
        ("PORTFOLIO_PROVIDER", "mock".to_owned()),
        ("API_ADDR", api.to_string()),
        ("RUST_LOG", "info".to_owned()),
    ]
}

/// Writes the files of variables that the processes look for: nothing stands in them.
fn write_empty_environments(folder: &Path, name: &str, access: &Access) -> std::io::Result<()> {
    let folder = folder.join("env");
    std::fs::create_dir(&folder)?;
    let own = access.variables.values().flatten().filter(|(key, _)| key == "APP_ENV").map(|(_, value)| value.as_str());
    std::fs::write(folder.join(".env"), "")?;
    own.chain([name]).try_for_each(|environment| std::fs::write(folder.join(format!(".env.{environment}")), ""))
}

/// Two names whose journals lie in one partition, then others.
fn chain_names() -> Vec<String> {
    let partition = |name: &str| topics::JOURNAL.partition_of(name.as_bytes());
    let first = partition("chain-0");
    let mut names = vec!["chain-0".to_owned(), guests::neighbour_of("chain-0", "chain", partition)];
    let other = (1_u32..10_000).map(|n| format!("other-{n}")).find(|name| partition(name) != first);
    names.extend(other);
    names
}

/// Users of the last chain trade once or twice, so that no later message about them hides one that was lost. Those of the others
/// trade again and again, so that reverts reach below newer trades.
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
        tokio::time::sleep(BLOCK_TIME).await;
    }
}
