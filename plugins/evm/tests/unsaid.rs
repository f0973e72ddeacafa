//! Tokens that a pool's event does not name: the pool's own word counts, its coins by their numbers and its key by its hash.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use alloy_primitives::{U256, hex, keccak256};
use chain_plugin_sdk::{Block, Context, Plugin, Span};
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
    let height = *node.blocks.keys().next().unwrap();
    let attributes = vec![("finalized".to_owned(), height.to_string())];
    let context = Context { settings: r#"{"verify":"none"}"#.to_owned(), now_ms: 0, attributes };
    Evm::scan(node, &context, Span { first: height, last: height }).unwrap().blocks.remove(0)
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
