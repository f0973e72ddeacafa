//! One suite for the tape port on every log: claims fence, steps are atomic, the journal matches what was appended.
#![expect(clippy::unwrap_used, reason = "tests")]

use chain_ingestor::ChainCommand;
use chain_ingestor::chainfile::ChainFile;
use chain_ingestor::in_force::{Entry, InForce};
use chain_ingestor::requests::{Requests, request_record};
use chain_ingestor::tape::{Hold, LogLease, LogTape};
use guests::neighbour_of;
use ingest_domain::{
    AppendOutcome, Block, ChainState, Cursor, DroppedCounts, Journal, Lease, Progress, Range, Request, RequestKind,
    Step, Tape,
};
use std::sync::Arc;
use tape::{BlockId, BlockRef, Detector, Partition, Raw, Side, Status, Trade, Trader, Transaction};
use tape_log::settings::KafkaSettings;
use tape_log::{Log, Membership, Target, topics};
use wire::v1::progress::{ChainProgressed, State};

/// Where the journal of a chain lies.
fn partition_of(chain: &str) -> Partition {
    topics::JOURNAL.partition_of(chain.as_bytes())
}

fn chain_file(id: &str) -> ChainFile {
    ChainFile {
        id: id.to_owned(),
        plugin: "test".to_owned(),
        display: [("name".to_owned(), "Test".to_owned())].into(),
        providers: [("moralis".to_owned(), "test".to_owned())].into(),
        ..ChainFile::default()
    }
}

fn detector() -> Detector {
    Detector { plugin: "test".into(), version: "1.0.0".into(), digest: "sha256:00".into() }
}

fn id(height: u64) -> BlockId {
    BlockId { height, hash: format!("0xb{height}").into() }
}

fn trade(chain: &str, height: u64, index: u32) -> Trade {
    let side =
        |asset: &str| Side { asset: asset.into(), raw: Raw::from(7), decimals: None, symbol: None, quote: false };
    Trade {
        kind: Trade::SWAP.into(),
        chain: chain.into(),
        network: "n".into(),
        block: BlockRef { id: id(height), timestamp_ms: height },
        transaction: Transaction { hash: format!("0xt{height}.{index}").into(), index, from: "f".into(), to: None },
        ordinal: 0,
        trader: Trader { address: format!("trader {index}"), evidence: "tx-sender".into() },
        sold: side("a"),
        bought: side("b"),
        legs: vec![],
        fees: vec![],
        platform: None,
        attributes: std::collections::BTreeMap::new(),
        valuation: None,
        detector: Arc::new(detector()),
    }
}

fn block(chain: &str, height: u64) -> Block {
    Block {
        id: id(height),
        parent: Some(id(height - 1)),
        timestamp_ms: height,
        trades: (0..3).map(|index| trade(chain, height, index)).collect(),
        unbacked: 0,
        dropped: DroppedCounts::default(),
        proof: "test".into(),
    }
}

fn in_force(chain: &str) -> InForce {
    InForce::new(Entry::parked(Arc::new(chain_file(chain)), detector(), "no plugin runs in this test"))
}

fn progress(state: ChainState, latest: Option<BlockId>) -> Progress {
    Progress { state, latest, proof: "test".into(), since_ms: 7, endpoint: Some("node.test:1".into()) }
}

/// The step that appends blocks after `before` steps.
fn pushing(chain: &str, before: u64, heights: &[u64]) -> Step {
    let blocks: Vec<Block> = heights.iter().map(|height| block(chain, *height)).collect();
    let last = *heights.last().unwrap();
    let cursor = Cursor {
        step: before + 1,
        network: "n".into(),
        head: Some(id(last)),
        through: last,
        origin: 5,
        since: 5,
        digest: detector().digest.into(),
        finalized: None,
        unbacked: 0,
        dropped: DroppedCounts::default(),
    };
    let progress = progress(ChainState::Live, Some(id(last)));
    Step {
        changes: blocks.iter().flat_map(|b| b.trades.iter().map(|t| (Status::Observed, t.clone()))).collect(),
        pushed: blocks,
        ..Step::without_changes(cursor, progress)
    }
}

async fn hold(log: &Log, chains: &[&str]) -> Arc<Hold> {
    let partition = topics::JOURNAL.partition_of(chains[0].as_bytes());
    let chains: Vec<String> = chains.iter().map(|chain| (*chain).to_owned()).collect();
    Arc::new(Hold::take(log, &Membership::alone(), &partition, &chains, &Requests::default()).await.unwrap())
}

async fn claim(log: &Log, chain: &str) -> (LogLease, Journal) {
    claim_from(&hold(log, &[chain]).await, chain).await
}

async fn claim_from(hold: &Arc<Hold>, chain: &str) -> (LogLease, Journal) {
    LogTape::new(Arc::clone(hold), in_force(chain)).claim(chain).await.unwrap()
}

/// Every event of a chain on the tape, as `status trade-id`, by trader.
async fn events(log: &Log, chain: &str) -> Vec<String> {
    let mut events = vec![];
    let mut ends = log.ends(&topics::TRADES).await.unwrap();
    ends.extend(log.ends(&topics::HISTORY).await.unwrap());
    for (partition, _) in ends.into_iter().filter(|(_, end)| *end > 0) {
        for record in log.read_all(&partition).await.unwrap() {
            let event = wire::v1::trade::decode(&record.value.unwrap()).unwrap();
            assert_eq!(record.key, event.trade.key().into_bytes());
            if *event.trade.chain == *chain {
                events.push(format!("{:?} {} {}", event.status, event.trade.trader.address, event.trade.id()));
            }
        }
    }
    events.sort();
    events
}

async fn a_chain_that_was_never_claimed_has_an_empty_journal(log: &Log) {
    let (_, journal) = claim(log, "fresh").await;
    assert_eq!(journal, Journal::default());
}

async fn the_journal_is_what_was_appended(log: &Log) {
    let (mut lease, _) = claim(log, "kept").await;
    let step = pushing("kept", 0, &[5, 6, 7]);
    assert!(matches!(lease.append(&step).await, AppendOutcome::Done));
    let remembered = lease.journalled_above(5).await.unwrap();
    let (mut lease, journal) = claim(log, "kept").await;
    assert_eq!(journal, Journal { cursor: Some(step.cursor), blocks: vec![id(5), id(6), id(7)], ..Journal::default() });
    let above = lease.journalled_above(5).await.unwrap();
    assert_eq!(above, [(id(7), block("kept", 7).trades), (id(6), block("kept", 6).trades)], "newest first");
    assert_eq!(remembered, above, "the lease that wrote it returns the same");
    assert_eq!(events(log, "kept").await.len(), 9);
}

async fn a_second_claim_fences_the_first(log: &Log) {
    let (mut first, _) = claim(log, "fenced").await;
    assert!(matches!(first.append(&pushing("fenced", 0, &[1])).await, AppendOutcome::Done));
    let (mut second, _) = claim(log, "fenced").await;
    let late = first.append(&pushing("fenced", 1, &[2])).await;
    assert!(matches!(late, AppendOutcome::Lost), "{late:?}");
    assert!(matches!(second.append(&pushing("fenced", 1, &[2])).await, AppendOutcome::Done));
    assert_eq!(events(log, "fenced").await.len(), 6, "the late step is not there");
}

async fn the_journal_holds_no_reverted_block(log: &Log) {
    let (mut lease, _) = claim(log, "left").await;
    assert!(matches!(lease.append(&pushing("left", 0, &[1, 2, 3])).await, AppendOutcome::Done));
    let mut step = pushing("left", 1, &[4]);
    let undone = [3, 2].map(|height| block("left", height));
    let reverts = undone.iter().flat_map(|b| b.trades.iter().rev().map(|t| (Status::Reverted, t.clone())));
    step.changes.splice(0..0, reverts.collect::<Vec<_>>());
    step.popped = vec![3, 2];
    step.settled = vec![1];
    assert!(matches!(lease.append(&step).await, AppendOutcome::Done));
    let (mut lease, journal) = claim(log, "left").await;
    assert_eq!(journal.blocks, [id(4)]);
    assert_eq!(lease.journalled_above(0).await.unwrap().len(), 1);
    let reverted = events(log, "left").await.iter().filter(|event| event.starts_with("Reverted")).count();
    assert_eq!(reverted, 6);
}

async fn progress_counts_what_each_partition_holds(log: &Log) {
    let (mut lease, _) = claim(log, "counted").await;
    for (before, height) in [(0, 8), (1, 9)] {
        assert!(matches!(lease.append(&pushing("counted", before, &[height])).await, AppendOutcome::Done));
    }
    let records = log.read_all(&topics::PROGRESS.partition(0)).await.unwrap();
    let newest = records.iter().rfind(|record| record.key == b"counted").unwrap();
    let progress = wire::v1::progress::decode(newest.value.as_deref().unwrap()).unwrap();
    assert_eq!((progress.step, progress.lag_blocks), (2, 0));
    assert_eq!(progress.providers["moralis"], "test");
    assert_eq!(progress.partitions.iter().map(|partition| partition.count).sum::<u64>(), 6);
    for partition in progress.partitions {
        let mine = log.read_all(&topics::TRADES.partition(partition.partition)).await.unwrap();
        let mine: Vec<_> = mine.iter().filter(|record| record.key.starts_with(b"counted/")).collect();
        assert_eq!(partition.count, mine.len() as u64);
        assert_eq!(partition.next, mine.last().unwrap().position + 1);
    }
}

/// Two chains whose journals lie in one partition do not affect each other.
async fn two_chains_share_a_partition(log: &Log) {
    let twin = neighbour_of("one", "twin", partition_of);
    let ((mut one, _), (mut two, _)) = (claim(log, "one").await, claim(log, &twin).await);
    assert!(matches!(one.append(&pushing("one", 0, &[1])).await, AppendOutcome::Done));
    assert!(matches!(two.append(&pushing(&twin, 0, &[8, 9])).await, AppendOutcome::Done));
    assert!(matches!(one.append(&pushing("one", 1, &[2])).await, AppendOutcome::Done));
    assert_eq!(claim(log, "one").await.1.blocks, [id(1), id(2)]);
    assert_eq!(claim(log, &twin).await.1.blocks, [id(8), id(9)]);
}

/// What another instance writes after its partition was taken from it is refused, for every chain of the partition.
async fn taking_a_partition_fences_all_its_chains(log: &Log) {
    let twin = neighbour_of("both", "pair", partition_of);
    let before = hold(log, &["both", &twin]).await;
    let ((mut one, _), (mut two, _)) = (claim_from(&before, "both").await, claim_from(&before, &twin).await);
    assert!(matches!(one.append(&pushing("both", 0, &[6])).await, AppendOutcome::Done));
    assert!(matches!(two.append(&pushing(&twin, 0, &[6])).await, AppendOutcome::Done));
    // The one that takes over knows only one of the two by a chain file.
    let after = hold(log, &["both"]).await;
    assert!(after.journalled().contains(&twin), "{:?}", after.journalled());
    assert!(matches!(one.append(&pushing("both", 1, &[7])).await, AppendOutcome::Lost));
    assert!(matches!(two.append(&pushing(&twin, 1, &[7])).await, AppendOutcome::Lost));
    let (mut one, journal) = claim_from(&after, "both").await;
    assert_eq!(journal.blocks, [id(6)]);
    assert!(matches!(one.append(&pushing("both", 1, &[7])).await, AppendOutcome::Done));
}

/// Trades below the origin are on the history topic, and a rewind finds them all, journalled or not.
async fn a_rewind_finds_all_live_trades_on_the_tape(log: &Log) {
    let (mut lease, _) = claim(log, "recalled").await;
    let mut step = pushing("recalled", 0, &[3, 4, 5, 6]);
    step.ranges = vec![(0, Some(Range { from: 3, to: 4, digest: "sha256:01".into() }))];
    step.pushed.clear();
    assert!(matches!(lease.append(&step).await, AppendOutcome::Done));
    let mut step = pushing("recalled", 1, &[7]);
    step.changes.splice(0..0, block("recalled", 6).trades.into_iter().rev().map(|trade| (Status::Reverted, trade)));
    assert!(matches!(lease.append(&step).await, AppendOutcome::Done));
    let on = |topic: tape_log::Topic| {
        let log = log.clone();
        async move {
            let mut heights = std::collections::BTreeSet::new();
            for (partition, _) in log.ends(&topic).await.unwrap().into_iter().filter(|(_, end)| *end > 0) {
                for record in
                    log.read_all(&partition).await.unwrap().into_iter().filter(|r| r.key.starts_with(b"recalled/"))
                {
                    heights.insert(wire::v1::trade::decode(&record.value.unwrap()).unwrap().trade.block.id.height);
                }
            }
            heights.into_iter().collect::<Vec<_>>()
        }
    };
    assert_eq!((on(topics::HISTORY).await, on(topics::TRADES).await), (vec![3, 4], vec![5, 6, 7]));
    let (mut lease, journal) = claim(log, "recalled").await;
    assert_eq!(journal.ranges, [(0, Range { from: 3, to: 4, digest: "sha256:01".into() })]);
    let live = lease.live_above(3).await.unwrap();
    let expected = [7, 5, 4].map(|height| (id(height), block("recalled", height).trades));
    assert_eq!(live, expected, "newest first, without reverted trades");
}

/// A request is read with the journal and removed by the step that fulfils it.
async fn a_request_is_kept_until_it_is_fulfilled(log: &Log) {
    let (mut lease, _) = claim(log, "asked").await;
    assert!(matches!(lease.append(&pushing("asked", 0, &[6])).await, AppendOutcome::Done));
    let kind = RequestKind::Backfill { from: 1, to: 2 };
    log.publish(vec![request_record("asked", "1", kind), request_record("asked", "2", RequestKind::Rewind { to: 1 })])
        .await
        .unwrap();
    let (mut lease, _) = claim(log, "asked").await;
    let requests = lease.requests();
    assert_eq!(requests.iter().map(|request| request.kind).collect::<Vec<_>>(), [kind, RequestKind::Rewind { to: 1 }]);
    let mut step = pushing("asked", 1, &[7]);
    step.fulfilled = vec!["2".to_owned()];
    assert!(matches!(lease.append(&step).await, AppendOutcome::Done));
    let left = [Request { id: "1".to_owned(), kind }];
    assert_eq!(lease.requests(), left);
    assert_eq!(claim(log, "asked").await.0.requests(), left, "the journal says so too");
}

fn stray(chain: &str, key: String, value: &str) -> tape_log::Record {
    let partition = topics::JOURNAL.partition_of(chain.as_bytes());
    tape_log::Record { partition, key: key.into_bytes(), headers: vec![], value: Some(value.as_bytes().to_vec()) }
}

async fn command(log: &Log, command: ChainCommand) -> String {
    command.execute(log, "the-program").await.unwrap()
}

/// The newest progress of a chain.
async fn published(log: &Log, chain: &str) -> ChainProgressed {
    let records = log.read_all(&topics::PROGRESS.partition(0)).await.unwrap();
    let newest = records.into_iter().rfind(|record| record.key == chain.as_bytes()).unwrap();
    wire::v1::progress::decode(&newest.value.unwrap()).unwrap()
}

/// A chain of `before` steps whose journal holds a record that cannot be read, and its neighbour on the same partition.
async fn a_journal_record_that_cannot_be_read_is_a_matter_of_its_chain_alone(log: &Log) {
    let neighbour = neighbour_of("poisoned", "neighbour", partition_of);
    let (mut poisoned, _) = claim(log, "poisoned").await;
    assert!(matches!(poisoned.append(&pushing("poisoned", 0, &[5, 6, 7, 8])).await, AppendOutcome::Done));
    let (mut honest, _) = claim(log, &neighbour).await;
    assert!(matches!(honest.append(&pushing(&neighbour, 0, &[5])).await, AppendOutcome::Done));
    let key = wire::v1::journal::block_key("poisoned", 7, 0);
    log.publish(vec![stray("poisoned", key.clone(), "{\"height\":7,\"hash\":\"0x\",\"trades\":[{}]}")]).await.unwrap();
    // Whoever takes the partition next, by a chain file of either chain or of none.
    for chains in [vec!["poisoned", neighbour.as_str()], vec![neighbour.as_str()], vec!["poisoned"]] {
        let hold = hold(log, &chains).await;
        let (mut honest, journal) = claim_from(&hold, &neighbour).await;
        let step = journal.cursor.unwrap().step;
        assert!(matches!(honest.append(&pushing(&neighbour, step, &[5 + step])).await, AppendOutcome::Done));
        let (mut lease, journal) = claim_from(&hold, "poisoned").await;
        let why = journal.unreadable.unwrap();
        assert!(why.contains(&key), "{why}");
        let parked = progress(ChainState::Parked(why.clone()), None);
        assert!(matches!(lease.announce(None, &parked).await, AppendOutcome::Done));
        let progress = published(log, "poisoned").await;
        assert_eq!((progress.state, progress.reason, progress.step), (State::Parked, Some(why), 1));
        assert_eq!((progress.since, progress.endpoint.as_deref()), (7, Some("node.test:1")));
        assert_eq!(progress.published.unwrap().height, 8, "what was published before stays");
    }
    repair_cuts_below_the_record(log, &key).await;
}

async fn repair_cuts_below_the_record(log: &Log, key: &str) {
    let repair = |confirm| ChainCommand::Repair { chain: "poisoned".into(), skip: None, confirm };
    let shown = command(log, repair(false)).await;
    assert!(shown.contains(key) && shown.contains("above 6 is taken back"), "{shown}");
    assert!(shown.contains("the-program repair --chain poisoned --confirm"), "{shown}");
    assert!(claim(log, "poisoned").await.1.unreadable.is_some(), "nothing was changed");
    command(log, repair(true)).await;
    taken_in(log, "poisoned").await;
    let (mut lease, journal) = claim(log, "poisoned").await;
    assert_eq!((journal.unreadable, journal.blocks), (None, vec![id(5), id(6), id(8)]));
    assert_eq!(lease.requests().iter().map(|it| it.kind).collect::<Vec<_>>(), [RequestKind::Rewind { to: 6 }]);
    let live = lease.live_above(6).await.unwrap();
    assert_eq!(live.iter().map(|(block, _)| block.height).collect::<Vec<_>>(), [8, 7], "the tape itself has them");
}

/// What is requested can be shown, and taken back before it is fulfilled.
async fn a_request_can_be_dropped(log: &Log) {
    let (mut lease, _) = claim(log, "asked-of").await;
    assert!(matches!(lease.append(&pushing("asked-of", 0, &[20])).await, AppendOutcome::Done));
    let requested = |drop: Option<&str>, json| {
        let drop = drop.map(str::to_owned);
        ChainCommand::Requests { chain: "asked-of".into(), drop, json }
    };
    let requests = |drop| requested(drop, false);
    let read = async || {
        let listed = command(log, requested(None, true)).await;
        serde_json::from_str::<Vec<serde_json::Value>>(&listed).unwrap()
    };
    assert!(read().await.is_empty());
    assert_eq!(command(log, requests(None)).await, "nothing is requested of chain `asked-of`");
    command(log, ChainCommand::Backfill { chain: "asked-of".into(), from: 3, to: 9, wait: false }).await;
    taken_in(log, "asked-of").await;
    let shown = command(log, requests(None)).await;
    assert!(
        shown.contains("heights 3 to 9 of asked-of") && shown.contains("the-program requests --chain asked-of --drop")
    );
    let id = shown.split_once(' ').unwrap().0.to_owned();
    let listed = &read().await[0];
    let asked = ["id", "kind", "chain"].map(|field| listed[field].as_str().unwrap());
    assert_eq!((asked, listed["from"].as_u64()), ([id.as_str(), "backfill", "asked-of"], Some(3)));
    let refused = requests(Some("0-0")).execute(log, "the-program").await.unwrap_err().to_string();
    assert!(
        refused.contains("drop request 0-0") && refused.contains("the-program requests --chain asked-of"),
        "{refused}"
    );
    let dropped = command(log, requested(Some(&id), true)).await;
    assert!(dropped.contains(&format!("\"dropped\":\"{id}\"")), "{dropped}");
    until_requested(log, "asked-of", false).await;
    assert_eq!(command(log, requests(None)).await, "nothing is requested of chain `asked-of`");
}

/// A cursor that cannot be read is made again from the progress of the same step.
async fn a_cursor_that_cannot_be_read_is_made_again(log: &Log) {
    let (mut lease, _) = claim(log, "lost-cursor").await;
    let mut step = pushing("lost-cursor", 0, &[3, 4, 5, 6]);
    step.ranges = vec![(0, Some(Range { from: 3, to: 4, digest: "sha256:01".into() }))];
    assert!(matches!(lease.append(&step).await, AppendOutcome::Done));
    let before = claim(log, "lost-cursor").await.1.cursor.unwrap();
    log.publish(vec![stray("lost-cursor", "lost-cursor".to_owned(), "{\"step\":\"one\"}")]).await.unwrap();
    let (_, journal) = claim(log, "lost-cursor").await;
    assert!(journal.unreadable.unwrap().contains("the journal record lost-cursor cannot be read"));
    let chain = || "lost-cursor".to_owned();
    let shown = command(log, ChainCommand::Repair { chain: chain(), skip: None, confirm: true }).await;
    assert!(shown.contains("stands at 6"), "{shown}");
    taken_in(log, "lost-cursor").await;
    let (mut lease, journal) = claim(log, "lost-cursor").await;
    let after = journal.cursor.unwrap();
    assert_eq!(after, Cursor { since: 7, ..before }, "only what the code has followed is a range now");
    assert_eq!(journal.blocks, [id(3), id(4), id(5), id(6)]);
    assert_eq!(journal.ranges.last().unwrap().1, Range { from: 5, to: 6, digest: detector().digest.into() });
    assert!(matches!(lease.append(&pushing("lost-cursor", 1, &[7])).await, AppendOutcome::Done));
    assert_eq!(lease.requests().iter().map(|it| it.kind).collect::<Vec<_>>(), [RequestKind::Retry]);
}

/// A chain that never had a cursor is published too, and a command for it says what is missing.
async fn a_chain_is_visible_before_it_has_a_cursor(log: &Log) {
    let (mut lease, journal) = claim(log, "dead-node").await;
    assert!(journal.cursor.is_none());
    let waiting = progress(ChainState::Waiting("endpoint 0: connection refused".into()), None);
    assert!(matches!(lease.announce(None, &waiting).await, AppendOutcome::Done));
    let progress = published(log, "dead-node").await;
    assert_eq!((progress.waiting, progress.state, progress.step), (true, State::Catching, 0));
    assert_eq!(progress.display["name"], "Test");
    let refused = ChainCommand::Rewind { chain: "dead-node".into(), to: 1 }.execute(log, "p").await.unwrap_err();
    assert!(refused.to_string().contains("nothing of chain `dead-node` is on the tape"), "{refused}");
    assert!(matches!(lease.append(&pushing("dead-node", 0, &[5])).await, AppendOutcome::Done), "the lease goes on");
    assert!(!published(log, "dead-node").await.waiting);
}

/// Waits until a delivery to a log file was appended, as the process that runs on it does.
async fn taken_in(log: &Log, chain: &str) {
    until_requested(log, chain, true).await;
}

/// Takes in what commands deliver until something, or nothing, is requested of a chain.
async fn until_requested(log: &Log, chain: &str, is_requested: bool) {
    let (log, follow) = (log.clone(), log.clone());
    let appended = async {
        while claim(&log, chain).await.0.requests().is_empty() == is_requested {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = tape_log::inbox::follow(&follow) => {}
        () = appended => {}
    }
}

async fn tape_suite(target: Target) {
    let log = Log::open(&target).await.unwrap();
    log.own(topics::OF_INGESTOR).await.unwrap();
    a_chain_that_was_never_claimed_has_an_empty_journal(&log).await;
    the_journal_is_what_was_appended(&log).await;
    a_second_claim_fences_the_first(&log).await;
    the_journal_holds_no_reverted_block(&log).await;
    progress_counts_what_each_partition_holds(&log).await;
    two_chains_share_a_partition(&log).await;
    taking_a_partition_fences_all_its_chains(&log).await;
    a_rewind_finds_all_live_trades_on_the_tape(&log).await;
    a_request_is_kept_until_it_is_fulfilled(&log).await;
    a_journal_record_that_cannot_be_read_is_a_matter_of_its_chain_alone(&log).await;
    a_cursor_that_cannot_be_read_is_made_again(&log).await;
    a_chain_is_visible_before_it_has_a_cursor(&log).await;
    a_request_can_be_dropped(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_memory() {
    tape_suite(Target::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    tape_suite(Target::Sqlite(folder.path().join("tape.db"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kafka() {
    let Ok(brokers) = std::env::var("KAFKA_BROKERS") else {
        println!("skipped: KAFKA_BROKERS is not set");
        return;
    };
    let unique = format!("tape-{}-{}", std::process::id(), environment::now_ms());
    let prefix = format!("{unique}.");
    tape_suite(Target::Kafka(KafkaSettings::plain(brokers, prefix, unique).into())).await;
}
