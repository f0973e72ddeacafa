//! A recorded Solana block and scripted slots through the real plugin and the real ingestor: every trade is on the tape,
//! skipped slots cost nothing, forks leave no trace, and what cannot be had yet is waited for.
#![expect(clippy::unwrap_used, reason = "tests")]

use nodes::solana::{Node, Recording, SLOT, Server};
use std::collections::BTreeMap;
use std::time::Duration;
use system::ingest::Ingest;
use tape::Status;
use tape_log::{Log, Target, topics};

/// An ingestor that follows a node.
struct Following {
    ingest: Ingest,
    _server: Server,
}

async fn ingest(node: &Node, start: u64) -> Following {
    let (address, server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let file = format!(
        "id = \"sol\"\nplugin = \"solana\"\nendpoints = [\"http://{address}\"]\nsockets = []\nstart = {start}\n\
         poll_ms = 20\n"
    );
    Following { ingest: Ingest::start(&log, &file).unwrap(), _server: server }
}

impl Following {
    /// Waits until a slot is published.
    async fn until(&self, slot: u64) {
        self.ingest.until(slot).await.unwrap();
    }

    async fn published(&self) -> u64 {
        self.ingest.published().await.unwrap()
    }

    /// Every live trade by id, with what it amounts to; nothing may come twice.
    async fn tape(&self) -> BTreeMap<String, String> {
        let mut live = BTreeMap::new();
        for partition in topics::TRADES.partitions() {
            for record in self.ingest.log.read_all(&partition).await.unwrap() {
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

    async fn stop(self) {
        self.ingest.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_block_becomes_trades() {
    let recording = Recording::load().unwrap();
    let ingest = ingest(&Node::from_recording(&recording), SLOT).await;
    ingest.until(SLOT).await;
    let tape = ingest.tape().await;
    assert!(tape.len() > 80, "the recorded block holds trades: {}", tape.len());
    let of_block = |id: &&String| id.contains("HPGE1rkrYqcRpASsdqA2zzetCGa8DD6mCTDus3tei2fN");
    assert_eq!(tape.keys().filter(of_block).count(), tape.len());
    ingest.stop().await;
}

/// Transactions of the recording by the script's slots: a few for each.
fn few(recording: &Recording, slot: u64) -> &[String] {
    let first = usize::try_from(slot - 100).unwrap() * 40;
    &recording.transactions[first..first + 40]
}

/// Slots 100 to 111 with 103, 105 and 106 skipped; the cluster settles on branch B, where 108 and 110 are skipped too.
fn settled(recording: &Recording) -> Node {
    let node = Node::empty();
    for slot in [100, 101, 102, 104] {
        node.put_block(slot, "A", few(recording, slot));
    }
    for slot in [107, 109, 111] {
        node.put_block(slot, "B", few(recording, slot));
    }
    node.set_finality(32);
    node.set_head(111);
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_leaves_no_trace_and_skipped_slots_cost_nothing() {
    let recording = Recording::load().unwrap();
    let calm = ingest(&settled(&recording), 100).await;
    calm.until(111).await;
    let expected = calm.tape().await;
    assert!(expected.len() > 30, "the script holds trades: {}", expected.len());
    calm.stop().await;

    let node = Node::empty();
    for slot in [100, 101, 102, 104] {
        node.put_block(slot, "A", few(&recording, slot));
    }
    node.set_finality(32);
    node.set_head(104);
    let forked = ingest(&node, 100).await;
    forked.until(104).await;
    // Branch A goes on over skipped slots, is seen, and dies.
    for slot in [107, 108] {
        node.put_block(slot, "A", few(&recording, slot));
    }
    node.set_head(108);
    forked.until(108).await;
    let lost = forked.tape().await;
    node.leave(107);
    for slot in [107, 109, 111] {
        node.put_block(slot, "B", few(&recording, slot));
    }
    node.set_head(111);
    forked.until(111).await;
    assert_ne!(lost.keys().filter(|id| !expected.contains_key(*id)).count(), 0, "branch A had trades of its own");
    assert_eq!(forked.tape().await, expected);
    forked.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_yet_is_waited_for() {
    let recording = Recording::load().unwrap();
    let node = settled(&recording);
    node.set_late(102, true);
    let late = ingest(&node, 100).await;
    late.until(101).await;
    let asked = node.requests();
    while node.requests() < asked + 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(late.published().await, 101, "slot 102 is listed and not there");
    node.set_late(102, false);
    late.until(111).await;
    let calm = ingest(&settled(&recording), 100).await;
    calm.until(111).await;
    assert_eq!(late.tape().await, calm.tape().await);
    calm.stop().await;
    late.stop().await;
}
