//! Assets: what is asked about them, and the rows that answer.

use crate::worth::AssetPrice;
use num_bigint::BigUint;
use tape::Usd;

/// An asset of a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssetQuery {
    /// Id of the chain.
    pub chain: String,
    /// The asset.
    pub asset: String,
}

/// A search for assets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetSearch {
    /// The beginning of a ticker, in any case, or an asset.
    pub text: String,
    /// Only of this chain.
    pub chain: Option<String>,
}

/// How long the candles of a list last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CandleInterval {
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// One day, UTC.
    Day,
}

/// Candles from one minute up to another, which is not among them; minutes since 1970-01-01 00:00, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandleRange {
    /// How long each lasts.
    pub interval: CandleInterval,
    /// The first minute.
    pub from_minute: u64,
    /// The minute after the last.
    pub to_minute: u64,
}

/// What is known of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetRow {
    /// Id of the chain.
    pub chain: String,
    /// The asset.
    pub asset: String,
    /// Ticker.
    pub symbol: Option<String>,
    /// Fractional digits.
    pub decimals: Option<u8>,
    /// The price, where a trade says.
    pub price: Option<AssetPrice>,
    /// The height of the block that the price is from.
    pub price_height: Option<u64>,
    /// The worth of its valued swaps in the last 24 hours of the clock.
    pub volume_24h: Usd,
}

/// An asset with what its page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetDetails {
    /// The asset.
    pub row: AssetRow,
    /// Swaps in the last 24 hours of the clock, valued or not.
    pub trades_24h: u64,
    /// The last price before these hours.
    pub price_before: Option<AssetPrice>,
    /// Pools, those of the newest trades first, each with the hour (since 1970-01-01 00:00, UTC) of its newest trade.
    pub pools: Vec<(String, u64)>,
}

/// One candle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandleRow {
    /// Its first minute, since 1970-01-01 00:00, UTC.
    pub start_minute: u64,
    /// Open, high, low and close, each as dollars for so many smallest units; none where no swap takes part in prices.
    pub prices: Option<[(Usd, BigUint); 4]>,
    /// The worth of all valued swaps.
    pub volume: Usd,
    /// Swaps, valued or not.
    pub trades: u64,
    /// Those that take part in prices.
    pub priced: u64,
}

impl CandleInterval {
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

impl CandleRange {
    /// How many candles a response has at most.
    pub const MAX_CANDLES: u64 = 1_500;
    /// How many it has where nothing is said.
    const DEFAULT_CANDLES: u64 = 500;

    /// The candles between two times in milliseconds, both whole candles outwards; by default the newest ones up to now.
    pub fn between(interval: CandleInterval, from_ms: Option<u64>, to_ms: Option<u64>, now_ms: u64) -> Self {
        let length_ms = interval.minutes() * MINUTE_MS;
        let past = to_ms.unwrap_or(now_ms.saturating_add(1)).div_ceil(length_ms);
        let first = from_ms.map_or(past.saturating_sub(Self::DEFAULT_CANDLES), |from| from / length_ms);
        let minutes = interval.minutes();
        Self { interval, from_minute: first.saturating_mul(minutes), to_minute: past.saturating_mul(minutes) }
    }

    /// How many candles there are room for.
    pub fn candles(&self) -> u64 {
        self.to_minute.saturating_sub(self.from_minute) / self.interval.minutes()
    }
}

/// Milliseconds of a minute.
pub const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_whole_candles() {
        let hour = 3_600_000;
        for (interval, from, to, expected) in [
            (CandleInterval::Hour, Some(hour), Some(3 * hour), (60, 180, 2)),
            (CandleInterval::Hour, Some(hour + 1), Some(3 * hour + 1), (60, 240, 3)),
            (CandleInterval::Hour, Some(5 * hour), Some(hour), (300, 60, 0)),
            (CandleInterval::Minute, None, Some(600 * 60_000), (100, 600, 500)),
            (CandleInterval::Minute, None, None, (0, 121, 121)),
            (CandleInterval::Day, Some(0), None, (0, 1_440, 1)),
        ] {
            let range = CandleRange::between(interval, from, to, 2 * hour);
            assert_eq!((range.from_minute, range.to_minute, range.candles()), expected, "{interval:?} {from:?} {to:?}");
        }
        let all = CandleRange::between(CandleInterval::Day, Some(0), Some(u64::MAX), 0);
        assert!(all.candles() > CandleRange::MAX_CANDLES);
    }
}
