//! A node that misbehaves costs time and nothing else: the tape ends as it would with a well-behaved one.
#![expect(clippy::unwrap_used, reason = "tests")]

use nodes::replay::{Fault, Faults, Node, Recording, blocks_dir};
use std::collections::{BTreeMap, BTreeSet};
use system::dense;
use system::ingest::Ingest;
use tape::Status;
use tape_log::{Log, Target, topics};

const LAST: u64 = 14_000_004;

fn ingest(log: &Log, endpoints: &str) -> Ingest {
    ingest_from(14_000_000, log, endpoints)
}

fn ingest_from(start: u64, log: &Log, endpoints: &str) -> Ingest {
    let file = format!(
        "id = \"eth\"\nplugin = \"evm\"\nendpoints = {endpoints}\nsockets = []\nstart = {start}\npoll_ms = 20\n\
         [limits]\nanswer_ms = 3000\nanswer_bytes = 33554432\n"
    );
    Ingest::start(log, &file).unwrap()
}

/// Every live trade with its JSON but for the event's own number; nothing may come twice.
async fn tape_of(log: &Log) -> BTreeMap<String, String> {
    let mut live = BTreeMap::new();
    for partition in topics::TRADES.partitions() {
        for record in log.read_all(&partition).await.unwrap() {
            let event = wire::v1::trade::decode(&record.value.unwrap()).unwrap();
            let id = event.trade.id();
            match event.status {
                Status::Reverted => assert!(live.remove(&id).is_some(), "reverted without being there: {id}"),
                Status::Observed | Status::Finalized => {
                    let amounts = format!("{:?} {:?} {:?}", event.trade.sold, event.trade.bought, event.trade.legs);
                    assert!(live.insert(id.clone(), amounts).is_none(), "published twice: {id}");
                }
            }
        }
    }
    live
}

async fn clean() -> BTreeMap<String, String> {
    let node = Node::load(&blocks_dir()).unwrap();
    let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let ingest = ingest(&log, &format!("[\"http://{address}\"]"));
    ingest.until(LAST).await.unwrap();
    let tape = tape_of(&ingest.log).await;
    ingest.stop().await.unwrap();
    assert!(tape.len() > 50, "the recorded blocks hold trades: {}", tape.len());
    tape
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_node_does_loses_or_doubles_a_trade() {
    let expected = clean().await;
    let scripts = [
        ("429 with Retry-After", Faults::list((0..3).map(|_| Some(Fault::RetryAfter(0))))),
        ("500", Faults::list((0..6).map(|_| Some(Fault::Status(500))))),
        ("a body cut off", Faults::list((0..4).map(|_| Some(Fault::CutOff)))),
        ("half of the JSON", Faults::list((0..4).map(|_| Some(Fault::HalfJson)))),
        ("no JSON", Faults::list((0..4).map(|_| Some(Fault::NotJson)))),
        ("a JSON-RPC error", Faults::list((0..4).map(|_| Some(Fault::RpcError(-32000, "later".into()))))),
        ("a body of 200 MB", Faults::list([None, Some(Fault::Huge(200_000_000))])),
        ("a head that goes backwards", Faults::seeded(3, 3, vec![Fault::StaleHead(2)])),
        ("logs left out", Faults::seeded(5, 4, vec![Fault::MissingLog])),
        (
            "everything at once",
            Faults::seeded(11, 4, vec![Fault::Status(502), Fault::CutOff, Fault::NotJson, Fault::MissingLog]),
        ),
    ];
    for (name, faults) in scripts {
        let node = Node::load(&blocks_dir()).unwrap();
        let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        node.faults(faults);
        let log = Log::open(&Target::Memory).await.unwrap();
        let ingest = ingest(&log, &format!("[\"http://{address}\"]"));
        ingest.until(LAST).await.unwrap();
        assert_eq!(tape_of(&ingest.log).await, expected, "{name}");
        ingest.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_down_is_waited_for_or_passed_over() {
    let expected = clean().await;
    let node = Node::load(&blocks_dir()).unwrap();
    let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    // Nothing listens on the discard port.
    let ingest = ingest(&log, &format!("[\"http://127.0.0.1:9\", \"http://{address}\"]"));
    ingest.until(LAST).await.unwrap();
    assert_eq!(tape_of(&ingest.log).await, expected);
    ingest.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_the_tape_ends() {
    let expected = clean().await;
    let node = Node::load(&blocks_dir()).unwrap();
    let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    for head in 14_000_000..=LAST {
        node.set_head(head);
        let ingest = ingest(&log, &format!("[\"http://{address}\"]"));
        ingest.until(head).await.unwrap();
        ingest.stop().await.unwrap();
    }
    assert_eq!(tape_of(&log).await, expected);
}

/// Blocks of the invented chain.
const BLOCKS: u64 = 10_000;
/// Blocks by which its head grows.
const GROWTH: u64 = 100;

/// Chains of the same heights and other blocks.
fn invented<const N: usize>(last: u64, branches: [&'static str; N]) -> [dense::DenseChain; N] {
    let made = branches.map(|branch| {
        let shape = dense::DenseShape { branch, first: 1, last, swaps: 2 };
        std::thread::spawn(move || dense::DenseChain::new(shape))
    });
    made.map(|chain| chain.join().unwrap())
}

/// The trades of an invented chain.
fn trades_of(chain: &dense::DenseChain) -> BTreeSet<String> {
    let of_block = |(block, _): (&str, &str)| {
        let block: serde_json::Value = serde_json::from_str(block).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let id =
            |transaction: &serde_json::Value| format!("eth/{}/{}", text(&block["hash"]), text(&transaction["hash"]));
        block["transactions"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    chain.blocks().flat_map(of_block).collect()
}

/// The transactions of the trades on the tape; nothing may ever have been taken back, or come twice.
async fn never_taken_back(log: &Log) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for partition in topics::TRADES.partitions() {
        for record in log.read_all(&partition).await.unwrap() {
            let event = wire::v1::trade::decode(&record.value.unwrap()).unwrap();
            assert_ne!(event.status, Status::Reverted, "a false reorg: {}", event.trade.id());
            let id = event.trade.id();
            let (transaction, _) = id.rsplit_once('/').unwrap();
            assert!(seen.insert(transaction.to_owned()), "published twice: {id}");
        }
    }
    seen
}

/// One node, which leaves out one log in a hundred, and now and then shows a stale head, another branch or another network.
#[tokio::test(flavor = "multi_thread")]
async fn over_ten_thousand_blocks_every_lie_is_found_and_healed() {
    let [chain, fork, foreign] = invented(BLOCKS, ["main", "fork", "foreign"]);
    let (fork, foreign) = (dense::node(1, &fork).unwrap(), dense::node(10, &foreign).unwrap());
    let node = dense::node(1, &chain).unwrap();
    for node in [&node, &fork, &foreign] {
        node.set_finality(64);
    }
    let mut kinds = vec![Fault::Thinned(100); 50];
    kinds.extend([Fault::StaleHead(7), Fault::Node(fork), Fault::Node(foreign)]);
    node.faults(Faults::seeded(17, 1, kinds));
    node.set_head(GROWTH);
    let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let ingest = ingest_from(1, &log, &format!("[\"http://{address}\"]"));
    for head in (GROWTH..=BLOCKS).step_by(usize::try_from(GROWTH).unwrap()) {
        node.set_head(head);
        ingest.until(head).await.unwrap();
    }
    ingest.stop().await.unwrap();
    assert!(never_taken_back(&log).await == trades_of(&chain), "the tape holds other trades than the chain");
    println!("{} lies in {} answers", node.lies(), node.requests());
    assert!(node.lies() > 500, "{} lies", node.lies());
}

/// It leaves the branch at its root, below what is final, and for good; the other one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_on_a_branch_of_its_own_is_passed_over() {
    let [chain, fork] = invented(400, ["main", "fork"]);
    let [sick, well] = [(); 2].map(|()| dense::node(1, &chain).unwrap());
    let fork = dense::node(1, &fork).unwrap();
    for node in [&sick, &well, &fork] {
        node.set_finality(64);
        node.set_head(200);
    }
    let (one, _one) = sick.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (other, _other) = well.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let ingest = ingest_from(1, &log, &format!("[\"http://{one}\", \"http://{other}\"]"));
    ingest.until(200).await.unwrap();
    sick.faults(Faults::each(Fault::Node(fork)));
    for head in [300, 400] {
        sick.set_head(head);
        well.set_head(head);
        ingest.until(head).await.unwrap();
    }
    ingest.stop().await.unwrap();
    assert!(never_taken_back(&log).await == trades_of(&chain), "the tape holds other trades than the chain");
}

/// Half of all requests are too many while spans are scanned ahead; and a log is left out of receipts now and then, in JSON and
/// in their consensus encoding.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_429_while_catching_up_costs_only_time() {
    let [chain] = invented(300, ["main"]);
    for has_raw_receipts in [false, true] {
        let node = dense::node(1, &chain).unwrap();
        node.set_finality(64);
        node.serve_raw_receipts(has_raw_receipts);
        let kinds = vec![Fault::Status(429), Fault::RetryAfter(0), Fault::Thinned(100), Fault::Delay(RTT)];
        node.faults(Faults::seeded(29, 1, kinds));
        let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let log = Log::open(&Target::Memory).await.unwrap();
        let ingest = ingest_from(1, &log, &format!("[\"http://{address}\"]"));
        ingest.until(300).await.unwrap();
        ingest.stop().await.unwrap();
        assert!(never_taken_back(&log).await == trades_of(&chain), "the tape holds other trades than the chain");
        assert!(node.calls_of("debug_getRawReceipts") > 0, "it is asked once at least");
    }
}

/// A few milliseconds, so that spans are scanned ahead.
const RTT: std::time::Duration = std::time::Duration::from_millis(20);

/// Blocks that are not final are replaced while the final ones below them are scanned ahead.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_above_what_is_scanned_ahead_is_followed() {
    let [chain] = invented(400, ["main"]);
    let hash = |chain: &dense::DenseChain, at: usize| {
        let block: serde_json::Value = serde_json::from_str(chain.blocks().nth(at).unwrap().0).unwrap();
        block["hash"].as_str().unwrap().to_owned()
    };
    let shape = dense::DenseShape { branch: "fork", first: 351, last: 400, swaps: 2 };
    let fork = dense::DenseChain::on(shape, hash(&chain, 349));
    let node = dense::node(1, &chain).unwrap();
    node.set_finality(64);
    node.faults(Faults::each(Fault::Delay(5 * RTT)));
    let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let ingest = ingest_from(1, &log, &format!("[\"http://{address}\"]"));
    until(|| node.calls_of("eth_getBlockReceipts") > 32).await;
    for (block, receipts) in fork.blocks() {
        node.add(Recording::from_answers(1, block, receipts).unwrap());
    }
    ingest.until(400).await.unwrap();
    ingest.stop().await.unwrap();
    let mut expected = trades_of(&chain);
    for (block, _) in chain.blocks().skip(350) {
        let block: serde_json::Value = serde_json::from_str(block).unwrap();
        let prefix = format!("eth/{}/", block["hash"].as_str().unwrap());
        expected.retain(|id| !id.starts_with(&prefix));
    }
    expected.extend(trades_of(&fork));
    let live = tape_of(&log).await;
    let live: BTreeSet<String> = live.keys().map(|id| id.rsplit_once('/').unwrap().0.to_owned()).collect();
    assert!(live == expected, "the tape holds other trades than the chain");
}

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let there = async {
        while !is_so() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), there).await.unwrap();
}

/// Behind the same address stands a node of another network from one look to the next: nothing is taken back for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_changes_its_network_is_found_out_before_anything_is_taken_back() {
    let [chain, foreign] = invented(400, ["main", "foreign"]);
    let (node, foreign) = (dense::node(1, &chain).unwrap(), dense::node(10, &foreign).unwrap());
    for node in [&node, &foreign] {
        node.set_finality(64);
        node.set_head(200);
    }
    let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let ingest = ingest_from(1, &log, &format!("[\"http://{address}\"]"));
    ingest.until(200).await.unwrap();
    node.faults(Faults::each(Fault::Node(foreign.clone())));
    node.set_head(300);
    let before = foreign.calls_of("eth_chainId");
    until(|| foreign.calls_of("eth_chainId") > before + 2).await;
    node.faults(Faults::none());
    ingest.until(300).await.unwrap();
    node.set_head(400);
    ingest.until(400).await.unwrap();
    ingest.stop().await.unwrap();
    assert!(never_taken_back(&log).await == trades_of(&chain), "the tape holds other trades than the chain");
}
