//! Reference pools: what an asset cost in dollars at the end of a block.
//!
//! The price is that of the last swap of a configured pool in the block: it comes from the block's own receipts, so it is
//! proved with them, costs no request, and is the same on every replay. Where none of an asset's pools traded in a block,
//! the pools with `ask` are asked for their state at its end. That needs an endpoint with the state of the block; no other
//! answer is taken, so that it is the same on every replay too.

use crate::asking::{self, Pin};
use crate::facts::ContractFacts;
use crate::hex;
use crate::model::Amount;
use crate::pools::Pool;
use crate::rpc::{Log, Receipt};
use crate::rules::{ReferencePool, Rules};
use crate::topics::Role;
use alloy_primitives::{Address, U256, U512};
use chain_plugin_sdk::jsonrpc::{self, Call, Kind};
use chain_plugin_sdk::{Failure, Host, Span};
use std::collections::BTreeMap;

/// How much of a pool's second token one unit of its first was worth, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    second: U512,
    first: U512,
}

/// `Sync(uint112 reserve0, uint112 reserve1)`, of pools like Uniswap V2's and, with wider numbers, Solidly's; `Swap` of V3 and
/// of Pancake V3.
pub(crate) const REFERENCE_EVENTS: &[(&str, Role)] = &[
    ("Sync(uint112,uint112)", Role::Reserves),
    ("Sync(uint256,uint256)", Role::Reserves),
    ("Swap(address,address,int256,int256,uint160,uint128,int24)", Role::PriceRoot),
    ("Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)", Role::PriceRoot),
];

/// `slot0()` of pools like Uniswap V3's, `getReserves()` of those like V2's: a pool knows one of them.
const STATE_CALLS: [&str; 2] = ["0x3850c7bd", "0x0902f1ac"];

/// By pool: its price after its last event in a block.
pub(crate) fn prices(receipts: &[Receipt<'_>], references: &[ReferencePool]) -> BTreeMap<Address, Price> {
    let mut prices = BTreeMap::new();
    if references.is_empty() {
        return prices;
    }
    for log in receipts.iter().filter(|receipt| receipt.succeeded()).flat_map(|receipt| &receipt.logs) {
        let Some(Role::Reserves | Role::PriceRoot) = log.role() else { continue };
        let Some(pool) = hex::address(log.address) else { continue };
        if references.iter().any(|reference| reference.pool == pool)
            && let Some(price) = read_price(log)
        {
            prices.insert(pool, price);
        }
    }
    prices
}

fn read_price(log: &Log<'_>) -> Option<Price> {
    match log.role()? {
        Role::Reserves => hex::words::<2>(log.data).and_then(Price::from_reserves),
        Role::PriceRoot => {
            let [_, _, root, ..] = hex::first_words::<5>(log.data)?;
            Price::from_root(root)
        }
        _ => None,
    }
}

/// The pools to ask about a block: those of assets that no price of the block covers.
pub(crate) fn to_ask<'a>(
    prices: &'a BTreeMap<Address, Price>,
    references: &'a [ReferencePool],
) -> impl Iterator<Item = Address> + 'a {
    let is_priced = |asset: Address| references.iter().any(|one| one.asset == asset && prices.contains_key(&one.pool));
    references.iter().filter(move |one| one.ask && !is_priced(one.asset)).map(|one| one.pool)
}

/// Asks pools for their state at the end of blocks, all in one round; a contract that is no pool, or was none yet, has
/// no price.
pub(crate) fn ask_for_prices(
    host: &mut impl Host,
    wanted: &[(usize, Address)],
    pins: &[Pin],
    batch: usize,
    span: Span,
) -> Result<Vec<Option<Price>>, Failure> {
    let calls: Vec<Call> = wanted
        .iter()
        .flat_map(|(pin, pool)| STATE_CALLS.map(|data| asking::call_at(*pool, data, &pins[*pin])))
        .collect();
    let sent = jsonrpc::send(host, &calls, batch);
    let answer = |at: usize| match sent.parse::<Option<String>>(at).map_err(jsonrpc::Error::for_contract_call) {
        Ok(answer) => Ok(answer),
        Err(error) if error.kind == Kind::Reverted => Ok(None),
        Err(error) if error.kind == Kind::NoState => {
            let why = "a reference pool is asked at a block whose state the endpoint has not: use one that keeps it, or \
                       leave `ask` out";
            Err(Failure::Elsewhere(why.to_owned()))
        }
        Err(error) => Err(error.failure(span)),
    };
    (0..wanted.len())
        .map(|at| {
            let (slot, reserves) = (answer(2 * at)?, answer(2 * at + 1)?);
            let root = slot.and_then(hex::first_words::<1>).and_then(|[root]| Price::from_root(root));
            Ok(root.or_else(|| reserves.and_then(hex::first_words::<2>).and_then(Price::from_reserves)))
        })
        .collect()
}

impl Price {
    fn from_reserves([first, second]: [U256; 2]) -> Option<Self> {
        Self::from_parts(U512::from(first), U512::from(second))
    }

    /// The root of the price, times 2^96.
    fn from_root(root: U256) -> Option<Self> {
        Self::from_parts(U512::from(1) << 192, U512::from(root).checked_mul(U512::from(root))?)
    }

    fn from_parts(first: U512, second: U512) -> Option<Self> {
        (!first.is_zero() && !second.is_zero()).then_some(Self { second, first })
    }

    /// What an amount of the pool's first token (or its second) was worth in the other, rounded down.
    fn other(&self, raw: U256, is_first: bool) -> Option<U256> {
        let (over, under) = if is_first { (self.second, self.first) } else { (self.first, self.second) };
        let whole = U512::from(raw).checked_mul(over)? / under;
        U256::checked_from_limbs_slice(whole.as_limbs())
    }
}

/// An amount in a dollar token, by the first reference that prices its asset at the end of the block.
pub(crate) fn dollars(
    (asset, raw): Amount,
    prices: &BTreeMap<Address, Price>,
    facts: &ContractFacts,
    rules: &Rules,
) -> Option<Amount> {
    let of = |reference: &ReferencePool| {
        let Pool { tokens: [first, second], .. } = facts.pools.get(&reference.pool)?;
        let price = prices.get(&reference.pool)?;
        let (is_first, dollar) = if *first == asset { (true, *second) } else { (false, *first) };
        let is_pair = (is_first || *second == asset) && rules.is_stable(dollar);
        is_pair.then(|| price.other(raw, is_first))?.map(|worth| (dollar, worth))
    };
    rules.references.iter().filter(|reference| reference.asset == asset).find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::example::topic;
    use chain_plugin_sdk::json::Cursor;
    use chain_plugin_sdk::{Level, Request, Response, UpstreamError};

    fn price(event: usize, words: &[U256]) -> Option<Price> {
        let words: Vec<String> = words.iter().map(|word| format!("{word:064x}")).collect();
        let text = format!(
            r#"{{"address":"{}","topics":["{}"],"data":"0x{}"}}"#,
            hex::encode(Address::ZERO),
            topic(REFERENCE_EVENTS[event]),
            words.concat()
        );
        read_price(&Log::read(&mut Cursor::new(&text), crate::events::table()).unwrap())
    }

    #[test]
    fn topics_are_those_that_the_chain_has() {
        assert_eq!(topic(REFERENCE_EVENTS[0]), "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");
        assert_eq!(topic(REFERENCE_EVENTS[1]), "0xcf2aa50876cdfbb541206f89af0ee78d44a2abf8d328e37fa4917f982149848a");
    }

    /// Two pools and a contract that is no pool, at two blocks, of which one is gone from the endpoint's state.
    struct PoolNode {
        is_pruned: bool,
        asked: usize,
    }

    impl Host for PoolNode {
        fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
            self.asked += requests.len();
            let one = |call: &serde_json::Value| {
                let (id, to) = (&call["id"], call["params"][0]["to"].as_str().unwrap());
                let (data, block) = (call["params"][0]["data"].as_str().unwrap(), call["params"][1].to_string());
                let word = |number: u64| format!("{number:064x}");
                let root = || format!("{:064x}", U256::from(1) << 97);
                let result = match (to.chars().last().unwrap(), data) {
                    ('1', "0x3850c7bd") => format!(r#""result":"0x{}{}""#, root(), word(9)),
                    ('2', "0x0902f1ac") => format!(r#""result":"0x{}{}{}""#, word(100), word(300), word(9)),
                    ('3', _) => r#""result":"0x""#.to_owned(),
                    _ => r#""error":{"code":3,"message":"execution reverted"}"#.to_owned(),
                };
                let gone = r#""error":{"code":-32000,"message":"missing trie node"}"#;
                let is_gone = self.is_pruned && block.contains("0x5");
                format!(r#"{{"id":{id},{}}}"#, if is_gone { gone } else { &result })
            };
            let answered = requests.iter().map(|request| {
                let calls: serde_json::Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
                let all: Vec<String> = calls.as_array().unwrap().iter().map(one).collect();
                Ok(Response { status: 200, headers: vec![], body: format!("[{}]", all.join(",")).into_bytes() })
            });
            answered.collect()
        }
        fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
            vec![None; keys.len()]
        }
        fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}
        fn log(&mut self, _level: Level, _message: &str) {}
    }

    #[test]
    fn pools_that_did_not_trade_are_asked_what_they_were() {
        let pool = Address::with_last_byte;
        let pins = [
            Pin { height: 5, hash: String::new(), is_final: true },
            Pin { height: 6, hash: "0xabc".to_owned(), is_final: false },
        ];
        let wanted = [(0, pool(1)), (0, pool(2)), (1, pool(2)), (1, pool(3))];
        let mut node = PoolNode { is_pruned: false, asked: 0 };
        let asked = |node: &mut PoolNode| ask_for_prices(node, &wanted, &pins, 100, Span { first: 5, last: 6 });
        let prices = asked(&mut node).unwrap();
        let worth = |price: &Option<Price>| price.and_then(|price| price.other(U256::from(7), true));
        let seven = |times: u64| Some(U256::from(7 * times));
        assert_eq!(prices.iter().map(worth).collect::<Vec<_>>(), [seven(4), seven(3), seven(3), None]);
        assert_eq!(node.asked, 1, "all in one request");
        let gone = asked(&mut PoolNode { is_pruned: true, asked: 0 });
        assert!(matches!(gone, Err(Failure::Elsewhere(why)) if why.contains("state")), "another answer will not do");
    }

    #[test]
    fn only_what_nothing_prices_is_asked() {
        let [coin, gold] = [10, 11].map(Address::with_last_byte);
        let reference = |pool, asset, ask| ReferencePool { pool: Address::with_last_byte(pool), asset, ask };
        let references =
            [reference(1, coin, true), reference(2, coin, true), reference(3, gold, true), reference(4, gold, false)];
        let ask = |traded: &[u8]| {
            let price = Price::from_reserves([U256::from(1), U256::from(1)]).unwrap();
            let prices = traded.iter().map(|pool| (Address::with_last_byte(*pool), price)).collect();
            to_ask(&prices, &references).map(|pool| pool[19]).collect::<Vec<_>>()
        };
        assert_eq!(ask(&[]), [1, 2, 3]);
        assert_eq!(ask(&[2]), [3]);
        assert_eq!(ask(&[4]), [1, 2]);
    }

    #[test]
    fn reserves_and_roots_say_the_same() {
        let number = |number: u64| U256::from(number);
        let reserves = price(0, &[number(100), number(400)]).unwrap();
        let root = price(2, &[number(0), number(0), U256::from(1) << 97, number(1), number(1)]).unwrap();
        for price in [reserves, root] {
            assert_eq!(price.other(number(7), true), Some(number(28)));
            assert_eq!(price.other(number(7), false), Some(number(1)));
        }
        assert_eq!(price(0, &[number(0), number(1)]), None);
        // A price at the edge and an amount at the edge: no price, and no overflow.
        let edge = price(2, &[number(0), number(0), U256::MAX >> 96, number(1), number(1)]).unwrap();
        assert_eq!(edge.other(U256::MAX, true), None);
    }
}
