//! What a pool's event or the logs do not say: coins by their numbers and keys by their hash, native coin by traces, and
//! exchanges with contracts that are no known venue.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use alloy_primitives::{U256, hex, keccak256};
use chain_plugin_sdk::{Block, Context, Failure, Plugin, Span};
use evm_plugin::Evm;
use node::{RecordedNode, TRANSFER_TOPIC};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const POOL: &str = "0x00000000000000000000000000000000000c0de1";
const USDX: &str = "0x00000000000000000000000000000000000000a1";
const TAXED: &str = "0x00000000000000000000000000000000000000a2";
const REWARD: &str = "0x00000000000000000000000000000000000000a3";
const NATIVE: &str = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
const WRAPPED: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";

/// `TokenExchange(address,int128,uint256,int128,uint256)`.
const EXCHANGE: &str = "0x8b3e96f2b889fa771c53c981b40daf005f63f637f1869f707052d15a3dd97140";

fn topic(address: &str) -> String {
    format!("0x{}{}", "0".repeat(24), &address[2..])
}

fn transfer(token: &str, from: &str, to: &str, raw: u64) -> Value {
    json!({"address": token, "topics": [TRANSFER_TOPIC, topic(from), topic(to)], "data": format!("0x{raw:064x}")})
}

fn exchange(buyer: &str, numbers: [u64; 2], amounts: [u64; 2]) -> Value {
    let words = [numbers[0], amounts[0], numbers[1], amounts[1]].map(|word| format!("{word:064x}")).concat();
    json!({"address": POOL, "topics": [EXCHANGE, topic(buyer)], "data": format!("0x{words}")})
}

/// Lets the pool name its coins.
fn name_coins(node: &mut RecordedNode, tokens: &[&str]) {
    for (number, token) in tokens.iter().enumerate() {
        node.returns.insert((POOL.to_owned(), format!("0xc6610657{number:064x}")), topic(token));
    }
}

/// A recorded block of which only the first transaction is left, with these logs.
fn node_with(logs: impl FnOnce(&str) -> Vec<Value>) -> (RecordedNode, String) {
    let mut node = RecordedNode::of_chain(1);
    let (height, mut recorded) = node.blocks.pop_first().unwrap();
    recorded["block"]["transactions"].as_array_mut().unwrap().truncate(1);
    recorded["receipts"].as_array_mut().unwrap().truncate(1);
    let receipt = &mut recorded["receipts"][0];
    let sender = receipt["from"].as_str().unwrap().to_owned();
    receipt["status"] = json!("0x1");
    receipt["logs"] = logs(&sender).into();
    node.blocks = BTreeMap::from([(height, recorded)]);
    (node, sender)
}

fn scan(node: &mut RecordedNode) -> Block {
    try_scan(node, "").unwrap()
}

/// With more settings, each behind a comma.
fn try_scan(node: &mut RecordedNode, more: &str) -> Result<Block, Failure> {
    let height = *node.blocks.keys().next().unwrap();
    let attributes = vec![("finalized".to_owned(), height.to_string())];
    let context = Context { settings: format!(r#"{{"verify":"none"{more}}}"#), now_ms: 0, attributes };
    Evm::scan(node, &context, Span { first: height, last: height }).map(|mut scanned| scanned.blocks.remove(0))
}

/// Assets and amounts of the legs of all trades.
fn legs(block: &Block) -> Vec<(String, u64, String, u64)> {
    let legs = block.trades.iter().flat_map(|trade| &trade.legs);
    legs.map(|leg| (leg.sold.asset.clone(), leg.sold.raw.limb0, leg.bought.asset.clone(), leg.bought.raw.limb0))
        .collect()
}

/// A token with a tax reaches the pool as 97 of the 100 that the event says, beside a reward of just 100 that the pool gets.
fn taxed_swap(user: &str) -> Vec<Value> {
    vec![
        transfer(REWARD, user, POOL, 100),
        transfer(TAXED, user, POOL, 97),
        transfer(USDX, POOL, user, 90),
        exchange(user, [1, 0], [100, 90]),
    ]
}

#[test]
fn a_coins_number_counts_more_than_an_equal_amount() {
    let (mut node, _) = node_with(taxed_swap);
    name_coins(&mut node, &[USDX, TAXED, REWARD]);
    let expected = [(TAXED.to_owned(), 97, USDX.to_owned(), 90)];
    assert_eq!(legs(&scan(&mut node)), expected);
    let known = node.kept.keys().filter(|name| name.starts_with("coin/")).count();
    assert_eq!(known, 2, "what is final is remembered: {:?}", node.kept.keys());
    node.returns.clear();
    assert_eq!(legs(&scan(&mut node)), expected, "and not asked again");
}

#[test]
fn a_pool_that_names_no_coin_is_read_by_what_moved() {
    let (mut node, _) = node_with(taxed_swap);
    assert_eq!(legs(&scan(&mut node)), [(REWARD.to_owned(), 100, USDX.to_owned(), 90)]);
}

#[test]
fn a_coin_of_which_nothing_moved_is_native_or_no_leg() {
    let logs = |user: &str| vec![transfer(USDX, POOL, user, 90), exchange(user, [1, 0], [100, 90])];
    for coin in [NATIVE, WRAPPED] {
        let (mut node, _) = node_with(logs);
        name_coins(&mut node, &[USDX, coin]);
        assert_eq!(legs(&scan(&mut node)), [(WRAPPED.to_owned(), 100, USDX.to_owned(), 90)]);
    }
    let (mut node, _) = node_with(logs);
    name_coins(&mut node, &[USDX, TAXED]);
    let block = scan(&mut node);
    assert_eq!(legs(&block), []);
    let unbacked = block.attributes.iter().find(|(name, _)| name == "dropped.unbacked.curve-stable");
    assert_eq!(unbacked.map(|(_, count)| count.as_str()), Some("1"));
}

/// A pool of PancakeSwap Infinity: its manager tells the key, which must hash to the pool's id; the vault holds the tokens.
#[test]
fn a_key_of_infinity_names_the_tokens_of_its_pool() {
    const MANAGER: &str = "0xa0ffb9c1ce1fe56963b0321b32e7a0302114058b";
    const VAULT: &str = "0x238a358808379702088667322f80ac48bad5e6c4";
    let word = |text: &str| U256::from_str_radix(&text[2..], 16).unwrap().to_be_bytes::<32>();
    let key: [u8; 192] = [USDX, TAXED, "0x0", MANAGER, "0x1f4", "0xa0000"].map(word).concat().try_into().unwrap();
    let id = keccak256(key).to_string();
    let minus = |raw: u64| format!("{:064x}", U256::from(raw).wrapping_neg());
    let swap = |user: &str| {
        let data = format!("0x{}{:064x}{}", minus(100), 90, format!("{:064x}", 1).repeat(5));
        let event = "0x04206ad2b7c0f463bff3dd4f33c5735b0f2957a351e4f79763a4fa9e775dd237";
        json!({"address": MANAGER, "topics": [event, id, topic(user)], "data": data})
    };
    let logs = |user: &str| vec![transfer(USDX, user, VAULT, 100), swap(user), transfer(TAXED, VAULT, user, 90)];
    let (mut node, sender) = node_with(logs);
    node.returns.insert((MANAGER.to_owned(), format!("0x0e2d484a{}", &id[2..])), hex::encode_prefixed(key));
    let block = scan(&mut node);
    assert_eq!(legs(&block), [(USDX.to_owned(), 100, TAXED.to_owned(), 90)]);
    let [trade] = &block.trades[..] else { panic!("{:?}", block.trades) };
    assert_eq!(
        (trade.trader.address.as_str(), trade.legs[0].venue.as_str()),
        (sender.as_str(), "pancakeswap-infinity-cl")
    );
    assert_eq!(trade.legs[0].pool, id);
    // A key of another hash is a lie; then exact amounts alone tell the tokens.
    node.kept.clear();
    node.returns.insert(
        (MANAGER.to_owned(), format!("0x0e2d484a{}", &id[2..])),
        hex::encode_prefixed(key.map(|byte| byte ^ 1)),
    );
    assert_eq!(legs(&scan(&mut node)), [(USDX.to_owned(), 100, TAXED.to_owned(), 90)]);
}

/// Clober's event tells units of a book at a tick: what the sender exchanged with the manager, over two ticks, is one trade.
#[test]
fn what_was_taken_from_a_book_is_what_the_sender_exchanged() {
    const MANAGER: &str = "0x382ccccbd3b142d7da063bf68cd0c89634767f76";
    let take = |user: &str, units: u64| {
        let event = "0xc4c20b9c4a5ada3b01b7a391a08dd81a1be01dd8ef63170dd9da44ecee3db11b";
        let data = format!("0x{}{units:064x}", "f".repeat(64));
        json!({"address": MANAGER, "topics": [event, topic("0x0000000000000000000000000000000000000b00"), topic(user)], "data": data})
    };
    let logs = |user: &str| {
        let paid = [transfer(TAXED, MANAGER, user, 90), transfer(USDX, user, MANAGER, 100)];
        [vec![take(user, 4), take(user, 5)], paid.to_vec()].concat()
    };
    let (mut node, sender) = node_with(logs);
    let block = scan(&mut node);
    let [trade] = &block.trades[..] else { panic!("{:?}", block.trades) };
    assert_eq!((trade.trader.address.as_str(), trade.trader.evidence.as_str()), (sender.as_str(), "tx-sender"));
    let side = |side: &chain_plugin_sdk::Side| (side.asset.clone(), side.raw.limb0);
    assert_eq!((side(&trade.sold), side(&trade.bought)), ((USDX.to_owned(), 100), (TAXED.to_owned(), 90)));
    assert_eq!(trade.attributes, [("router".to_owned(), "clober-v2".to_owned())]);
    assert_eq!(attribute(&block, "dropped.not-a-pool.clober-v2"), Some("2"));
    // Somebody else who says it is a book is believed nothing.
    let (mut node, _) = node_with(|user| {
        logs(user)
            .into_iter()
            .map(|log| serde_json::from_str(&log.to_string().replace(MANAGER, POOL)).unwrap())
            .collect()
    });
    assert_eq!(scan(&mut node).trades.len(), 0);
}

fn attribute<'b>(block: &'b Block, name: &str) -> Option<&'b str> {
    block.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// One token for another with a contract of which nothing is known: counted, and a trade where the settings say so.
#[test]
fn an_exchange_with_an_unknown_contract_is_counted_or_taken() {
    let (mut node, sender) = node_with(|user| vec![transfer(USDX, user, POOL, 90), transfer(TAXED, POOL, user, 100)]);
    let counted = try_scan(&mut node, r#","two-sided":false"#).unwrap();
    assert_eq!((counted.trades.len(), attribute(&counted, "two-sided")), (0, Some("1")));
    let taken = try_scan(&mut node, r#","two-sided":true"#).unwrap();
    assert_eq!(attribute(&taken, "two-sided"), None);
    assert_eq!(legs(&taken), [(USDX.to_owned(), 90, TAXED.to_owned(), 100)]);
    let trader = &taken.trades[0].trader;
    assert_eq!((trader.address.as_str(), trader.evidence.as_str()), (sender.as_str(), "two-sided"));
    assert_eq!(taken.trades[0].legs[0].venue, "unknown");
}

/// The pool gave 100 of native coin; the trace shows that 97 reached the trader, by either method.
#[test]
fn a_trace_shows_what_reached_the_trader() {
    let (mut node, sender) = node_with(|user| vec![transfer(USDX, user, POOL, 90), exchange(user, [0, 1], [90, 100])]);
    name_coins(&mut node, &[USDX, NATIVE]);
    let settings = r#","traces":"native""#;
    let bought = |block: &Block| {
        let confidence = block.trades[0].attributes.iter().find(|(name, _)| name == "confidence");
        (block.trades[0].bought.raw.limb0, confidence.map(|(_, word)| word.clone()))
    };
    assert_eq!(bought(&scan(&mut node)), (100, None));
    let Err(Failure::Elsewhere(why)) = try_scan(&mut node, settings) else { panic!("the node gives no traces") };
    assert!(why.contains("the setting `traces` needs an endpoint with"), "{why}");
    let hash = node.blocks.values().next().unwrap()["receipts"][0]["transactionHash"].as_str().unwrap().to_owned();
    let paid = json!({"type": "CALL", "from": POOL, "to": sender, "value": "0x61"});
    let nested = json!({"type": "CALL", "from": sender, "to": POOL, "value": "0x0", "calls": [paid]});
    node.traces.insert(hash.clone(), nested);
    assert_eq!(bought(&try_scan(&mut node, settings).unwrap()), (97, Some("traced".to_owned())));
    let paid = json!({"callType": "call", "from": POOL, "to": sender, "value": "0x61"});
    node.traces
        .insert(hash, json!([{"action": paid, "result": {"output": "0x"}, "traceAddress": [0], "type": "call"}]));
    node.lacks.push("debug_traceTransaction");
    assert_eq!(bought(&try_scan(&mut node, settings).unwrap()), (97, Some("traced".to_owned())));
}
