//! Compares the book with an independent oracle: every unit of every asset is an object with a cost of its own,
//! fractions are exact, and each random history is replayed from nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/trades.rs"]
mod trades;

use metrics_domain::memory::MemoryStore;
use metrics_domain::{Dollars, Limits, Method};
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use tape::{Event, Trade};
use trades::{batches, event, is_cash, is_implausible, present, run, sketch, strict_rules, trade};

/// A fraction, never reduced: histories are short.
#[derive(Clone, Debug)]
struct Ratio(BigInt, BigInt);

impl Ratio {
    fn whole(number: BigInt) -> Self {
        Self(number, BigInt::from(1))
    }

    fn add(&self, other: &Self) -> Self {
        Self(&self.0 * &other.1 + &other.0 * &self.1, &self.1 * &other.1)
    }

    fn sub(&self, other: &Self) -> Self {
        self.add(&Self(-&other.0, other.1.clone()))
    }

    fn times(&self, number: u64) -> Self {
        Self(&self.0 * number, self.1.clone())
    }

    fn over(&self, number: u64) -> Self {
        Self(self.0.clone(), &self.1 * number)
    }

    /// Whether an amount of dollars differs from this by at most `units` units of 10^-18.
    fn is_near(&self, dollars: &Dollars, units: u64) -> bool {
        let ours = Self::whole(in_units(dollars));
        let off = self.sub(&ours);
        let bound = &off.1 * units;
        -&bound <= off.0 && off.0 <= bound
    }
}

/// Dollars in units of 10^-18, parsed from their text.
fn in_units(dollars: &Dollars) -> BigInt {
    let text = dollars.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<18}").parse().unwrap()
}

/// The units of a sale that had a cost, how much that was in all, and of how many units the sale was.
#[derive(Clone)]
struct Given {
    known: u64,
    cost: Ratio,
    of: u64,
}

/// One asset of one trader: the cost of each unit that has one, and the number of units without.
#[derive(Default)]
struct Purse {
    known: VecDeque<Ratio>,
    unknown: u64,
    pnl: Option<Ratio>,
    without: Option<Ratio>,
    unpaid: Option<Ratio>,
    ever_known: u64,
    steps: u64,
}

fn zero() -> Ratio {
    Ratio::whole(BigInt::ZERO)
}

impl Purse {
    /// Units that were paid with dollars, or with units of another asset whose cost they take over.
    fn buy(&mut self, raw: u64, worth: Option<&Ratio>, given: Option<&Given>, method: Method) {
        let (known, cost) = match (worth, given) {
            (Some(worth), _) => (raw, worth.clone()),
            (None, Some(given)) => ((raw * given.known).div_ceil(given.of), given.cost.clone()),
            (None, None) => (0, zero()),
        };
        self.known.extend((0..known).map(|_| cost.over(known)));
        self.ever_known += known;
        self.unknown += raw - known;
        self.average_costs(method);
    }

    fn sell(&mut self, raw: u64, worth: Option<&Ratio>, method: Method) -> Given {
        let known = raw.min(self.known.len() as u64);
        let cost = (0..known).fold(zero(), |sum, _| sum.add(&self.known.pop_front().unwrap()));
        let cost = reduced(&cost);
        self.unknown -= (raw - known).min(self.unknown);
        if let Some(worth) = worth {
            let proceeds = worth.over(raw).times(known);
            let (pnl, without) = (self.pnl.take().unwrap_or_else(zero), self.without.take().unwrap_or_else(zero));
            self.pnl = Some(pnl.add(&proceeds.sub(&cost)));
            self.without = Some(without.add(&worth.sub(&proceeds)));
        }
        self.average_costs(method);
        Given { known, cost, of: raw }
    }

    /// With the average method, every unit costs the average of all.
    fn average_costs(&mut self, method: Method) {
        self.steps += 1;
        if method == Method::Average && !self.known.is_empty() {
            let count = self.known.len() as u64;
            let sum = self.known.iter().fold(zero(), |sum, one| sum.add(one));
            let each = reduced(&sum).over(count);
            self.known.iter_mut().for_each(|one| one.clone_from(&each));
        }
    }

    fn basis(&self) -> Ratio {
        self.known.iter().fold(zero(), |sum, one| sum.add(one))
    }
}

/// Lowest terms, so that sums of sums stay small.
fn reduced(ratio: &Ratio) -> Ratio {
    let (mut a, mut b) = (if ratio.0 < BigInt::ZERO { -&ratio.0 } else { ratio.0.clone() }, ratio.1.clone());
    while b != BigInt::ZERO {
        let rest = &a % &b;
        a = std::mem::replace(&mut b, rest);
    }
    if a == BigInt::ZERO { ratio.clone() } else { Ratio(&ratio.0 / &a, &ratio.1 / &a) }
}

type Key = (String, String, String);

fn purses(trades: &[Trade], method: Method) -> BTreeMap<Key, Purse> {
    let mut purses: BTreeMap<Key, Purse> = BTreeMap::new();
    for trade in trades {
        if trade.kind == Trade::CYCLE || trade.sold.asset == trade.bought.asset {
            continue;
        }
        let valuation = trade.valuation.as_ref().filter(|_| !is_implausible(trade));
        let worth = valuation.map(|valuation| Ratio::whole(BigInt::from(valuation.notional.0)));
        let key = |asset: &str| (trade.trader.address.clone(), trade.chain.to_string(), asset.to_owned());
        let mut given = None;
        if !is_cash(trade, &trade.sold) {
            let purse = purses.entry(key(&trade.sold.asset)).or_default();
            let one = purse.sell(trade.sold.raw.to(), worth.as_ref(), method);
            if worth.is_none() && is_cash(trade, &trade.bought) {
                purse.unpaid = Some(purse.unpaid.take().unwrap_or_else(zero).add(&one.cost));
            }
            given = Some(one);
        }
        if !is_cash(trade, &trade.bought) {
            let purse = purses.entry(key(&trade.bought.asset)).or_default();
            purse.buy(trade.bought.raw.to(), worth.as_ref(), given.as_ref(), method);
        }
    }
    purses
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_book_agrees_with_single_units(
        pool in vec(sketch(), 1..24),
        steps in vec((any::<prop::sample::Index>(), prop::bool::weighted(0.75)), 0..60),
        cuts in vec(0..9_usize, 0..12),
        fifo in any::<bool>(),
    ) {
        // A purchase of zero units has no unit to carry its cost; the unit tests of the rule cover it.
        let pool: Vec<_> = pool.into_iter().map(|mut one| {
            one.sold.1 += 1;
            one.bought.1 += 1;
            one
        }).collect();
        let events: Vec<Event> = steps.iter().enumerate().map(|(at, (which, present))| {
            let number = which.index(pool.len());
            event(trade(&pool[number], number, false), *present, at)
        }).collect();
        let method = if fifo { Method::Fifo } else { Method::Average };
        let store = MemoryStore::with_rules(strict_rules(method));
        run(batches(&events, &cuts), &store, Limits { events: 5, remembered: 9 });
        let state = store.state();
        let expected = purses(&present(&events), method);
        let total_steps: u64 = expected.values().map(|purse| purse.steps).sum();
        let live = state.books.iter().filter(|(_, book)| book.trades > 0);
        prop_assert_eq!(live.count(), expected.len());
        for ((trader, chain, asset), purse) in expected {
            let (_, book) = state.books.iter().find(|(key, _)| {
                *key.user.trader == *trader && *key.user.chain == *chain && *key.asset == *asset
            }).unwrap();
            prop_assert_eq!(book.holding.quantity.to_string(), purse.known.len().to_string());
            prop_assert_eq!(book.holding.unknown.to_string(), purse.unknown.to_string());
            prop_assert_eq!(book.bought.to_string(), purse.ever_known.to_string());
            // Each rounding of a step may be off by half a unit: of the proceeds, of the basis, of a parcel's part. What a
            // swap without a worth hands on is off by what the other asset was off by.
            let tolerance = 2 * total_steps + 1;
            prop_assert!(purse.unpaid.clone().unwrap_or_else(zero).is_near(&book.realized.basis_without_proceeds, tolerance));
            prop_assert!(purse.basis().is_near(&book.holding.basis, tolerance));
            prop_assert!(purse.pnl.unwrap_or_else(zero).is_near(&book.realized.pnl, tolerance));
            prop_assert!(purse.without.unwrap_or_else(zero).is_near(&book.realized.without_basis, tolerance));
        }
    }
}
