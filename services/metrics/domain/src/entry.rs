//! What the book needs of a trade: the user, the place in the chain, the two sides, the worth.

use crate::amounts::{Dollars, Quantity, quantity_from_raw};
use crate::confidence::Confidence;
use crate::holding::KnownPart;
use std::sync::Arc;
use tape::{Place, Side, Trade};

/// One user on one chain. Keys sort by address first, so that a user's chains are neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey {
    /// The user's address.
    pub trader: Arc<str>,
    /// Id from the chain file.
    pub chain: Arc<str>,
}

/// One position of one user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BookKey {
    /// The user.
    pub user: UserKey,
    /// The asset.
    pub asset: Arc<str>,
}

/// The position of a trade in chain order. Trades of different branches at the same place are ordered by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TradeOrder {
    /// Place in the chain.
    pub place: Place,
    /// The trade's id.
    pub id: Arc<str>,
}

/// The key of a stored trade. The trader is part of it: a trade that is detected again for another trader arrives in
/// another partition, and neither partition may touch the other's rows.
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
pub enum TradeSide {
    /// What the user gave.
    Sold,
    /// What the user received.
    Bought,
}

/// What the user gave or received in a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The asset.
    pub asset: Arc<str>,
    /// How much, in its smallest unit.
    pub raw: Quantity,
    /// Whether it is cash, which makes no position.
    pub quote: bool,
    /// Decoration: the ticker, which was cleaned when it was read; not kept with stored trades.
    pub symbol: Option<String>,
    /// Decoration: fractional digits; not kept with stored trades.
    pub decimals: Option<u8>,
}

/// A trade as the book sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in chain order.
    pub order: TradeOrder,
    /// The block's time, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The user who is charged.
    pub user: UserKey,
    /// Whether it counts as a cycle, and so in no other figure.
    pub cycle: bool,
    /// What the user gave.
    pub sold: Lot,
    /// What the user received.
    pub bought: Lot,
    /// Its worth, where the trade has a valuation.
    pub notional: Option<Dollars>,
    /// The worth of its platform fees.
    pub fee: Option<Dollars>,
    /// What an implausible valuation claims: such a trade has no other worth and no fee.
    pub implausible: Option<Dollars>,
    /// The platform it belongs to.
    pub platform: Option<String>,
    /// How sure its sides are.
    pub confidence: Confidence,
}

/// The largest number that a database column holds. Larger heights and times are stored as this; such trades are
/// ordered by id.
const MAX_COLUMN_INTEGER: u64 = i64::MAX.unsigned_abs();
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

impl TradeSide {
    /// Both sides, sold before bought.
    pub const BOTH: [Self; 2] = [Self::Sold, Self::Bought];
}

impl Entry {
    /// The book's view of a trade. A trade of an asset for itself is a cycle, whatever kind the detector gave it.
    pub fn from_trade(trade: &Trade) -> Self {
        let place = trade.place();
        Self {
            order: TradeOrder {
                place: Place { height: place.height.min(MAX_COLUMN_INTEGER), ..place },
                id: trade.id().into(),
            },
            time_ms: trade.block.timestamp_ms.min(MAX_COLUMN_INTEGER),
            user: UserKey { trader: trade.trader.address.as_str().into(), chain: Arc::clone(&trade.chain) },
            cycle: trade.is_cycle() || trade.sold.asset == trade.bought.asset,
            sold: lot(&trade.sold),
            bought: lot(&trade.bought),
            notional: trade.valuation.as_ref().map(|valuation| valuation.notional.into()),
            fee: trade.valuation.as_ref().and_then(|valuation| valuation.fee).map(Into::into),
            implausible: None,
            platform: trade.platform.clone(),
            confidence: Confidence::of_trade(trade),
        }
    }

    /// Its key in a store.
    pub fn key(&self) -> TradeKey {
        TradeKey { time_ms: self.time_ms, id: Arc::clone(&self.order.id), trader: Arc::clone(&self.user.trader) }
    }

    /// Minutes since 1970-01-01 00:00, UTC.
    pub fn minute(&self) -> u64 {
        self.time_ms / MINUTE_MS
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
    pub fn lot(&self, side: TradeSide) -> &Lot {
        match side {
            TradeSide::Sold => &self.sold,
            TradeSide::Bought => &self.bought,
        }
    }

    /// Whether a side changes a book.
    pub(crate) fn has_position(&self, side: TradeSide) -> bool {
        !self.cycle && !self.lot(side).quote
    }

    /// The sides that change a book: none of a cycle, and none that is cash.
    pub fn sides(&self) -> impl Iterator<Item = (TradeSide, &Lot)> {
        let sides = TradeSide::BOTH.into_iter().map(|side| (side, self.lot(side)));
        sides.filter(|(side, _)| self.has_position(*side))
    }

    /// Whether it is a swap without a worth that pays for a position with a position: its basis is handed on.
    pub fn hands_basis_on(&self) -> bool {
        self.notional.is_none() && !self.cycle && !self.sold.quote && !self.bought.quote
    }

    /// The part of its purchase whose cost is known; `released` is what its sale took, where it has no worth.
    pub(crate) fn known_purchase(&self, released: &KnownPart) -> KnownPart {
        match &self.notional {
            Some(worth) => KnownPart { quantity: self.bought.raw.clone(), basis: worth.clone() },
            None => released.handed_on(&self.sold.raw, &self.bought.raw),
        }
    }

    /// The side by which it changes the book of an asset.
    pub fn side_in(&self, asset: &str) -> Option<TradeSide> {
        self.sides().find(|(_, lot)| *lot.asset == *asset).map(|(side, _)| side)
    }
}

fn lot(side: &Side) -> Lot {
    Lot {
        asset: side.asset.as_str().into(),
        raw: quantity_from_raw(side.raw),
        quote: side.quote,
        symbol: side.symbol.clone(),
        decimals: side.decimals,
    }
}
