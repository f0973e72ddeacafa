//! What the book needs of a trade: who, where in the chain, what came, what went, what it was worth.

use crate::amounts::{Dollars, Quantity, quantity};
use std::sync::Arc;
use tape::{Place, Side, Trade};

/// One user on one chain. Addresses sort first: a user's chains stand together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey {
    /// The address.
    pub trader: Arc<str>,
    /// Id from the chain file.
    pub chain: Arc<str>,
}

/// One position of one user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BookKey {
    /// Whose.
    pub user: UserKey,
    /// Of what.
    pub asset: Arc<str>,
}

/// Where a trade stands in its book: chain order; branches that share a place are told apart by the id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Order {
    /// Place in the chain.
    pub place: Place,
    /// The trade's id.
    pub id: Arc<str>,
}

/// What finds a stored trade. The trader is part of it: detected anew for another trader, a trade arrives in another
/// partition, and neither partition may touch the other's rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TradeKey {
    /// The block's time, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The trade's id.
    pub id: Arc<str>,
    /// The address charged.
    pub trader: Arc<str>,
}

/// A side of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SideOf {
    /// What was given.
    Sold,
    /// What was got.
    Bought,
}

/// What was given, or got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The asset.
    pub asset: Arc<str>,
    /// How much, in its smallest unit.
    pub raw: Quantity,
    /// Cash makes no position.
    pub quote: bool,
    /// Decoration: the ticker; not kept with stored trades.
    pub symbol: Option<String>,
    /// Decoration: fractional digits; not kept with stored trades.
    pub decimals: Option<u8>,
}

/// A trade as the book sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub order: Order,
    /// The block's time, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Who is charged.
    pub user: UserKey,
    /// Counts as a cycle and in no other figure.
    pub cycle: bool,
    /// Given.
    pub sold: Lot,
    /// Got.
    pub bought: Lot,
    /// Its worth, where that can be said.
    pub notional: Option<Dollars>,
    /// Worth of its platform fees.
    pub fee: Option<Dollars>,
    /// The platform it belongs to.
    pub platform: Option<String>,
}

/// No database column counts further; order is kept, and what lies beyond is told apart by the id.
const MOST: u64 = i64::MAX.unsigned_abs();
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

impl SideOf {
    /// Both sides: what goes before what comes.
    pub const BOTH: [Self; 2] = [Self::Sold, Self::Bought];
}

impl Entry {
    /// The book's view of a trade. The same asset on both sides is a cycle, whatever the detector called it.
    pub fn of(trade: &Trade) -> Self {
        let place = trade.place();
        Self {
            order: Order { place: Place { height: place.height.min(MOST), ..place }, id: trade.id().into() },
            time_ms: trade.block.timestamp_ms.min(MOST),
            user: UserKey { trader: trade.trader.address.as_str().into(), chain: Arc::clone(&trade.chain) },
            cycle: trade.is_cycle() || trade.sold.asset == trade.bought.asset,
            sold: lot(&trade.sold),
            bought: lot(&trade.bought),
            notional: trade.valuation.as_ref().map(|valuation| valuation.notional.into()),
            fee: trade.valuation.as_ref().and_then(|valuation| valuation.fee).map(Into::into),
            platform: trade.platform.clone(),
        }
    }

    /// What finds it in a store.
    pub fn key(&self) -> TradeKey {
        TradeKey { time_ms: self.time_ms, id: Arc::clone(&self.order.id), trader: Arc::clone(&self.user.trader) }
    }

    /// Hours since 1970-01-01 00:00, UTC.
    pub fn hour(&self) -> u64 {
        self.time_ms / HOUR_MS
    }

    /// Days since 1970-01-01, UTC.
    pub fn day(&self) -> u64 {
        self.time_ms / DAY_MS
    }

    /// One side of it.
    pub fn lot(&self, side: SideOf) -> &Lot {
        match side {
            SideOf::Sold => &self.sold,
            SideOf::Bought => &self.bought,
        }
    }

    /// The sides by which it moves a book: a cycle moves none, and cash makes no position.
    pub fn sides(&self) -> impl Iterator<Item = (SideOf, &Lot)> {
        let sides = SideOf::BOTH.into_iter().map(|side| (side, self.lot(side)));
        sides.filter(|(_, lot)| !self.cycle && !lot.quote)
    }

    /// By which side it moves the book of an asset.
    pub fn side_in(&self, asset: &str) -> Option<SideOf> {
        self.sides().find(|(_, lot)| *lot.asset == *asset).map(|(side, _)| side)
    }
}

fn lot(side: &Side) -> Lot {
    let clean = |symbol: &&String| !symbol.is_empty() && !symbol.chars().any(char::is_control);
    Lot {
        asset: side.asset.as_str().into(),
        raw: quantity(side.raw),
        quote: side.quote,
        symbol: side.symbol.as_ref().filter(clean).cloned(),
        decimals: side.decimals,
    }
}
