//! At the head a look asks for what may have changed, and for nothing else.
#![expect(clippy::unwrap_used, reason = "tests")]

use nodes::replay::{Fault, Faults, Node, blocks_dir};
use std::time::{Duration, Instant};
use system::ingest::Ingest;
use tape_log::{Log, Target};

const FIRST: u64 = 14_000_000;
const LAST: u64 = 14_000_004;

/// What a node was asked so far.
#[derive(Clone, Copy, Debug)]
struct Asked {
    requests: u64,
    calls: u64,
    chain_ids: u64,
}

impl Asked {
    fn now(node: &Node) -> Self {
        // A call is counted after its request.
        let (calls, chain_ids) = (node.calls(), node.calls_of("eth_chainId"));
        Self { requests: node.requests(), calls, chain_ids }
    }

    fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            calls: self.calls - before.calls,
            chain_ids: self.chain_ids - before.chain_ids,
        }
    }
}

/// How often the network may have been asked for only because a minute had passed: on a busy machine the test takes some.
fn once_a_minute_since(begun: Instant) -> u64 {
    begun.elapsed().as_secs() / 60
}

/// Waits until a node was asked so many times more.
async fn until_asked(node: &Node, times: u64) {
    let goal = node.requests() + times;
    let there = async {
        while node.requests() < goal {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), there).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_head_asks_for_two_blocks() {
    let node = Node::load(&blocks_dir()).unwrap();
    node.set_head(FIRST);
    let (address, _server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let chain = format!(
        "id = \"eth\"\nplugin = \"evm\"\nendpoints = [\"http://{address}\"]\nsockets = []\nstart = {FIRST}\npoll_ms = 20\n"
    );
    let begun = Instant::now();
    let ingest = Ingest::start(&log, &chain).unwrap();
    ingest.until(FIRST).await.unwrap();
    let before = Asked::now(&node);
    let asked_again = once_a_minute_since(begun);
    assert!(
        (2..=2 + asked_again).contains(&before.chain_ids),
        "for the network's name, and for the chain's tables: {before:?}"
    );
    until_asked(&node, 20).await;
    let idle = Asked::now(&node).since(before);
    let asked_again = once_a_minute_since(begun);
    assert!(idle.chain_ids <= asked_again && idle.calls <= 2 * (idle.requests + asked_again), "{idle:?}");
    let before = Asked::now(&node);
    for head in FIRST + 1..=LAST {
        node.set_head(head);
        ingest.until(head).await.unwrap();
    }
    let following = Asked::now(&node).since(before);
    println!("{following:?} for {} blocks", LAST - FIRST);
    assert!(following.chain_ids <= once_a_minute_since(begun), "{following:?}");
    // It was away: nobody knows what stands behind the address now.
    let before = Asked::now(&node);
    node.faults(Faults::each(Fault::Status(503)));
    until_asked(&node, 5).await;
    node.faults(Faults::none());
    until_asked(&node, 20).await;
    let back = Asked::now(&node).since(before);
    assert!((1..=5 + once_a_minute_since(begun)).contains(&back.chain_ids), "{back:?}");
    ingest.stop().await.unwrap();
}
