//! What of one user's volume in one hour stays, and what went there and back. Pure.
//!
//! These figures are no part of the fold: they are calculated again from the trades of an hour whenever the hour has
//! changed, so that a trade costs no look-up for them and a reverted one leaves nothing behind.
//!
//! Decisions
//! * Net volume: purchases and sales of one asset within the hour are set off against each other by their worth; the sum
//!   of what remains on the side of the purchases is what stays. Dollars and native assets are assets like any other
//!   here, so that a swap of cash for cash counts too.
//! * A trade went there and back if the same user trades the same two assets the other way within the same block; and so
//!   did every trade of an hour of whose volume less than a thousandth stays. Whether somebody meant to wash by it,
//!   nobody knows; such volume is counted apart.
//! * What is left is divided evenly among the pools that a trade crossed, the last one taking what rounding leaves, so
//!   that the parts add up: whether a pool has other traders is known only when all users are looked at.

use crate::amounts::{Dollars, Quantity};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A live swap, as far as flows need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowTrade {
    /// The height of its block.
    pub height: u64,
    /// The asset that was sold.
    pub sold: String,
    /// The asset that was bought.
    pub bought: String,
    /// Its worth, where it is valued.
    pub worth: Option<Dollars>,
    /// The pools that it crossed, each once.
    pub pools: Vec<String>,
    /// The platform that it belongs to.
    pub platform: Option<String>,
    /// The worth of its platform fees.
    pub fee: Option<Dollars>,
    /// Whether it claims an implausible worth, so that it has none.
    pub implausible: bool,
}

/// The flows of one user on one chain in one hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HourFlows {
    /// What of the volume stays.
    pub net_volume: Dollars,
    /// The volume of trades that went there and back.
    pub there_and_back: Dollars,
    /// By pool, the rest of the volume; zero where nothing of it is left, since the pool was traded with all the same.
    pub pools: BTreeMap<String, Dollars>,
}

/// Of an hour's volume, this part at least must stay: one in so many.
const LEAST_PART_THAT_STAYS: u32 = 1_000;

impl HourFlows {
    /// The flows of all live swaps of an hour, in any order.
    pub fn from_trades(trades: &[FlowTrade]) -> Self {
        let mut flows = Self { net_volume: net_volume(trades), ..Self::default() };
        let volume = trades.iter().filter_map(|trade| trade.worth.as_ref()).fold(Dollars::ZERO, |sum, one| &sum + one);
        let nothing_stays = flows.net_volume.part(&LEAST_PART_THAT_STAYS.into(), &1_u32.into()) < volume;
        let directions: HashSet<(u64, &str, &str)> =
            trades.iter().map(|trade| (trade.height, trade.sold.as_str(), trade.bought.as_str())).collect();
        for trade in trades {
            let back = (trade.height, trade.bought.as_str(), trade.sold.as_str());
            let worth = trade.worth.clone().unwrap_or_default();
            if nothing_stays || directions.contains(&back) {
                flows.there_and_back += &worth;
                flows.add_to_pools(trade, Dollars::ZERO);
            } else {
                flows.add_to_pools(trade, worth);
            }
        }
        flows
    }

    /// Divides an amount evenly among the pools of a trade.
    fn add_to_pools(&mut self, trade: &FlowTrade, mut rest: Dollars) {
        let share = rest.part(&1_u32.into(), &Quantity::from(trade.pools.len()));
        for (at, pool) in trade.pools.iter().enumerate() {
            let is_last = at + 1 == trade.pools.len();
            let share = if is_last { rest.clone() } else { share.clone() };
            rest -= &share;
            *self.pools.entry(pool.clone()).or_default() += &share;
        }
    }
}

/// The sum of what was bought of each asset beyond what was sold of it.
fn net_volume(trades: &[FlowTrade]) -> Dollars {
    let mut nets: HashMap<&str, Dollars> = HashMap::new();
    for trade in trades {
        if let Some(worth) = &trade.worth {
            *nets.entry(&trade.sold).or_default() -= worth;
            *nets.entry(&trade.bought).or_default() += worth;
        }
    }
    nets.values().filter(|net| **net > Dollars::ZERO).fold(Dollars::ZERO, |sum, net| &sum + net)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `5 usd>cat 100 p1,p2`: at height 5, dollars for the cat, worth $100, through two pools; `-` for no worth.
    fn trades(lines: &[&str]) -> Vec<FlowTrade> {
        let trade = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            let (sold, bought) = words[1].split_once('>').unwrap();
            FlowTrade {
                height: words[0].parse().unwrap(),
                sold: sold.to_owned(),
                bought: bought.to_owned(),
                worth: words[2].parse().ok(),
                pools: words[3].split(',').map(str::to_owned).collect(),
                ..FlowTrade::default()
            }
        };
        lines.iter().map(trade).collect()
    }

    fn shown(lines: &[&str]) -> (String, String, String) {
        let HourFlows { net_volume, there_and_back, pools } = HourFlows::from_trades(&trades(lines));
        let pools: Vec<String> = pools.iter().map(|(pool, usd)| format!("{pool}={usd}")).collect();
        (net_volume.to_string(), there_and_back.to_string(), pools.join(" "))
    }

    fn figures(net: &str, back: &str, pools: &str) -> (String, String, String) {
        (net.to_owned(), back.to_owned(), pools.to_owned())
    }

    #[test]
    fn what_comes_back_does_not_stay() {
        for (lines, expected) in [
            (&["1 usd>cat 100 p"][..], figures("100", "0", "p=100")),
            (&["1 usd>cat 100 p", "2 cat>usd 40 p"], figures("60", "0", "p=140")),
            // A million there and a million back, in blocks of their own: nothing of the hour stays.
            (&["1 usd>cat 1000000 p", "2 cat>usd 1000000 p"], figures("0", "2000000", "p=0")),
            (&["1 usd>cat 1000000 p", "2 cat>usd 999500 p"], figures("500", "1999500", "p=0")),
            (&["1 usd>cat 1000 p", "2 cat>usd 998 p"], figures("2", "0", "p=1998")),
            // Through three assets and back to the first.
            (&["1 usd>a 50 p", "2 a>b 50 q", "3 b>usd 50 r"], figures("0", "150", "p=0 q=0 r=0")),
            // From one asset over a second to a third is a way, and no way back.
            (&["1 a>b 50 p", "1 b>c 50 q"], figures("50", "0", "p=50 q=50")),
            // There and back within a block, and another trade that stays.
            (&["1 usd>a 50 p", "1 a>usd 60 p", "1 usd>b 30 q"], figures("30", "110", "p=0 q=30")),
            (&["1 usd>a 50 p", "2 a>usd 20 p"], figures("30", "0", "p=70")),
            // Cash for cash counts like any other.
            (&["1 usd>eth 70 p", "2 eth>usd 70 p"], figures("0", "140", "p=0")),
            (&["1 usd>a - p", "2 a>b 9 q"], figures("9", "0", "p=0 q=9")),
            (
                &["1 usd>a 10 p,q,r"],
                figures("10", "0", "p=3.333333333333333333 q=3.333333333333333333 r=3.333333333333333334"),
            ),
            (&[], figures("0", "0", "")),
        ] {
            assert_eq!(shown(lines), expected, "{lines:?}");
            let mut reversed = lines.to_vec();
            reversed.reverse();
            assert_eq!(shown(&reversed), expected, "the order does not matter: {lines:?}");
        }
    }

    #[test]
    fn nothing_is_dropped() {
        let mut dice = 0x5eed_u64;
        let mut roll = |limit: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % limit
        };
        for _ in 0..500 {
            let lines: Vec<String> = (0..roll(9))
                .map(|_| {
                    format!("{} a{}>a{} {} p{},p{}", roll(3), roll(2), 2 + roll(2), roll(50), roll(3), 3 + roll(3))
                })
                .collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let flows = HourFlows::from_trades(&trades(&lines));
            let volume = trades(&lines).iter().fold(Dollars::ZERO, |sum, one| &sum + one.worth.as_ref().unwrap());
            let counted = flows.pools.values().fold(flows.there_and_back.clone(), |sum, one| &sum + one);
            assert_eq!(counted, volume, "{lines:?}");
            assert!(flows.net_volume <= volume && flows.net_volume >= Dollars::ZERO, "{lines:?}");
        }
    }
}
