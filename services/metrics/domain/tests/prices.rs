//! Candles hold their promises for any trades: order and division make no difference, and no price is made up.
#![expect(clippy::unwrap_used, reason = "tests")]

use metrics_domain::{Candle, Dollars, Price, PriceRules, PricedTrade, Quantity};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Trades of cat and dog in three blocks, of small amounts and of very large ones.
fn trade() -> impl Strategy<Value = PricedTrade> {
    let asset = prop_oneof![Just("cat"), Just("dog"), Just("eel")];
    let quantity = prop_oneof![Just(0_u128), 1..5_u128, 1..u128::MAX];
    let worth = prop_oneof![Just(None), (0..400_u64).prop_map(Some), (0..u64::MAX).prop_map(Some)];
    (0..3_u64, asset, quantity.clone(), quantity, worth).prop_map(|(height, asset, sold, bought, cents)| PricedTrade {
        height,
        time_ms: 10 * height,
        sold: (asset.to_owned(), sold.into()),
        bought: ("$usd".to_owned(), bought.into()),
        worth: cents.map(|cents| format!("{}.{:02}", cents / 100, cents % 100).parse().unwrap()),
    })
}

fn candles(trades: &[PricedTrade]) -> BTreeMap<String, Candle> {
    PriceRules::default().minute_candles(trades)
}

fn prices(candle: &Candle) -> Vec<&Price> {
    candle.prices.iter().flat_map(|prices| [&prices.open, &prices.high, &prices.low, &prices.close]).collect()
}

proptest! {
    #[test]
    fn the_order_of_trades_makes_no_difference(trades in vec(trade(), 0..12), turn in 0..12_usize) {
        let mut turned = trades.clone();
        turned.rotate_left(turn.min(trades.len()));
        let reversed: Vec<PricedTrade> = trades.iter().rev().cloned().collect();
        prop_assert_eq!(candles(&trades), candles(&turned));
        prop_assert_eq!(candles(&trades), candles(&reversed));
    }

    #[test]
    fn every_swap_counts_and_no_price_is_made_up(trades in vec(trade(), 0..12)) {
        let rules = PriceRules::default();
        for (asset, candle) in candles(&trades) {
            let sides = || trades.iter().flat_map(|trade| [(trade, &trade.sold), (trade, &trade.bought)])
                .filter(|(_, (one, _))| *one == asset);
            let volume = sides().filter_map(|(trade, _)| trade.worth.as_ref()).fold(Dollars::ZERO, |sum, one| &sum + one);
            prop_assert_eq!((candle.trades, &candle.volume), (sides().count() as u64, &volume));
            prop_assert_eq!(candle.prices.is_some(), candle.priced > 0);
            let eligible: Vec<Price> = sides()
                .filter_map(|(trade, (_, raw))| Price::new(trade.worth.clone().filter(|it| *it >= rules.floor)?, raw.clone()))
                .collect();
            prop_assert!(candle.priced <= eligible.len() as u64);
            for price in prices(&candle) {
                // A price that is weighted lies between the prices that it is made of.
                prop_assert!(eligible.iter().any(|one| one.compare(price).is_le()));
                prop_assert!(eligible.iter().any(|one| one.compare(price).is_ge()));
            }
            if let Some(found) = &candle.prices {
                let all = prices(&candle);
                prop_assert!(all.iter().all(|one| one.compare(&found.high).is_le() && one.compare(&found.low).is_ge()));
                prop_assert!(found.high.raw() > &Quantity::ZERO && found.low.raw() > &Quantity::ZERO);
            }
        }
    }

    #[test]
    fn candles_are_joined_alike_in_one_step_or_in_two(minutes in vec(vec(trade(), 0..4), 0..6), cut in 0..6_usize) {
        let of_cat: Vec<Candle> = minutes.iter().filter_map(|trades| candles(trades).remove("cat")).collect();
        let (first, second) = of_cat.split_at(cut.min(of_cat.len()));
        let halves: Vec<Candle> = [Candle::join(first), Candle::join(second)].into_iter().flatten().collect();
        prop_assert_eq!(Candle::join(&of_cat), Candle::join(&halves));
    }
}
