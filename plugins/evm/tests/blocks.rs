//! Recorded blocks: every swap in them is a leg, exactly; nothing is invented; what was changed is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{Block, Failure, Host, Leg, Plugin, Span};
use evm_plugin::Evm;
use node::{RecordedNode, TRANSFER_TOPIC, context};
use recordings::Truth;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CHAINS: [u64; 5] = [1, 10, 137, 8453, 42161];

fn scan(node: &mut impl Host, settings: &str, first: u64, last: u64) -> Result<Vec<Block>, Failure> {
    Evm::scan(node, &context(settings), Span { first, last }).map(|scanned| scanned.blocks)
}

/// Every recorded block of a chain, scanned by itself.
fn scan_all(node: &mut RecordedNode, settings: &str) -> Vec<Block> {
    let heights: Vec<u64> = node.blocks.keys().copied().collect();
    heights.into_iter().flat_map(|height| scan(node, settings, height, height).unwrap()).collect()
}

/// A leg as plain numbers: pool, token and amount in, token and amount out.
type Plain = (String, String, String, String, String);

fn plain(leg: &Leg) -> Plain {
    let raw = |amount: &chain_plugin_sdk::AssetAmount| from_uint256(amount.raw).to_string();
    (leg.pool.clone(), leg.sold.asset.clone(), raw(&leg.sold), leg.bought.asset.clone(), raw(&leg.bought))
}

fn legs(blocks: &[Block]) -> BTreeMap<(String, u32), Vec<Plain>> {
    let mut legs: BTreeMap<(String, u32), Vec<Plain>> = BTreeMap::new();
    for trade in blocks.iter().flat_map(|block| &block.trades) {
        for leg in &trade.legs {
            legs.entry((trade.transaction.hash.clone(), leg.ordinal)).or_default().push(plain(leg));
        }
    }
    legs
}

/// The venue of each leg.
fn venues(blocks: &[Block]) -> BTreeMap<(String, u32), String> {
    let trades = blocks.iter().flat_map(|block| &block.trades);
    let of_trade = |trade: &chain_plugin_sdk::Trade| {
        let hash = trade.transaction.hash.clone();
        trade.legs.iter().map(move |leg| ((hash.clone(), leg.ordinal), leg.venue.clone())).collect::<Vec<_>>()
    };
    trades.flat_map(of_trade).collect()
}

fn number(text: &Value) -> i128 {
    text.as_str().unwrap().parse().unwrap()
}

/// What a reference event moved, from the pool's view: positive is received.
fn reference(event: &Value) -> [i128; 2] {
    let args = &event["args"];
    match event["kind"].as_str().unwrap() {
        "v2" => [0, 1].map(|at| number(&args[format!("amount{at}In")]) - number(&args[format!("amount{at}Out")])),
        _ => [0, 1].map(|at| number(&args[format!("amount{at}")])),
    }
}

/// What a pool received and sent of a token in a transaction, summed in plain numbers.
fn moved(receipt: &Value, pool: &str, token: &str) -> (i128, i128) {
    let mut sums = (0, 0);
    for log in receipt["logs"].as_array().unwrap() {
        let topics: Vec<&str> = log["topics"].as_array().unwrap().iter().map(|topic| topic.as_str().unwrap()).collect();
        if topics.len() != 3 || topics[0] != TRANSFER_TOPIC || log["address"] != token {
            continue;
        }
        let raw = i128::from_str_radix(&log["data"].as_str().unwrap()[34..], 16).unwrap();
        if topics[2][26..] == pool[2..] {
            sums.0 += raw;
        }
        if topics[1][26..] == pool[2..] {
            sums.1 += raw;
        }
    }
    sums
}

/// What a leg must be by the rule, in plain numbers: per token the smaller of what the event claims and what is left of
/// what moved, in the order of events; then the difference of received and sent.
fn by_rule(
    event: &Value,
    receipt: &Value,
    tokens: &[String; 2],
    left: &mut BTreeMap<String, (i128, i128)>,
) -> [i128; 2] {
    let args = &event["args"];
    let pool = event["emitter"].as_str().unwrap();
    [0, 1].map(|at: usize| {
        let (into, out) = if event["kind"] == "v2" {
            (number(&args[format!("amount{at}In")]), number(&args[format!("amount{at}Out")]))
        } else {
            let amount = number(&args[format!("amount{at}")]);
            (amount.max(0), (-amount).max(0))
        };
        let key = format!("{} {pool} {}", event["tx"], tokens[at]);
        let left = left.entry(key).or_insert_with(|| moved(receipt, pool, &tokens[at]));
        let (into, out) = (into.min(left.0), out.min(left.1));
        *left = (left.0 - into, left.1 - out);
        into - out
    })
}

/// What a leg must be, for the venues whose events need no rule beside them: pool, sold, bought.
fn stated(event: &Value) -> (String, i128, i128) {
    let args = &event["args"];
    let text = |name: &str| args[name].as_str().unwrap().to_owned();
    let emitter = event["emitter"].as_str().unwrap().to_owned();
    match event["kind"].as_str().unwrap() {
        "balancer_v2" => (text("poolId")[..42].to_owned(), number(&args["amountIn"]), number(&args["amountOut"])),
        "v4" => {
            let [first, second] = [number(&args["amount0"]), number(&args["amount1"])];
            (text("poolId"), -first.min(second), first.max(second))
        }
        _ => (emitter, number(&args["tokens_sold"]), number(&args["tokens_bought"])),
    }
}

/// Every event of the reference is a leg with the event's own amounts. The one exception is a rule: where the pool
/// moved less than the event says, as taxed and reflecting tokens do, the leg has what moved.
#[test]
fn every_recorded_swap_is_a_leg_and_nothing_is_invented() {
    let events = recordings::read_text("evm/blocks/reference_events.jsonl").unwrap();
    let mut events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.sort_by_key(|event| (event["block"].as_u64(), event["logIndex"].as_u64()));
    let (mut exact, mut lower, mut expected) = (0, 0, BTreeSet::new());
    let mut truth = Truth::of("evm/blocks");
    for chain in CHAINS {
        let mut node = RecordedNode::of_chain(chain);
        let blocks = scan_all(&mut node, "{}");
        let (legs, venues) = (legs(&blocks), venues(&blocks));
        let mut left = BTreeMap::new();
        for event in events.iter().filter(|event| event["chainId"] == chain && event["status"] == "0x1") {
            let receipts = node.blocks[&event["block"].as_u64().unwrap()]["receipts"].as_array().unwrap();
            let receipt = receipts.iter().find(|receipt| receipt["transactionHash"] == event["tx"]).unwrap();
            let place = receipt["logs"].as_array().unwrap().iter().position(|log| {
                let index = log["logIndex"].as_str().unwrap().trim_start_matches("0x");
                u64::from_str_radix(index, 16).unwrap() == event["logIndex"].as_u64().unwrap()
            });
            let key = (event["tx"].as_str().unwrap().to_owned(), u32::try_from(place.unwrap()).unwrap());
            expected.insert(key.clone());
            truth.count("legs found", event["kind"].as_str().unwrap(), legs.contains_key(&key));
            if !matches!(event["kind"].as_str(), Some("v2" | "v3" | "pancake_v3")) {
                let (pool, sold, bought) = stated(event);
                let leg = legs.get(&key).map(|legs| (legs[0].0.clone(), legs[0].2.clone(), legs[0].4.clone()));
                assert_eq!(leg, Some((pool, sold.to_string(), bought.to_string())), "{event}");
                exact += 1;
                continue;
            }
            let pool = event["emitter"].as_str().unwrap();
            let tokens = node.pools[pool].tokens.clone().map(Option::unwrap);
            let (claimed, ruled) = (reference(event), by_rule(event, receipt, &tokens, &mut left));
            let (sold, bought) = if ruled[0] > 0 { (0, 1) } else { (1, 0) };
            let leg: Plain = (
                pool.to_owned(),
                tokens[sold].clone(),
                ruled[sold].to_string(),
                tokens[bought].clone(),
                (-ruled[bought]).to_string(),
            );
            assert_eq!(legs.get(&key), Some(&vec![leg]), "{event}");
            if claimed == ruled {
                exact += 1;
            } else {
                lower += 1;
                println!("moved {ruled:?}, claimed {claimed:?}: {} {pool}", event["tx"]);
            }
        }
        // The reference does not look for these venues; their own tests do.
        let others = [
            "balancer-v1",
            "curve-stable",
            "dodo-v2",
            "maverick-v1",
            "maverick-v2",
            "solidly-like",
            "fluid",
            "0x-rfq",
            "0x-otc",
            "0x-limit",
            "hashflow",
            "uniswap-v1",
            "saddle-like",
            "iziswap",
            "carbon",
            "kyberswap-classic",
        ];
        let is_other = |key: &(String, u32)| others.contains(&venues[key].as_str());
        let of_reference = legs.keys().filter(|key| !is_other(key));
        of_reference
            .for_each(|key| truth.count("legs not invented", &format!("chain {chain}"), expected.contains(key)));
        let invented: Vec<_> = legs.keys().filter(|key| !expected.contains(key) && !is_other(key)).collect();
        assert!(invented.is_empty(), "{invented:?}");
    }
    println!("{exact} exact, {lower} by what moved");
    assert_eq!(exact + lower, events.iter().filter(|event| event["status"] == "0x1").count());
    assert!(lower * 20 < exact, "few tokens are taxed");
}

#[test]
fn another_decoder_saw_the_same() {
    let expected = node::read_recording("evm/blocks/expected_swaps_18000000.json");
    let blocks = scan(&mut RecordedNode::of_chain(1), "{}", 18_000_000, 18_000_000).unwrap();
    let legs: BTreeSet<Plain> = legs(&blocks).into_values().flatten().collect();
    for swap in expected.as_array().unwrap() {
        let text = |name: &str| swap[name].as_str().unwrap().to_owned();
        let side = |at: u8| (text(&format!("token_{at}_address")), number(&swap[format!("amount_{at}_base")]));
        let ((sold, given), (bought, got)) = if side(0).1 > 0 { (side(0), side(1)) } else { (side(1), side(0)) };
        let leg = (text("pool_address"), sold, given.to_string(), bought, (-got).to_string());
        assert!(legs.contains(&leg), "{leg:?}");
    }
}

#[test]
fn a_span_of_blocks_is_one_request_and_one_for_what_pools_say() {
    let mut node = RecordedNode::of_chain(1);
    let scanned = Evm::scan(&mut node, &context(r#"{"batch":1000}"#), Span { first: 14_000_000, last: 14_000_009 });
    let scanned = scanned.unwrap();
    assert_eq!(scanned.through, 14_000_004);
    assert_eq!(scanned.blocks.len(), 5);
    assert_eq!(node.requests.len(), 2);
    assert!(scanned.blocks.iter().all(|block| block.attributes[0] == ("proof".into(), "receipts".into())));
    let one_by_one: Vec<Block> =
        (14_000_000..14_000_005).flat_map(|height| scan(&mut node, "{}", height, height).unwrap()).collect();
    assert_eq!(scanned.blocks, one_by_one);
}

#[test]
fn facts_are_kept_only_below_the_finalized_block() {
    let mut node = RecordedNode::of_chain(1);
    let mut context = context("{}");
    let span = Span { first: 18_000_000, last: 18_000_000 };
    let first = Evm::scan(&mut node, &context, span).unwrap();
    assert_eq!(node.kept.keys().collect::<Vec<_>>(), ["chain-id"]);
    context.attributes.push(("finalized".into(), "18000000".into()));
    let second = Evm::scan(&mut node, &context, span).unwrap();
    assert!(node.kept.keys().any(|key| key.starts_with("pool/")));
    node.requests.clear();
    let third = Evm::scan(&mut node, &context, span).unwrap();
    assert_eq!(first, second);
    assert_eq!(first, third);
    assert_eq!(node.requests.len(), 1, "{:?}", node.requests);
}

/// Near the head facts are asked at the finalized block, and kept; where its state is gone they are asked at the block
/// itself, and not.
#[test]
fn near_the_head_only_what_was_final_is_kept() {
    let mut node = RecordedNode::of_chain(1);
    let expected = scan(&mut node, "{}", 14_000_004, 14_000_004).unwrap();
    let mut context = context("{}");
    context.attributes.push(("finalized".into(), "14000000".into()));
    let span = Span { first: 14_000_004, last: 14_000_004 };
    let is_pool = |key: &String| key.starts_with("pool/");
    node.oldest_state = 14_000_003;
    assert_eq!(Evm::scan(&mut node, &context, span).unwrap().blocks, expected);
    assert!(!node.kept.keys().any(is_pool), "{:?}", node.kept.keys());
    node.oldest_state = 0;
    assert_eq!(Evm::scan(&mut node, &context, span).unwrap().blocks, expected);
    assert!(node.kept.keys().any(is_pool));
    node.requests.clear();
    assert_eq!(Evm::scan(&mut node, &context, span).unwrap().blocks, expected);
    assert_eq!(node.requests.len(), 1, "{:?}", node.requests);
}

#[test]
fn poorer_endpoints_give_the_same_blocks() {
    let mut node = RecordedNode::of_chain(1);
    let full = scan(&mut node, "{}", 18_000_000, 18_000_000).unwrap();
    node.lacks = vec!["eth_getBlockReceipts"];
    assert_eq!(scan(&mut node, "{}", 18_000_000, 18_000_000).unwrap(), full);
    node.lacks_hashes = true;
    assert_eq!(scan(&mut node, r#"{"batch":1}"#, 18_000_000, 18_000_000).unwrap(), full);
}

/// The recorded block, changed, as an endpoint that cannot be trusted would give it.
fn refused(settings: &str, change: impl Fn(&mut Value)) -> Result<Vec<Block>, Failure> {
    let mut node = RecordedNode::of_chain(1);
    change(node.blocks.get_mut(&18_000_000).unwrap());
    scan(&mut node, settings, 18_000_000, 18_000_000)
}

#[test]
fn what_was_left_out_or_changed_is_asked_elsewhere() {
    let swap = "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822";
    let drop_swap = |block: &mut Value| {
        let receipts = block["receipts"].as_array_mut().unwrap();
        let mut logs = receipts.iter_mut().map(|receipt| receipt["logs"].as_array_mut().unwrap());
        let find = |logs: &Vec<Value>| logs.iter().position(|log| log["topics"][0] == swap);
        let (logs, at) = logs.find_map(|logs| find(logs).map(|at| (logs, at))).unwrap();
        logs.remove(at);
    };
    let result = refused("{}", drop_swap);
    assert!(matches!(&result, Err(Failure::Elsewhere(why)) if why.contains("root")), "{result:?}");
    // The weaker modes do not notice, and say which they are.
    for mode in ["hint", "none"] {
        let blocks = refused(&format!(r#"{{"verify":"{mode}"}}"#), drop_swap).unwrap();
        assert_eq!(blocks[0].attributes[0].1, mode);
    }
    let no_logs = |block: &mut Value| {
        for receipt in block["receipts"].as_array_mut().unwrap() {
            receipt["logs"] = Value::Array(vec![]);
        }
    };
    assert!(matches!(refused(r#"{"verify":"hint"}"#, no_logs), Err(Failure::Elsewhere(_))));
    let other_root = |block: &mut Value| block["block"]["receiptsRoot"] = Value::from(format!("0x{}", "11".repeat(32)));
    let result = refused("{}", other_root);
    assert!(matches!(&result, Err(Failure::Elsewhere(why)) if why.contains("does not hash")), "{result:?}");
    let no_receipts = |block: &mut Value| block["receipts"] = Value::Null;
    assert!(matches!(refused("{}", no_receipts), Err(Failure::Elsewhere(_))));
    let other_amount = |block: &mut Value| {
        let log = block["receipts"].as_array_mut().unwrap().iter_mut().find(|receipt| receipt["logs"][0].is_object());
        log.unwrap()["logs"][0]["data"] = Value::from(format!("0x{:064x}", 1));
    };
    assert!(matches!(refused("{}", other_amount), Err(Failure::Elsewhere(_))));
    let other_branch = |block: &mut Value| {
        block["receipts"][3]["blockHash"] = Value::from(format!("0x{}", "22".repeat(32)));
    };
    assert_eq!(refused("{}", other_branch), Err(Failure::Reorged));
}

#[test]
fn every_recorded_block_is_proved() {
    for chain in CHAINS {
        let mut node = RecordedNode::of_chain(chain);
        for block in scan_all(&mut node, "{}") {
            assert_eq!(block.attributes[0].1, "receipts", "{chain} {}", block.height);
        }
    }
}

#[test]
fn what_is_not_there_yet_is_waited_for() {
    let mut node = RecordedNode::of_chain(1);
    assert_eq!(scan(&mut node, "{}", 14_000_005, 14_000_006), Err(Failure::NotYet(14_000_005)));
    assert_eq!(scan(&mut node, "{}", 1, 100), Err(Failure::SpanTooWide(16)));
}

/// The host asks again from where the answer ends: what cannot be proved then is first, and the endpoint is charged.
#[test]
fn what_is_proved_is_given_up_to_what_is_not() {
    let mut node = RecordedNode::of_chain(1);
    let heights = |node: &mut RecordedNode, settings: &str| {
        let scanned = Evm::scan(node, &context(settings), Span { first: 14_000_000, last: 14_000_004 }).unwrap();
        (scanned.blocks.iter().map(|block| block.height).collect::<Vec<_>>(), scanned.through)
    };
    let whole = node.blocks.clone();
    node.blocks.get_mut(&14_000_002).unwrap()["receipts"].as_array_mut().unwrap().pop();
    assert_eq!(heights(&mut node, "{}"), (vec![14_000_000, 14_000_001], 14_000_001));
    assert!(matches!(scan(&mut node, "{}", 14_000_002, 14_000_004), Err(Failure::Elsewhere(_))));
    // A block of another branch stands on none of these.
    node.blocks = whole;
    let mut other = node.blocks[&18_500_000].clone();
    other["block"]["number"] = Value::from(format!("{:#x}", 14_000_001));
    node.blocks.insert(14_000_001, other);
    assert_eq!(heights(&mut node, r#"{"verify":"none"}"#), (vec![14_000_000], 14_000_000));
}

#[test]
fn the_head_names_network_latest_and_finalized() {
    let mut node = RecordedNode::of_chain(1);
    let tip = Evm::head(&mut node, &context("{}")).unwrap();
    assert_eq!(tip.network, format!("eip155:1/0x{}", "ab".repeat(32)));
    assert_eq!(tip.latest.height, 22_431_084);
    assert_eq!(tip.finalized.unwrap().height, 10_698_532);
    assert_eq!(node.requests.len(), 1);
}

/// The sides of a transaction's trades are the net of its legs, and each trade is a user's.
#[test]
fn trades_are_the_net_of_their_legs() {
    let mut node = RecordedNode::of_chain(1);
    let (mut swaps, mut cycles, mut valued) = (0, 0, 0);
    for block in scan_all(&mut node, "{}") {
        for trade in &block.trades {
            if trade.trader.evidence == "tx-sender" {
                assert_eq!(trade.trader.address, trade.transaction.sender);
            }
            match trade.kind.as_str() {
                "swap" => {
                    swaps += 1;
                    assert_ne!(trade.sold.asset, trade.bought.asset);
                }
                "cycle" => {
                    cycles += 1;
                    assert_eq!(trade.sold.asset, trade.bought.asset);
                }
                other => panic!("{other}"),
            }
            let siblings = block.trades.iter().filter(|other| other.transaction.hash == trade.transaction.hash);
            let is_order = trade.attributes.iter().any(|(name, _)| name == "router");
            assert!(
                !trade.legs.is_empty() || is_order || siblings.count() > 3,
                "only a mixture of many lists a pair without legs"
            );
            valued += u32::from(trade.valuation.is_some());
            let lower = |text: &str| text == text.to_ascii_lowercase();
            assert!(lower(&trade.sold.asset) && lower(&trade.trader.address) && lower(&trade.transaction.hash));
        }
        let ordinals = |hash: &str| {
            let of_hash = block.trades.iter().filter(|trade| trade.transaction.hash == hash);
            of_hash.map(|trade| trade.ordinal).collect::<Vec<_>>()
        };
        for trade in &block.trades {
            let ordinals = ordinals(&trade.transaction.hash);
            assert_eq!(ordinals, (0..u32::try_from(ordinals.len()).unwrap()).collect::<Vec<_>>());
        }
    }
    println!("{swaps} swaps, {cycles} cycles, {valued} valued");
    assert!(swaps > 250 && cycles > 3 && valued > 50);
}
