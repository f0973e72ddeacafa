//! What clients may ask for: filters, pages, and the order that makes pages stable.

use crate::filter::TradeFilter;

/// The place of a trade in the order of all trades: newest first is descending order of this key.
///
/// The key holds everything that tells two trades apart, so a page that continues below a key neither skips nor repeats
/// a trade, whatever was applied or reverted meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TradeKey {
    /// Time of the block, milliseconds since the Unix epoch.
    pub block_time: u64,
    /// Id of the chain.
    pub chain: String,
    /// Block height.
    pub height: u64,
    /// Transaction index in the block.
    pub index: u32,
    /// Place in the transaction.
    pub ordinal: u32,
    /// Id of the trade: differs where two branches have a trade at the same place.
    pub id: String,
    /// Its trader: a trade detected again may be charged to another trader; both exist until the old one is reverted.
    pub trader: String,
}

/// Whether reverted trades are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StatusFilter {
    /// Live trades only.
    #[default]
    Live,
    /// Reverted ones too.
    All,
}

/// A span of block time. Blocks without a clock are in none that has a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeSpan {
    /// Not earlier than this, milliseconds since the Unix epoch.
    pub from: Option<u64>,
    /// Earlier than this.
    pub to: Option<u64>,
}

/// One page of trades, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TradeQuery {
    /// Which trades.
    pub filter: TradeFilter,
    /// Only of blocks of this time.
    pub span: TimeSpan,
    /// Only of the transaction of this hash.
    pub transaction: Option<String>,
    /// Whether reverted ones are shown.
    pub shown: StatusFilter,
    /// Continue below this trade.
    pub after: Option<TradeKey>,
    /// Rows of the page at most.
    pub limit: u32,
}

/// One page of a list whose rows are found by walking: the rows that were asked for, among a bounded number of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk<T, K> {
    /// The rows, in the order of the list. There may be fewer than were asked for, or none, and yet more further on.
    pub rows: Vec<T>,
    /// Where the walk stopped because its bound was reached: the next page goes on from here. None at the end of the list.
    pub stopped_at: Option<K>,
}

impl<T, K> Walk<T, K> {
    /// This page, and after it the page of what follows in the order of the list.
    #[must_use]
    pub fn then(mut self, rest: Self) -> Self {
        if self.stopped_at.is_none() {
            self.rows.extend(rest.rows);
            self.stopped_at = rest.stopped_at;
        }
        self
    }
}

/// One user, on every chain or on one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserQuery {
    /// The address in its chain's notation; `0x…` in lower case.
    pub address: String,
    /// Only this chain.
    pub chain: Option<String>,
}

/// One page of a list ordered by chain and asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetPage {
    /// Continue after this chain and asset.
    pub after: Option<(String, String)>,
    /// Rows of the page at most.
    pub limit: u32,
}

/// A span of time in whole hours of the clock: 24 h are the current hour and the 23 before, and whatever is later still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Window {
    /// All time.
    #[default]
    All,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
}

/// What a leaderboard is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Worth of valued swaps, without what is counted apart as wash.
    #[default]
    Volume,
    /// What of the volume of each hour stays.
    NetVolume,
    /// Realized profit, before fees.
    Pnl,
    /// Platform fees paid.
    Fees,
}

/// Names one position: a user's holding of one asset on one chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PositionKey {
    /// Address of the user.
    pub address: String,
    /// Id of the chain.
    pub chain: String,
    /// The asset.
    pub asset: String,
}

/// The place of a trade in the order of its position's trades: by block time, then by chain order. Positions are folded
/// in chain order alone; where a chain's block times never go backwards, both orders are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepKey {
    /// Time of the block, milliseconds since the Unix epoch.
    pub block_time: u64,
    /// Block height.
    pub height: u64,
    /// Transaction index in the block.
    pub index: u32,
    /// Place in the transaction.
    pub ordinal: u32,
    /// Id of the trade.
    pub id: String,
}

/// One page of a position's trades, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepPage {
    /// Continue after this trade.
    pub after: Option<StepKey>,
    /// Rows of the page at most.
    pub limit: u32,
}

/// Milliseconds of an hour.
pub const HOUR_MS: u64 = 3_600_000;

impl Window {
    /// All windows.
    pub const ALL: [Self; 4] = [Self::All, Self::Day, Self::Week, Self::Month];

    /// Its name in requests and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// The window that has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// Its first hour since 1970-01-01 00:00 UTC; none for all time. It has no last one: what a chain says will happen has
    /// happened, so a trade whose block time lies in the reader's future is in every window.
    pub fn first_hour(self, now_ms: u64) -> Option<u64> {
        let count = match self {
            Self::All => return None,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        };
        Some((now_ms / HOUR_MS + 1).saturating_sub(count))
    }

    /// Hours between two points of a history over this window.
    pub fn step_hours(self) -> u64 {
        match self {
            Self::Day | Self::Week => 1,
            Self::All | Self::Month => 24,
        }
    }
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 4] = [Self::Volume, Self::NetVolume, Self::Pnl, Self::Fees];

    /// Its name in requests and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::NetVolume => "netVolume",
            Self::Pnl => "pnl",
            Self::Fees => "fees",
        }
    }

    /// The measure that has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

impl TimeSpan {
    /// Whether it has neither bound.
    pub fn is_unbounded(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

impl UserQuery {
    /// Whether this user on this chain is asked for.
    pub fn matches(&self, chain: &str, address: &str) -> bool {
        self.address == address && self.chain.as_deref().is_none_or(|wanted| wanted == chain)
    }
}

/// An address or asset as it is stored: `0x…` in lower case, any other text unchanged.
pub fn normalized_id(text: &str) -> String {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => format!("0x{}", hex.to_ascii_lowercase()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_count_the_current_hour() {
        let hours = Window::ALL.map(|window| window.first_hour(1_000 * HOUR_MS + 17));
        assert_eq!(hours, [None, Some(977), Some(833), Some(281)]);
        assert_eq!(Window::ALL.map(|window| Window::from_name(window.name())), Window::ALL.map(Some));
        assert_eq!((Window::from_name("1h"), Measure::from_name("pnl")), (None, Some(Measure::Pnl)));
    }

    #[test]
    fn only_hex_becomes_lower_case() {
        assert_eq!(normalized_id("0xAbC1"), "0xabc1");
        assert_eq!(normalized_id("0XAbC1"), "0xabc1");
        assert_eq!(normalized_id("0xMock"), "0xMock", "not hexadecimal: another chain's notation");
        assert_eq!(
            normalized_id("So11111111111111111111111111111111111111112"),
            "So11111111111111111111111111111111111111112"
        );
    }

    #[test]
    fn keys_order_by_time_then_place() {
        let key = |time, chain: &str, height, ordinal| TradeKey {
            block_time: time,
            chain: chain.into(),
            height,
            index: 0,
            ordinal,
            id: String::new(),
            trader: String::new(),
        };
        let mut keys = vec![key(2, "a", 1, 0), key(1, "b", 9, 0), key(2, "a", 1, 1), key(1, "a", 9, 0)];
        keys.sort();
        assert_eq!(keys, [key(1, "a", 9, 0), key(1, "b", 9, 0), key(2, "a", 1, 0), key(2, "a", 1, 1)]);
    }
}
