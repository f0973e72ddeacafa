//! What may be asked: filters, pages and the order that makes pages stable.

/// Where a trade stands among all trades: newest first is descending order of this.
///
/// It holds everything that tells two trades apart, so a page that continues below a key neither skips nor repeats a
/// trade, whatever was inserted or taken back meanwhile.
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
    /// Id of the trade: tells the same place on two branches apart.
    pub id: String,
    /// Its trader: a trade detected anew may be another's, and stands beside the old one until that is taken back.
    pub trader: String,
}

/// Which trades are meant. An empty filter means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Only of this chain.
    pub chain: Option<String>,
    /// Only of this trader.
    pub trader: Option<String>,
    /// Only where this asset was given or got.
    pub asset: Option<String>,
    /// Only where a pool of this venue was crossed.
    pub venue: Option<String>,
}

/// Whether trades whose block was left are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Shown {
    /// Present trades only.
    #[default]
    Live,
    /// Reverted ones too.
    All,
}

/// One page of trades, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeQuery {
    /// Which trades.
    pub filter: Filter,
    /// Whether reverted ones are shown.
    pub shown: Shown,
    /// Continue below this trade.
    pub after: Option<TradeKey>,
    /// At most so many.
    pub limit: u32,
}

/// One user, on every chain or on one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Who {
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
    /// At most so many.
    pub limit: u32,
}

/// A span of time up to now. Hours are those of the clock: 24 h are the current hour and the 23 before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Window {
    /// From the beginning.
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
    /// Worth of valued swaps.
    #[default]
    Volume,
    /// Realized profit, before fees.
    Pnl,
    /// Platform fees paid.
    Fees,
}

/// One position of one user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Book {
    /// Whose.
    pub address: String,
    /// On which chain.
    pub chain: String,
    /// Of what.
    pub asset: String,
}

/// Where a trade stands among those of a position: by time, and where that is the same by chain order. Positions are folded in
/// chain order alone; on a chain whose clock never goes backwards, that is the same.
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

/// One page of the trades that a position is made of, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepPage {
    /// Continue after this trade.
    pub after: Option<StepKey>,
    /// At most so many.
    pub limit: u32,
}

const HOUR_MS: u64 = 3_600_000;

impl Window {
    /// All windows.
    pub const ALL: [Self; 4] = [Self::All, Self::Day, Self::Week, Self::Month];

    /// Its name in questions and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// The window of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// The first and last hour of it; none where every hour counts.
    pub fn hours(self, now_ms: u64) -> Option<(u64, u64)> {
        let count = match self {
            Self::All => return None,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        };
        let now = now_ms / HOUR_MS;
        Some(((now + 1).saturating_sub(count), now))
    }

    /// Hours between two points of a curve over it.
    pub fn step(self) -> u64 {
        match self {
            Self::Day | Self::Week => 1,
            Self::All | Self::Month => 24,
        }
    }
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 3] = [Self::Volume, Self::Pnl, Self::Fees];

    /// Its name in questions and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Pnl => "pnl",
            Self::Fees => "fees",
        }
    }

    /// The measure of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

impl Filter {
    /// Whether a trade with these traits is meant.
    pub fn matches<'a>(
        &self,
        chain: &str,
        trader: &str,
        assets: [&str; 2],
        mut venues: impl Iterator<Item = &'a str>,
    ) -> bool {
        let is = |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|wanted| wanted == given);
        is(&self.chain, chain)
            && is(&self.trader, trader)
            && self.asset.as_deref().is_none_or(|asset| assets.contains(&asset))
            && self.venue.as_deref().is_none_or(|venue| venues.any(|crossed| crossed == venue))
    }
}

impl Who {
    /// Whether this user on this chain is meant.
    pub fn is(&self, chain: &str, address: &str) -> bool {
        self.address == address && self.chain.as_deref().is_none_or(|wanted| wanted == chain)
    }
}

/// An identity as it is stored: `0x…` in lower case, every other byte for byte.
pub fn lowered(text: &str) -> String {
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
    fn windows_end_with_the_current_hour() {
        let hours = Window::ALL.map(|window| window.hours(1_000 * HOUR_MS + 17));
        assert_eq!(hours, [None, Some((977, 1_000)), Some((833, 1_000)), Some((281, 1_000))]);
        assert_eq!(Window::ALL.map(|window| Window::named(window.name())), Window::ALL.map(Some));
        assert_eq!((Window::named("1h"), Measure::named("pnl")), (None, Some(Measure::Pnl)));
    }

    #[test]
    fn only_hex_is_lowered() {
        assert_eq!(lowered("0xAbC1"), "0xabc1");
        assert_eq!(lowered("0XAbC1"), "0xabc1");
        assert_eq!(lowered("0xMock"), "0xMock", "not hexadecimal: another chain's notation");
        assert_eq!(
            lowered("So11111111111111111111111111111111111111112"),
            "So11111111111111111111111111111111111111112"
        );
    }

    #[test]
    fn every_part_of_a_filter_must_hold() {
        let filter = Filter {
            chain: Some("mock".into()),
            asset: Some("b".into()),
            venue: Some("v2".into()),
            ..Filter::default()
        };
        let venues = ["v3", "v2"];
        assert!(filter.matches("mock", "alice", ["a", "b"], venues.into_iter()));
        assert!(!filter.matches("other", "alice", ["a", "b"], venues.into_iter()));
        assert!(!filter.matches("mock", "alice", ["a", "c"], venues.into_iter()));
        assert!(!filter.matches("mock", "alice", ["a", "b"], ["v3"].into_iter()));
        assert!(Filter::default().matches("any", "one", ["x", "y"], [].into_iter()));
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
