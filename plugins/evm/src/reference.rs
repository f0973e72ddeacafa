//! Reference pools: what an asset cost in dollars at a block, by the last swap of a configured pool in that block.
//!
//! The price comes from the block's own receipts, so it is proved with them, costs no request, and is the same on every
//! replay. A block in which the pool did not trade gives no price.

use crate::facts::Facts;
use crate::hex;
use crate::net::Amount;
use crate::pools::Pool;
use crate::rpc::{Log, Receipt};
use crate::settings::Rules;
use alloy_primitives::{Address, U256, U512, keccak256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A pool, and the asset that it prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// A pool of the asset and a dollar token, in the manner of Uniswap V2 or V3.
    pub pool: Address,
    /// What is priced.
    pub asset: Address,
}

/// How much of a pool's second token one unit of its first was worth, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    second: U512,
    first: U512,
}

/// `Sync(uint112 reserve0, uint112 reserve1)`, of pools like Uniswap V2's and, with wider numbers, Solidly's; `Swap` of V3 and
/// of Pancake V3.
static TOPICS: LazyLock<[String; 4]> = LazyLock::new(|| {
    [
        "Sync(uint112,uint112)",
        "Sync(uint256,uint256)",
        "Swap(address,address,int256,int256,uint160,uint128,int24)",
        "Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)",
    ]
    .map(|signature| hex::spell(keccak256(signature)))
});

/// By pool: its price behind its last event of a block.
pub fn prices(receipts: &[Receipt<'_>], references: &[Reference]) -> BTreeMap<Address, Price> {
    let mut prices = BTreeMap::new();
    if references.is_empty() {
        return prices;
    }
    for log in receipts.iter().filter(|receipt| receipt.succeeded()).flat_map(|receipt| &receipt.logs) {
        let Some(pool) = hex::address(log.address) else { continue };
        if references.iter().any(|reference| reference.pool == pool)
            && let Some(price) = read(log)
        {
            prices.insert(pool, price);
        }
    }
    prices
}

fn read(log: &Log<'_>) -> Option<Price> {
    let first = log.topics.as_slice().first()?;
    let (first, second) = match TOPICS.iter().position(|topic| first.eq_ignore_ascii_case(topic.as_bytes()))? {
        0 | 1 => {
            let [first, second] = hex::words::<2>(log.data)?;
            (U512::from(first), U512::from(second))
        }
        _ => {
            let [_, _, root, ..] = hex::first_words::<5>(log.data)?;
            (U512::from(1) << 192, U512::from(root).checked_mul(U512::from(root))?)
        }
    };
    (!first.is_zero() && !second.is_zero()).then_some(Price { second, first })
}

impl Price {
    /// What an amount of the pool's first token (or its second) was worth in the other, rounded down.
    fn other(&self, raw: U256, is_first: bool) -> Option<U256> {
        let (over, under) = if is_first { (self.second, self.first) } else { (self.first, self.second) };
        let whole = U512::from(raw).checked_mul(over)? / under;
        U256::checked_from_limbs_slice(whole.as_limbs())
    }
}

/// An amount in a dollar token, by the first reference that prices its asset and traded in the block.
pub fn dollars(
    (asset, raw): Amount,
    prices: &BTreeMap<Address, Price>,
    facts: &Facts,
    rules: &Rules,
) -> Option<Amount> {
    let of = |reference: &Reference| {
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
    use chain_plugin_sdk::json::Cursor;

    fn price(topic: usize, words: &[U256]) -> Option<Price> {
        let words: Vec<String> = words.iter().map(|word| format!("{word:064x}")).collect();
        let text = format!(
            r#"{{"address":"{}","topics":["{}"],"data":"0x{}"}}"#,
            hex::spell(Address::ZERO),
            TOPICS[topic],
            words.concat()
        );
        read(&Log::read(&mut Cursor::new(&text)).unwrap())
    }

    #[test]
    fn topics_are_those_that_the_chain_has() {
        assert_eq!(TOPICS[0], "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");
        assert_eq!(TOPICS[1], "0xcf2aa50876cdfbb541206f89af0ee78d44a2abf8d328e37fa4917f982149848a");
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
        // A price at the edge and an amount at the edge: no worth, no trap.
        let edge = price(2, &[number(0), number(0), U256::MAX >> 96, number(1), number(1)]).unwrap();
        assert_eq!(edge.other(U256::MAX, true), None);
    }
}
