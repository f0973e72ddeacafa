//! Receipts in their consensus encoding: the same trades and the same proof as from JSON, and JSON wherever they do not fit.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::{Block, Failure, Plugin, Span};
use evm_plugin::Evm;
use node::{RecordedNode, context, context_in_history};

const CHAINS: [u64; 5] = [1, 10, 137, 8453, 42161];
const HEIGHT: u64 = 14_000_000;
const RAW: &str = "debug_getRawReceipts";
const JSON: &str = "eth_getBlockReceipts";
const FULL: &str = r#"{"verify":"full"}"#;
/// The fact about the endpoint of these tests.
const FACT: &str = "raw-receipts/7";

fn scan(node: &mut RecordedNode, settings: &str, first: u64, last: u64) -> Result<Vec<Block>, Failure> {
    let context = context_in_history(settings, last, 7);
    Evm::scan(node, &context, Span { first, last }).map(|scanned| scanned.blocks)
}

/// What JSON alone gives.
fn truth(node: &RecordedNode, settings: &str, height: u64) -> Vec<Block> {
    let context = chain_plugin_sdk::Context {
        attributes: vec![("finalized".to_owned(), height.to_string())],
        ..context(settings)
    };
    let mut node = node.clone();
    node.requests.clear();
    let blocks = Evm::scan(&mut node, &context, Span { first: height, last: height }).unwrap().blocks;
    assert_eq!(
        (node.asked(RAW), node.asked(JSON)),
        (0, 1),
        "without an endpoint's name nothing can be remembered of it"
    );
    blocks
}

/// A node that has given them already.
fn node_with_raw(chain_id: u64) -> RecordedNode {
    let mut node = RecordedNode::of_chain(chain_id);
    node.kept.insert(FACT.to_owned(), b"yes".to_vec());
    node
}

/// Exchanges that are no known event are counted only where receipts are read whole.
fn without_count(mut blocks: Vec<Block>) -> Vec<Block> {
    for block in &mut blocks {
        block.attributes.retain(|(name, _)| !name.contains("two-sided"));
    }
    blocks
}

#[test]
fn every_recorded_block_gives_the_same_as_from_json() {
    for (chain_id, settings) in CHAINS.map(|chain_id| (chain_id, "{}")).into_iter().chain([(137, FULL)]) {
        let node = node_with_raw(chain_id);
        for (height, recorded) in &node.blocks {
            let mut asked = node.clone();
            let read = without_count(scan(&mut asked, settings, *height, *height).unwrap());
            assert!(read == without_count(truth(&node, settings, *height)), "{chain_id} {height}");
            assert_eq!((asked.asked(RAW), &asked.kept[FACT][..]), (1, &b"yes"[..]), "{chain_id} {height}");
            let has_senders = recorded["block"]["transactions"][0].is_object();
            assert_eq!(asked.asked(JSON), usize::from(!has_senders), "{chain_id} {height}");
        }
    }
}

#[test]
fn an_endpoint_is_asked_once_whether_it_has_them() {
    let mut has = RecordedNode::of_chain(1);
    scan(&mut has, "{}", HEIGHT, HEIGHT).unwrap();
    assert_eq!((has.asked(RAW), has.asked(JSON)), (1, 1));
    assert_eq!(has.requests.iter().filter(|request| request.contains(&RAW.to_owned())).count(), 1);
    assert_eq!(*has.requests[1], [RAW], "in a request of its own");
    scan(&mut has, "{}", HEIGHT, HEIGHT).unwrap();
    assert_eq!((has.asked(RAW), has.asked(JSON)), (2, 1));
    for refuses_with in [None, Some(403), Some(503)] {
        let mut lacks = RecordedNode { lacks: vec![RAW], refuses_with, ..RecordedNode::of_chain(1) };
        for _ in 0..3 {
            scan(&mut lacks, "{}", HEIGHT, HEIGHT).unwrap();
        }
        assert_eq!((lacks.asked(RAW), lacks.asked(JSON)), (1, 3));
    }
    for settings in [r#"{"raw-receipts":false}"#, r#"{"verify":"hint"}"#, r#"{"verify":"none"}"#] {
        let mut not_wanted = RecordedNode::of_chain(1);
        scan(&mut not_wanted, settings, HEIGHT, HEIGHT).unwrap();
        assert_eq!(not_wanted.asked(RAW), 0, "{settings}");
    }
}

/// A limit on calls says nothing about a method.
#[test]
fn an_endpoint_that_is_busy_is_asked_again_whether_it_has_them() {
    let mut node = RecordedNode { lacks: vec![RAW], refuses_with: Some(429), ..RecordedNode::of_chain(1) };
    scan(&mut node, "{}", HEIGHT, HEIGHT).unwrap();
    assert_eq!((node.asked(RAW), node.kept.get(FACT)), (1, None));
    node.lacks.clear();
    for _ in 0..2 {
        scan(&mut node, "{}", HEIGHT, HEIGHT).unwrap();
    }
    assert_eq!(
        (node.kept[FACT].as_slice(), node.asked(JSON)),
        (b"yes".as_slice(), 2),
        "the last scan asked for no JSON"
    );
}

#[test]
fn what_does_not_have_the_root_is_asked_as_json() {
    let lies: [fn(&mut Vec<String>); 6] = [
        |raw| raw.swap(0, 1),
        |raw| drop(raw.pop()),
        |raw| raw.clear(),
        |raw| raw[3].push_str("00"),
        |raw| raw[3] = "no hex".to_owned(),
        |raw| {
            let last = raw[5].pop().unwrap();
            raw[5].push(if last == '0' { '1' } else { '0' });
        },
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let mut node = RecordedNode { bend_raw: Some(lie), ..node_with_raw(1) };
        assert_eq!(scan(&mut node, "{}", HEIGHT, HEIGHT).unwrap(), truth(&node, "{}", HEIGHT), "lie {at}");
        assert_eq!(node.kept[FACT], b"no", "lie {at}");
        let before = node.asked(RAW);
        scan(&mut node, "{}", HEIGHT, HEIGHT).unwrap();
        assert_eq!(node.asked(RAW), before, "it is not believed again");
        // Found out when it is first asked, it is not asked again either.
        let mut new = RecordedNode { bend_raw: Some(lie), ..RecordedNode::of_chain(1) };
        scan(&mut new, "{}", HEIGHT, HEIGHT).unwrap();
        assert_eq!(new.kept[FACT], b"no", "lie {at}");
    }
}

#[test]
fn an_endpoint_that_lies_in_both_is_blamed() {
    let mut node = RecordedNode { bend_raw: Some(|raw| raw.swap(0, 1)), ..node_with_raw(1) };
    let block = node.blocks.get_mut(&HEIGHT).unwrap();
    let receipts = block["receipts"].as_array_mut().unwrap();
    let logs = receipts.iter_mut().filter_map(|receipt| receipt["logs"].as_array_mut());
    logs.filter(|logs| !logs.is_empty()).for_each(|logs| drop(logs.pop()));
    let refused = scan(&mut node, "{}", HEIGHT, HEIGHT);
    assert!(matches!(&refused, Err(Failure::Elsewhere(why)) if why.contains("do not have the root")), "{refused:?}");
    assert_eq!(node.kept[FACT], b"yes", "nothing is learned from what is not proved");
}

#[test]
fn a_method_that_is_gone_costs_nothing_but_a_request() {
    let mut node = node_with_raw(1);
    let expected = truth(&node, "{}", HEIGHT);
    assert_eq!(scan(&mut node, "{}", HEIGHT, HEIGHT).unwrap(), expected);
    node.lacks = vec![RAW];
    assert_eq!(scan(&mut node, "{}", HEIGHT, HEIGHT).unwrap(), expected);
    assert_eq!(node.kept[FACT], b"no");
    // With the whole batch refused the scan fails once, and the next one does without.
    let mut all_or_nothing = RecordedNode { lacks: vec![RAW], refuses_with: Some(403), ..node_with_raw(1) };
    assert!(matches!(scan(&mut all_or_nothing, "{}", HEIGHT, HEIGHT), Err(Failure::Elsewhere(_))));
    assert_eq!(scan(&mut all_or_nothing, "{}", HEIGHT, HEIGHT).unwrap(), expected);
}

#[test]
fn without_whole_transactions_json_is_asked_and_the_method_is_not_given_up() {
    let mut node = RecordedNode { lacks_transactions: true, ..node_with_raw(1) };
    assert_eq!(scan(&mut node, "{}", HEIGHT, HEIGHT).unwrap(), truth(&node, "{}", HEIGHT));
    assert_eq!(node.kept[FACT], b"yes");
}

/// Blocks below one that cannot be proved are returned, as they are from JSON.
#[test]
fn a_span_ends_below_a_block_that_does_not_fit() {
    let mut node = node_with_raw(1);
    let height = HEIGHT + 2;
    node.blocks.get_mut(&height).unwrap()["block"]["gasUsed"] = "0x1".into();
    assert_eq!(scan(&mut node, "{}", HEIGHT, HEIGHT + 4).unwrap().len(), 2);
    let refused = scan(&mut node, "{}", height, height);
    assert!(matches!(&refused, Err(Failure::Elsewhere(why)) if why.contains("does not hash")), "{refused:?}");
}
