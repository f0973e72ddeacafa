//! The published language: what a trade is, and how it comes and goes. Pure: no serialization, no IO, no clock.
//!
//! Read in this order: [`trade`] (the noun), [`change`] (the verbs), [`money`] (exact amounts), [`feed`] (how a
//! reader receives changes).
//!
//! **Invariant:** nothing here can fail for an outside reason, and no type here can be serialized; `wire` owns bytes.

pub mod trade;
pub mod change;
pub mod money;
pub mod feed;

pub use change::{Change, Event, Status};
pub use feed::{Batch, Delivery, Feed, Partition, Start, TradeRecord, Unavailable};
pub use money::{Raw, Usd};
pub use trade::{
    AssetAmount, BlockId, BlockRef, Detector, Fee, Leg, Place, Side, Trade, Trader, Transaction, Valuation,
};
