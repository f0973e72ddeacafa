//! Prices in dollars and candles: what the live swaps of a minute say of each asset that they traded. Pure.
//!
//! These figures are no part of the fold: the candles of a minute are calculated again from its stored trades whenever
//! one of them came or went, so that a trade costs no look-up for them, and a reorg leaves nothing behind although open
//! and close are no sums.
//!
//! Decisions
//! * A price is a fraction, dollars for so many smallest units: exact whatever the decimals are, or if nobody knows them.
//! * The price in a block is weighted by volume: the worth of its swaps over the quantity. A swap takes part if its worth
//!   reaches the floor. Of three or more such swaps of an asset in a minute, those whose own price is more than `band` times
//!   above or below their median take no part either; fewer have nothing to be judged by. A swap that takes no part still
//!   counts in volume and trades.
//! * Open and close are the prices in the first and the last block, high and low the extremes among blocks. Hours are joined
//!   from minutes, days from hours.
//! * The current price is the newest close of a minute, judged by the same band against the newest five: one swap in a
//!   minute of its own must not set the price of a thinly traded asset.

use crate::amounts::{Dollars, Quantity};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Which trades make prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRules {
    /// A swap that is worth less takes no part in prices.
    pub floor: Dollars,
    /// A price that is more than so many times above or below the median is an outlier.
    pub band: u32,
}

/// What one smallest unit of an asset is worth: dollars over a quantity, never reduced or rounded. Two are equal if both
/// numbers are; [`Price::compare`] compares values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    usd: Dollars,
    raw: Quantity,
}

/// A live swap, as far as prices need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedTrade {
    /// The height of its block.
    pub height: u64,
    /// The time of its block, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The asset that was sold, and how much of it.
    pub sold: (String, Quantity),
    /// The asset that was bought, and how much of it.
    pub bought: (String, Quantity),
    /// Its worth, where it is valued.
    pub worth: Option<Dollars>,
}

/// The prices of a candle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandlePrices {
    /// In the first block.
    pub open: Price,
    /// The highest of a block.
    pub high: Price,
    /// The lowest of a block.
    pub low: Price,
    /// In the last block.
    pub close: Price,
    /// The height of the last block.
    pub close_height: u64,
    /// The time of the last block, milliseconds since the Unix epoch.
    pub close_ms: u64,
}

/// What happened to an asset in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candle {
    /// None where no swap takes part in prices.
    pub prices: Option<CandlePrices>,
    /// The worth of all valued swaps.
    pub volume: Dollars,
    /// Swaps, valued or not.
    pub trades: u64,
    /// Those that take part in prices.
    pub priced: u64,
}

/// How long a candle lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CandleSpan {
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// One day, UTC.
    Day,
}

/// Swaps, or minutes, below which nothing is judged to be an outlier.
const LEAST_TO_JUDGE: usize = 3;
/// Minutes whose closes the current price is judged by.
pub const MINUTES_JUDGED_BY: usize = 5;

impl PriceRules {
    /// The candle of each asset in one minute, from all its live swaps, in any order.
    pub fn minute_candles(&self, trades: &[PricedTrade]) -> BTreeMap<String, Candle> {
        let mut sides: BTreeMap<&str, Vec<(&PricedTrade, &Quantity)>> = BTreeMap::new();
        for trade in trades {
            for (asset, raw) in [&trade.sold, &trade.bought] {
                sides.entry(asset).or_default().push((trade, raw));
            }
        }
        sides.into_iter().map(|(asset, sides)| (asset.to_owned(), self.minute_candle(&sides))).collect()
    }

    fn minute_candle(&self, sides: &[(&PricedTrade, &Quantity)]) -> Candle {
        let worths = sides.iter().filter_map(|(trade, _)| trade.worth.as_ref());
        let volume = worths.fold(Dollars::ZERO, |sum, worth| &sum + worth);
        let price_of = |(trade, raw): &(&PricedTrade, &Quantity)| {
            let worth = trade.worth.as_ref().filter(|worth| **worth >= self.floor && **worth > Dollars::ZERO)?;
            Some((trade.height, trade.time_ms, Price::new(worth.clone(), (*raw).clone())?))
        };
        let mut prices: Vec<_> = sides.iter().filter_map(price_of).collect();
        if let Some(median) = median(prices.iter().map(|(_, _, price)| price)) {
            let median = median.clone();
            prices.retain(|(_, _, price)| !self.is_outlier(price, &median));
        }
        let mut blocks: BTreeMap<u64, (u64, Price)> = BTreeMap::new();
        for (height, time_ms, price) in &prices {
            let block = blocks.entry(*height).or_insert_with(|| (*time_ms, Price::nothing()));
            block.0 = block.0.max(*time_ms);
            block.1.usd += &price.usd;
            block.1.raw += &price.raw;
        }
        let mut candle = Candle { prices: None, volume, trades: sides.len() as u64, priced: prices.len() as u64 };
        for (height, (time_ms, price)) in blocks {
            candle.append(&CandlePrices {
                open: price.clone(),
                high: price.clone(),
                low: price.clone(),
                close: price,
                close_height: height,
                close_ms: time_ms,
            });
        }
        candle
    }

    /// The current price, from the newest minutes that have prices, newest first.
    pub fn current_price<'a>(&self, newest: &'a [CandlePrices]) -> Option<&'a CandlePrices> {
        let newest = newest.get(..MINUTES_JUDGED_BY).unwrap_or(newest);
        match median(newest.iter().map(|minute| &minute.close)) {
            Some(median) => newest.iter().find(|minute| !self.is_outlier(&minute.close, median)),
            None => newest.first(),
        }
    }

    fn is_outlier(&self, price: &Price, median: &Price) -> bool {
        price.is_more_than(self.band, median) || median.is_more_than(self.band, price)
    }
}

impl Default for PriceRules {
    fn default() -> Self {
        Self { floor: tape::Usd::ONE.into(), band: 2 }
    }
}

/// The lower median; none of fewer than can be judged.
fn median<'a>(prices: impl Iterator<Item = &'a Price>) -> Option<&'a Price> {
    let mut prices: Vec<&Price> = prices.collect();
    if prices.len() < LEAST_TO_JUDGE {
        return None;
    }
    prices.sort_by(|a, b| a.compare(b));
    prices.get((prices.len() - 1) / 2).copied()
}

impl Price {
    /// So many dollars for so many smallest units; none for no units.
    pub fn new(usd: Dollars, raw: Quantity) -> Option<Self> {
        (raw != Quantity::ZERO).then_some(Self { usd, raw })
    }

    /// The dollars.
    pub fn usd(&self) -> &Dollars {
        &self.usd
    }

    /// The quantity that they are for, never zero.
    pub fn raw(&self) -> &Quantity {
        &self.raw
    }

    fn nothing() -> Self {
        Self { usd: Dollars::ZERO, raw: Quantity::ZERO }
    }

    /// Compares by value: 1 dollar for 2 units is 2 dollars for 4.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.usd.times(&other.raw).cmp(&other.usd.times(&self.raw))
    }

    fn is_more_than(&self, times: u32, other: &Self) -> bool {
        self.usd.times(&other.raw) > other.usd.times(&(&self.raw * times))
    }
}

impl Candle {
    /// The candle of a longer stretch, from those that it is made of, in the order of time; none of none.
    pub fn join<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut joined: Option<Self> = None;
        for part in parts {
            let whole = joined.get_or_insert_default();
            whole.volume += &part.volume;
            whole.trades += part.trades;
            whole.priced += part.priced;
            if let Some(later) = &part.prices {
                whole.append(later);
            }
        }
        joined
    }

    /// Appends later prices. Of equal extremes the earlier one stays.
    fn append(&mut self, later: &CandlePrices) {
        let Some(prices) = &mut self.prices else {
            self.prices = Some(later.clone());
            return;
        };
        if later.high.compare(&prices.high).is_gt() {
            prices.high = later.high.clone();
        }
        if later.low.compare(&prices.low).is_lt() {
            prices.low = later.low.clone();
        }
        prices.close = later.close.clone();
        (prices.close_height, prices.close_ms) = (later.close_height, later.close_ms);
    }
}

impl CandleSpan {
    /// All, from the shortest on.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its name in tables and requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    /// How many minutes it lasts.
    pub fn minutes(self) -> u64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 24 * 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(usd: &str, raw: u32) -> Price {
        Price::new(usd.parse().unwrap(), raw.into()).unwrap()
    }

    /// `5:cat*10@20` sells 10 cat at height 5 for 20 dollars.
    fn trades(text: &str) -> Vec<PricedTrade> {
        let trade = |word: &str| {
            let (height, rest) = word.split_once(':').unwrap();
            let (asset, rest) = rest.split_once('*').unwrap();
            let (raw, worth) = rest.split_once('@').unwrap();
            let height: u64 = height.parse().unwrap();
            PricedTrade {
                height,
                time_ms: 1_000 * height,
                sold: (asset.to_owned(), raw.parse().unwrap()),
                bought: ("$usd".to_owned(), 1_u32.into()),
                worth: (worth != "?").then(|| worth.parse().unwrap()),
            }
        };
        text.split_whitespace().map(trade).collect()
    }

    /// Open, high, low and close of cat, each for ten units; volume; swaps; those that take part.
    fn cat(text: &str) -> (Option<[String; 4]>, String, u64, u64) {
        let candles = PriceRules::default().minute_candles(&trades(text));
        let candle = candles.get("cat").unwrap();
        let of_ten = |price: &Price| price.usd().part(&10_u32.into(), price.raw()).to_string();
        let prices = candle.prices.as_ref().map(|it| [&it.open, &it.high, &it.low, &it.close].map(of_ten));
        (prices, candle.volume.to_string(), candle.trades, candle.priced)
    }

    fn expected(prices: [&str; 4], volume: &str, trades: u64, priced: u64) -> (Option<[String; 4]>, String, u64, u64) {
        (Some(prices.map(str::to_owned)), volume.to_owned(), trades, priced)
    }

    #[test]
    fn golden_candles() {
        for (text, candle) in [
            ("5:cat*10@20", expected(["20"; 4], "20", 1, 1)),
            // Within a block the price is weighted by volume: 10 for 20 and 30 for 36 are 40 for 56.
            ("5:cat*10@20 5:cat*30@36", expected(["14"; 4], "56", 2, 2)),
            ("7:cat*10@30 5:cat*10@20 6:cat*10@40 8:cat*10@25", expected(["20", "40", "20", "25"], "115", 4, 4)),
            // Below the floor of a dollar, and without a worth: in no price, but counted.
            ("5:cat*10@20 6:cat*1@0.99 6:cat*5@?", expected(["20"; 4], "20.99", 3, 1)),
            ("5:cat*10@20 6:cat*1@1", expected(["20", "20", "10", "10"], "21", 2, 2)),
            ("5:cat*10@20 6:cat*0@40", expected(["20"; 4], "60", 2, 1)),
            // Twice the median is within the band, more than that is not; two have no median.
            ("5:cat*10@20 6:cat*10@21 7:cat*10@42", expected(["20", "42", "20", "42"], "83", 3, 3)),
            ("5:cat*10@20 6:cat*10@21 7:cat*10@42.01", expected(["20", "21", "20", "21"], "83.01", 3, 2)),
            ("5:cat*10@20 6:cat*10@21 7:cat*10@10.5", expected(["20", "21", "10.5", "10.5"], "51.5", 3, 3)),
            ("5:cat*100@9 6:cat*10@21 7:cat*10@20", expected(["21", "21", "20", "20"], "50", 3, 2)),
            ("5:cat*10@20 7:cat*10@9000", expected(["20", "9000", "20", "9000"], "9020", 2, 2)),
        ] {
            assert_eq!(cat(text), candle, "{text}");
        }
        assert_eq!(cat("5:cat*10@0.5 5:cat*10@?"), (None, "0.5".to_owned(), 2, 0));
    }

    #[test]
    fn the_current_price_is_the_newest_that_is_no_outlier() {
        let minute = |usd: &str| {
            let one = price(usd, 10);
            CandlePrices {
                open: one.clone(),
                high: one.clone(),
                low: one.clone(),
                close: one,
                close_height: 0,
                close_ms: 0,
            }
        };
        for (newest_first, current) in [
            ("", None),
            ("5", Some("5")),
            ("900 5", Some("900")),
            ("900 5 6", Some("5")),
            ("0.01 5 6", Some("5")),
            ("12 5 6 7 8", Some("12")),
            ("15 5 6 7 8", Some("5")),
            // A price that stays is believed after three minutes.
            ("900 900 5 6 7", Some("5")),
            ("900 900 900 6 7", Some("900")),
            ("900 5 6 800 850 700", Some("900")),
        ] {
            let minutes: Vec<CandlePrices> = newest_first.split_whitespace().map(minute).collect();
            let found = PriceRules::default().current_price(&minutes).map(|minute| minute.close.clone());
            assert_eq!(found, current.map(|usd| price(usd, 10)), "{newest_first}");
        }
    }

    #[test]
    fn prices_are_compared_by_value() {
        for (one, other, order) in [
            (price("1", 2), price("2", 4), Ordering::Equal),
            (price("1", 3), price("1", 2), Ordering::Less),
            (price("0.000000000000000001", 1), price("1", u32::MAX), Ordering::Less),
        ] {
            assert_eq!((one.compare(&other), other.compare(&one)), (order, order.reverse()));
        }
        assert!(Price::new(Dollars::ZERO, Quantity::ZERO).is_none());
    }

    #[test]
    fn candles_are_joined_in_order() {
        let minute = |text: &str| PriceRules::default().minute_candles(&trades(text)).remove("cat").unwrap();
        let parts =
            [minute("1:cat*10@0.1"), minute("5:cat*10@20 6:cat*10@30"), minute("9:cat*10@25"), minute("9:cat*1@?")];
        let joined = Candle::join(&parts).unwrap();
        let prices = joined.prices.clone().unwrap();
        assert_eq!(
            [prices.open, prices.high, prices.low, prices.close],
            ["20", "30", "20", "25"].map(|usd| price(usd, 10))
        );
        assert_eq!((prices.close_height, prices.close_ms), (9, 9_000));
        assert_eq!((joined.volume, joined.trades, joined.priced), ("75.1".parse().unwrap(), 5, 3));
        assert_eq!(Candle::join(&[]), None);
    }
}
