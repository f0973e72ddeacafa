//! The types every service shares: what a trade is, and how it is applied and reverted. Pure: no IO, no clock.
//!
//! Read in this order: [`trade`] (what it is), [`change`] (how it comes and goes), [`money`] (exact amounts), [`feed`]
//! (how a reader receives changes), [`symbol`] (tickers, cleaned at every border). `wit/tape/README.md` is the glossary of the whole project.
//!
//! **Invariant:** nothing here can fail for an outside reason, and no type here can be serialized; `wire` owns bytes.

pub mod trade;
pub mod change;
pub mod money;
pub mod feed;
pub mod symbol;

pub use change::{Change, Event, Status};
pub use feed::{Batch, Delivery, Feed, Partition, Start, TradeRecord, Unavailable};
pub use money::{Raw, Usd};
pub use symbol::{clean_symbol, is_hidden};
pub use trade::{
    AssetAmount, BlockId, BlockRef, Detector, Fee, Leg, Place, Side, Trade, Trader, Transaction, Valuation,
};
