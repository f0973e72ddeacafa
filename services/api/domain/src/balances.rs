//! What wallets hold in dollars, as providers tell: which price is used, the sums, and their history by the day.
//!
//! * The tape's own price is used; a provider's where the tape has none, or where it is more than a day newer. Which one it is,
//!   and how old, is told with each figure, and what the other says stands beside it.
//! * Without a price there is no figure: such a balance is counted. So is spam, whose price its makers set, and what is worth
//!   more than anybody holds, whose price is wrong.
//! * At the end of a day a wallet holds what its newest snapshot until then said, at the newest prices until then.

use crate::query::HOUR_MS;
use crate::worth::AssetPrice;
use num_bigint::BigUint;
use std::collections::BTreeMap;
use tape::Usd;

/// What is said of the price of a balance's asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancePrices {
    /// By the tape's own trades.
    pub tape: Option<AssetPrice>,
    /// By a provider's word.
    pub told: Option<ToldPrice>,
}

/// A price by a provider's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldPrice {
    /// The price; its time is that of which the provider says it is.
    pub price: AssetPrice,
    /// The provider.
    pub provider: String,
}

/// A balance, as far as its worth needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBalance {
    /// Id of the chain.
    pub chain: String,
    /// Smallest units.
    pub raw: BigUint,
    /// Whether a provider calls it spam.
    pub is_spam: bool,
    /// What is said of the price of its asset.
    pub prices: BalancePrices,
}

/// Sums over balances that are more than nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalanceTotals {
    /// Of balances with a price.
    pub value: Usd,
    /// How many these are.
    pub priced: u64,
    /// Balances without a price, in no sum.
    pub unpriced: u64,
    /// Balances that a provider calls spam, in no sum.
    pub spam: u64,
    /// Balances whose price makes them worth more than anybody holds, in no sum.
    pub implausible: u64,
    /// The time of the oldest price, milliseconds since the Unix epoch.
    pub oldest_price_at: Option<u64>,
    /// By the source of the price, how many balances there are, and what they are worth.
    pub by_source: BTreeMap<String, (u64, Usd)>,
    /// The sum exceeds the largest amount that is served and is cut to it.
    pub saturated: bool,
}

/// A balance at the end of a day on which it changed; until the next one it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceOfDay {
    /// Id of the chain.
    pub chain: String,
    /// The asset.
    pub asset: String,
    /// Days since 1970-01-01, UTC.
    pub day: u64,
    /// Smallest units.
    pub raw: BigUint,
    /// Whether a provider called it spam.
    pub is_spam: bool,
}

/// A price as it was at the end of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceOfDay {
    /// Id of the chain.
    pub chain: String,
    /// The asset.
    pub asset: String,
    /// Days since 1970-01-01, UTC.
    pub day: u64,
    /// The price.
    pub price: AssetPrice,
    /// The provider that told it; none where it is of the tape.
    pub provider: Option<String>,
}

/// The source of prices by the tape's own trades.
pub const TAPE: &str = "tape";
/// A provider's price is used where the tape's is so much older.
const MAX_AGE_BEHIND_TOLD_MS: u64 = 24 * HOUR_MS;
/// What one balance may be worth at most, a trillion dollars. The largest that is known is far below.
const MAX_BALANCE_WORTH: Usd = Usd(Usd::ONE.0 * 1_000_000_000_000);

impl BalancePrices {
    /// The price that is used, and its source.
    pub fn used(&self) -> Option<(&AssetPrice, &str)> {
        let told = self.told.as_ref().map(|told| (&told.price, told.provider.as_str()));
        let Some(tape) = &self.tape else { return told };
        let newer = told.filter(|(price, _)| price.at > tape.at.saturating_add(MAX_AGE_BEHIND_TOLD_MS));
        newer.or(Some((tape, TAPE)))
    }

    /// All prices, each with its source.
    pub fn each(&self) -> impl Iterator<Item = (&AssetPrice, &str)> {
        let told = self.told.as_ref().map(|told| (&told.price, told.provider.as_str()));
        self.tape.as_ref().map(|price| (price, TAPE)).into_iter().chain(told)
    }
}

/// What a balance is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceWorth<'a> {
    /// So many dollars, by this price and source.
    Known(Usd, &'a AssetPrice, &'a str),
    /// Nobody says.
    Unpriced,
    /// More than anybody holds: the price is wrong.
    Implausible,
}

/// What so many smallest units are worth.
pub fn balance_worth<'a>(raw: &BigUint, prices: &'a BalancePrices) -> BalanceWorth<'a> {
    let Some((price, source)) = prices.used() else { return BalanceWorth::Unpriced };
    match price.value_of(raw).filter(|value| *value <= MAX_BALANCE_WORTH) {
        Some(value) => BalanceWorth::Known(value, price, source),
        None => BalanceWorth::Implausible,
    }
}

impl BalanceTotals {
    /// The sums over balances.
    pub fn of_balances<'a>(balances: impl IntoIterator<Item = &'a HeldBalance>) -> Self {
        let mut totals = Self::default();
        for balance in balances {
            totals.add(&balance.raw, balance.is_spam, &balance.prices);
        }
        totals
    }

    fn add(&mut self, raw: &BigUint, is_spam: bool, prices: &BalancePrices) {
        if *raw == BigUint::ZERO {
            return;
        }
        match balance_worth(raw, prices) {
            _ if is_spam => self.spam += 1,
            BalanceWorth::Unpriced => self.unpriced += 1,
            BalanceWorth::Implausible => self.implausible += 1,
            BalanceWorth::Known(value, price, source) => {
                self.priced += 1;
                self.value = self.sum(self.value, value);
                self.oldest_price_at = self.oldest_price_at.into_iter().chain([price.at]).min();
                self.add_by_source(source, 1, value);
            }
        }
    }

    /// The sums of both.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.value = self.sum(self.value, other.value);
        self.priced += other.priced;
        self.unpriced += other.unpriced;
        self.spam += other.spam;
        self.implausible += other.implausible;
        self.oldest_price_at = self.oldest_price_at.into_iter().chain(other.oldest_price_at).min();
        for (source, (count, value)) in &other.by_source {
            self.add_by_source(source, *count, *value);
        }
        self.saturated |= other.saturated;
        self
    }

    fn add_by_source(&mut self, source: &str, count: u64, value: Usd) {
        let (known, of_source) = self.by_source.get(source).copied().unwrap_or_default();
        let of_source = self.sum(of_source, value);
        self.by_source.insert(source.to_owned(), (known + count, of_source));
    }

    fn sum(&mut self, a: Usd, b: Usd) -> Usd {
        self.saturated |= a.0.checked_add(b.0).is_none();
        Usd(a.0.saturating_add(b.0))
    }
}

/// The balances and prices of one asset, each by the day from which on it holds.
#[derive(Default)]
struct AssetDays<'a> {
    held: BTreeMap<u64, &'a BalanceOfDay>,
    tape: BTreeMap<u64, &'a PriceOfDay>,
    told: BTreeMap<u64, &'a PriceOfDay>,
}

/// What one wallet was worth at the end of each day from `first` to `last`, without the days before it was first seen.
pub fn worth_of_days(
    held: &[BalanceOfDay],
    prices: &[PriceOfDay],
    first: u64,
    last: u64,
) -> BTreeMap<u64, BalanceTotals> {
    let mut assets: BTreeMap<(&str, &str), AssetDays> = BTreeMap::new();
    for balance in held {
        assets.entry((&balance.chain, &balance.asset)).or_default().held.insert(balance.day, balance);
    }
    for price in prices {
        let Some(of_asset) = assets.get_mut(&(price.chain.as_str(), price.asset.as_str())) else { continue };
        let of_source = if price.provider.is_some() { &mut of_asset.told } else { &mut of_asset.tape };
        of_source.insert(price.day, price);
    }
    let Some(seen) = held.iter().map(|balance| balance.day).min() else { return BTreeMap::new() };
    let of_day = |day: u64| {
        let mut totals = BalanceTotals::default();
        for of_asset in assets.values() {
            let Some((_, balance)) = of_asset.held.range(..=day).next_back() else { continue };
            let told = newest_until(day, &of_asset.told).map(|told| ToldPrice {
                price: told.price.clone(),
                provider: told.provider.clone().unwrap_or_default(),
            });
            let tape = newest_until(day, &of_asset.tape).map(|tape| tape.price.clone());
            totals.add(&balance.raw, balance.is_spam, &BalancePrices { tape, told });
        }
        (day, totals)
    };
    (first.max(seen)..=last).map(of_day).collect()
}

/// The newest price until the end of a day.
fn newest_until<'a>(day: u64, prices: &BTreeMap<u64, &'a PriceOfDay>) -> Option<&'a PriceOfDay> {
    prices.range(..=day).next_back().map(|(_, price)| *price)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * HOUR_MS;

    fn usd(text: &str) -> Usd {
        Usd::parse(text).unwrap()
    }

    fn price(dollars: &str, raw: u64, at: u64) -> AssetPrice {
        AssetPrice { usd: usd(dollars), raw: raw.into(), at }
    }

    fn told(price: AssetPrice) -> ToldPrice {
        ToldPrice { price, provider: "moralis".to_owned() }
    }

    #[test]
    fn the_tape_is_believed_unless_it_is_a_day_older() {
        let now = 10 * DAY_MS;
        let both = |tape_at, told_at| BalancePrices {
            tape: Some(price("1", 1, tape_at)),
            told: Some(told(price("2", 1, told_at))),
        };
        for (prices, source) in [
            (both(now, now), TAPE),
            (both(now - DAY_MS, now), TAPE),
            (both(now - DAY_MS - 1, now), "moralis"),
            (both(now, 0), TAPE),
            (BalancePrices { tape: None, ..both(0, 0) }, "moralis"),
            (BalancePrices { told: None, ..both(0, now) }, TAPE),
        ] {
            assert_eq!(prices.used().map(|(_, source)| source), Some(source), "{prices:?}");
        }
        assert_eq!(BalancePrices::default().used(), None);
        assert_eq!(
            both(1, 2).each().map(|(price, source)| (price.at, source)).collect::<Vec<_>>(),
            [(1, TAPE), (2, "moralis")]
        );
    }

    #[test]
    fn spam_and_what_has_no_price_or_an_absurd_one_is_in_no_sum() {
        let balance = |raw: u64, is_spam, tape: Option<AssetPrice>, told| HeldBalance {
            chain: "mock".into(),
            raw: raw.into(),
            is_spam,
            prices: BalancePrices { tape, told },
        };
        let balances = [
            balance(10, false, Some(price("2", 1, 1)), None),
            balance(10, false, None, Some(told(price("10", 5, 5)))),
            balance(10, true, Some(price("99", 1, 1)), None),
            balance(10, true, None, None),
            balance(10, false, None, None),
            balance(0, false, None, None),
            balance(10, false, None, Some(told(price("100000000001", 1, 1)))),
            balance(10, false, Some(price("100000000000000000000", 1, 1)), None),
        ];
        let totals = BalanceTotals::of_balances(&balances);
        let by_source = [("moralis".to_owned(), (1, usd("20"))), (TAPE.to_owned(), (1, usd("20")))];
        let expected = BalanceTotals {
            value: usd("40"),
            priced: 2,
            unpriced: 1,
            spam: 2,
            implausible: 2,
            oldest_price_at: Some(1),
            by_source: by_source.into(),
            saturated: false,
        };
        assert_eq!(totals, expected);
        let twice = expected.clone().plus(&expected);
        assert_eq!((twice.value, twice.priced, twice.implausible), (usd("80"), 4, 4));
        assert_eq!(twice.by_source[TAPE], (2, usd("40")));
    }

    fn held(asset: &str, day: u64, raw: u64) -> BalanceOfDay {
        BalanceOfDay { chain: "mock".into(), asset: asset.into(), day, raw: raw.into(), is_spam: asset == "spam" }
    }

    fn priced(asset: &str, day: u64, dollars: &str, provider: Option<&str>) -> PriceOfDay {
        let price = price(dollars, 1, day * DAY_MS);
        PriceOfDay { chain: "mock".into(), asset: asset.into(), day, price, provider: provider.map(str::to_owned) }
    }

    #[test]
    fn each_day_has_the_newest_balances_and_prices_until_then() {
        let balances =
            [held("cat", 3, 10), held("cat", 6, 0), held("dog", 5, 2), held("spam", 3, 9), held("nil", 4, 1)];
        let prices = [
            priced("cat", 1, "1", None),
            priced("cat", 4, "2", None),
            priced("cat", 4, "50", Some("moralis")),
            priced("dog", 2, "7", Some("moralis")),
            priced("dog", 7, "8", Some("alchemy")),
            priced("dog", 8, "9", None),
            priced("spam", 1, "1000", None),
            priced("other", 1, "1000", None),
        ];
        let days = worth_of_days(&balances, &prices, 1, 8);
        let shown: Vec<String> = days
            .iter()
            .map(|(day, of)| format!("{day}: {} {}/{}/{}", of.value, of.priced, of.unpriced, of.spam))
            .collect();
        assert_eq!(shown, ["3: 10 1/0/1", "4: 20 1/1/1", "5: 34 2/1/1", "6: 14 1/1/1", "7: 16 1/1/1", "8: 18 1/1/1"]);
        assert_eq!(days[&7].by_source.keys().collect::<Vec<_>>(), ["alchemy"]);
        assert_eq!(worth_of_days(&balances, &prices, 5, 6).len(), 2);
        assert!(worth_of_days(&[], &prices, 1, 8).is_empty());
    }
}
