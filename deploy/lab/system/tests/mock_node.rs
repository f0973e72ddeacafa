//! A scripted chain is followed through reorgs, lies, restarts and takeovers; what is asked of its owner is done; each time the
//! tape says exactly what the chain's own truth says.
#![expect(clippy::unwrap_used, reason = "tests")]

use chain_ingestor::requests::{RequestKind, request_record};
use environment::{Problems, Shutdown};
use mock_plugin::node::MockBlock;
use nodes::mock::{ALL_FAULTS, Faults, Node, Script, Server};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;
use system::line::plugins_dir;
use tape::Status;
use tape_log::{Log, Target, Topic, topics};
use wire::v1::progress::{ChainProgressed, State};

const PROGRESS_TIMEOUT: Duration = Duration::from_mins(2);

/// A chain served at two addresses.
struct Chain {
    node: Node,
    addresses: Vec<SocketAddr>,
    servers: Vec<Server>,
}

impl Chain {
    async fn start(script: Script, faults: [Faults; 2]) -> Self {
        let node = Node::new(script);
        let (mut addresses, mut servers) = (vec![], vec![]);
        for faults in faults {
            let (address, server) = node.serve("127.0.0.1:0".parse().unwrap(), faults).await.unwrap();
            addresses.push(address);
            servers.push(server);
        }
        Self { node, addresses, servers }
    }

    async fn honest() -> Self {
        Self::start(Script::default(), [Faults::none(), Faults::none()]).await
    }
}

/// An ingestor of its own.
struct Ingestor {
    log: Log,
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
    _chains: tempfile::TempDir,
}

impl Ingestor {
    fn start(log: &Log, chain: &Chain, start: &str) -> Self {
        let chains = tempfile::tempdir().unwrap();
        let endpoints: Vec<String> = chain.addresses.iter().map(|address| format!("\"http://{address}\"")).collect();
        let file = format!(
            "id = \"m\"\nplugin = \"mock\"\nendpoints = [{}]\nstart = {start}\npoll_ms = 10\n[settings]\nnode = true\n",
            endpoints.join(", ")
        );
        std::fs::write(chains.path().join("m.toml"), file).unwrap();
        let strings: HashMap<String, String> = [
            ("PLUGINS_DIR".to_owned(), plugins_dir().unwrap().display().to_string()),
            ("CHAINS_DIR".to_owned(), chains.path().display().to_string()),
        ]
        .into();
        let mut problems = Problems::default();
        let settings = chain_ingestor::Settings::read(&strings, &mut problems);
        problems.finish().unwrap();
        let (shutdown, running_log) = (Shutdown::default(), log.clone());
        let stop = shutdown.clone();
        let running = tokio::spawn(async move { chain_ingestor::run(settings, &strings, running_log, stop).await });
        Self { log: log.clone(), shutdown, running, _chains: chains }
    }

    async fn until(&self, what: &str, is_so: impl Fn(&ChainProgressed) -> bool) -> ChainProgressed {
        let there = async {
            loop {
                assert!(!self.running.is_finished(), "the ingestor stays up");
                if let Some(progress) = progress(&self.log).await.filter(&is_so) {
                    return progress;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PROGRESS_TIMEOUT, there).await;
        waited.unwrap_or_else(|_| panic!("within two minutes: {what}"))
    }

    /// Waits until the chain is published to its head.
    async fn caught_up(&self, node: &Node) -> ChainProgressed {
        let head = node.truth().pop().unwrap().id;
        let at_head =
            |progress: &ChainProgressed| progress.published.as_ref().is_some_and(|block| block.hash == head.hash);
        self.until("the chain's head is on the tape", at_head).await
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.running.await.unwrap().unwrap();
    }
}

async fn progress(log: &Log) -> Option<ChainProgressed> {
    let newest = log.read_all(&topics::PROGRESS.partition(0)).await.unwrap().pop()?;
    Some(wire::v1::progress::decode(&newest.value.unwrap()).unwrap())
}

/// What is live on one log; coming and going must alternate per trade.
async fn live_on(log: &Log, topic: Topic) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    for partition in topic.partitions() {
        for record in log.read_all(&partition).await.unwrap() {
            let event = wire::v1::trade::decode(&record.value.unwrap()).unwrap();
            let id = event.trade.id();
            let alternates = if event.status == Status::Reverted { live.remove(&id) } else { live.insert(id.clone()) };
            assert!(alternates, "{:?} of {id} twice in a row", event.status);
        }
    }
    live
}

fn ids<'a>(blocks: impl IntoIterator<Item = &'a MockBlock>) -> BTreeSet<String> {
    let id = |block: &'a MockBlock| block.trades.iter().map(|swap| format!("m/{}/{}/0", block.id.hash, swap.hash));
    blocks.into_iter().flat_map(id).collect()
}

async fn assert_truth(log: &Log, node: &Node) {
    assert_eq!(live_on(log, topics::TRADES).await, ids(&node.truth()));
}

async fn memory() -> Log {
    environment::install_crypto();
    Log::open(&Target::Memory).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reorgs_of_every_depth_and_back_to_the_first_branch() {
    let (log, chain) = (memory().await, Chain::honest().await);
    let node = &chain.node;
    node.grow(70);
    let ingestor = Ingestor::start(&log, &chain, "0");
    ingestor.caught_up(node).await;
    for depth in [1, 2, 3, 5, 8, 13, 32, 64] {
        assert_eq!(node.fork(depth, depth + 1), depth);
        ingestor.caught_up(node).await;
        assert!(node.return_to_left() > 0, "depth {depth}");
        ingestor.caught_up(node).await;
        node.grow(1);
    }
    ingestor.caught_up(node).await;
    assert_truth(&log, node).await;
    ingestor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_lie_and_branches_left_while_nobody_looks() {
    let log = memory().await;
    let faults = [Faults::seeded(3, 6, &ALL_FAULTS), Faults::seeded(4, 6, &ALL_FAULTS)];
    let chain = Chain::start(Script { reorg_one_in: 5, ..Script::default() }, faults.clone()).await;
    let node = &chain.node;
    node.grow(20);
    for round in 0..5 {
        let ingestor = Ingestor::start(&log, &chain, "0");
        for _ in 0..30 {
            node.tick();
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        ingestor.until("something is on the tape", |progress| progress.published.is_some()).await;
        ingestor.stop().await;
        node.fork(2 + round * 3, 3 + round * 3);
    }
    for faults in &faults {
        faults.set(0);
    }
    let ingestor = Ingestor::start(&log, &chain, "0");
    ingestor.caught_up(node).await;
    assert_truth(&log, node).await;
    ingestor.stop().await;
}

/// A second instance takes the partition; the first lets go, whatever it was doing.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_moves_from_one_instance_to_the_next() {
    let (log, chain) = (memory().await, Chain::honest().await);
    let node = &chain.node;
    node.grow(10);
    let mut instances = vec![Ingestor::start(&log, &chain, "0")];
    for _ in 0..4 {
        instances.push(Ingestor::start(&log, &chain, "0"));
        for _ in 0..10 {
            node.fork(2, 3);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        instances.last().unwrap().caught_up(node).await;
    }
    assert_truth(&log, node).await;
    for instance in instances {
        instance.stop().await;
    }
}

/// A node that is down shows within seconds, also before the chain has a cursor, and is gone when the node is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_down_is_published_with_reason_and_name() {
    let (log, mut chain) = (memory().await, Chain::honest().await);
    chain.node.grow(10);
    drop(std::mem::take(&mut chain.servers));
    let ingestor = Ingestor::start(&log, &chain, "0");
    let is_down = |progress: &ChainProgressed| {
        let reason = progress.reason.as_deref().unwrap_or_default();
        progress.waiting && reason.contains("endpoint 0") && progress.endpoint.is_some()
    };
    let begun = std::time::Instant::now();
    let down = ingestor.until("it waits before it has a cursor", is_down).await;
    assert!(down.step == 0 && down.since > 0 && down.endpoint.unwrap().contains("127.0.0.1:"));
    let serve = async |chain: &mut Chain| {
        for address in chain.addresses.clone() {
            let (_, server) = chain.node.serve(address, Faults::none()).await.unwrap();
            chain.servers.push(server);
        }
    };
    serve(&mut chain).await;
    assert!(!ingestor.caught_up(&chain.node).await.waiting);
    drop(std::mem::take(&mut chain.servers));
    let again = std::time::Instant::now();
    ingestor.until("it waits", is_down).await;
    assert!(again.elapsed() < Duration::from_secs(20) && begun.elapsed() < PROGRESS_TIMEOUT, "{:?}", again.elapsed());
    serve(&mut chain).await;
    ingestor.until("it goes on", |progress| !progress.waiting).await;
    ingestor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_below_finality_parks_the_chain_and_a_rewind_brings_it_back() {
    let (log, chain) = (memory().await, Chain::honest().await);
    let node = &chain.node;
    node.grow(100);
    let ingestor = Ingestor::start(&log, &chain, "0");
    ingestor.caught_up(node).await;
    node.grow(30);
    ingestor.caught_up(node).await;
    node.break_finality(90);
    let parked = ingestor.until("the chain is parked", |progress| progress.state == State::Parked).await;
    let why = parked.reason.unwrap();
    let cure = why.split("chain-ingestor rewind --chain m --to ").nth(1).and_then(|rest| rest.split(' ').next());
    assert!(cure.is_some_and(|height| height.parse::<u64>().is_ok_and(|height| height < 90)), "{why}");
    log.publish(vec![request_record("m", "1", RequestKind::Rewind { to: 39 })]).await.unwrap();
    ingestor.caught_up(node).await;
    node.grow(3);
    ingestor.caught_up(node).await;
    assert_truth(&log, node).await;
    ingestor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_filled_in_while_live_goes_on() {
    let (log, chain) = (memory().await, Chain::honest().await);
    let node = &chain.node;
    node.grow(200);
    let ingestor = Ingestor::start(&log, &chain, "150");
    ingestor.caught_up(node).await;
    log.publish(vec![request_record("m", "1", RequestKind::Backfill { from: 20, to: 140 })]).await.unwrap();
    for _ in 0..20 {
        node.fork(3, 4);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Asked again, and more than before: what is there is left alone.
    log.publish(vec![request_record("m", "2", RequestKind::Backfill { from: 0, to: 149 })]).await.unwrap();
    node.grow(30);
    let whole = |progress: &ChainProgressed| progress.covered.len() == 1 && progress.covered[0].from == 0;
    let progress = ingestor.until("one range covers all", whole).await;
    ingestor.caught_up(node).await;
    let (past, since): (Vec<MockBlock>, Vec<MockBlock>) =
        node.truth().into_iter().partition(|block| block.id.height < 150);
    assert_eq!(live_on(&log, topics::HISTORY).await, ids(&past));
    assert_eq!(live_on(&log, topics::TRADES).await, ids(&since));
    let counted: u64 = progress.history.iter().map(|partition| partition.count).sum();
    assert_eq!(counted, ids(&past).len() as u64, "progress counts what is there");
    ingestor.stop().await;
}
