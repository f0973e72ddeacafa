//! The book: volume, fees, positions and realized PnL of every user, as a function of the live trades in chain order.
//!
//! Read in this order: [`amounts`] (exact arithmetic), [`holding`] (one position, by either method), [`entry`] (what the book
//! needs of a trade), [`heard`] (of an event), [`account`] (what is kept per user and per position), [`wishes`] (which state
//! a batch puts each trade into), [`hours`] (what windows are summed from), [`books`] (what a batch does to one position), [`tails`]
//! (from where one is folded anew), [`fold`] (what a batch changes in all), [`retention`] (what is kept no more), [`ports`] (the store), [`app`] (the story).
//!
//! **Invariant:** however trades come and go, are repeated, reordered or split into batches, the book equals a fold of
//! the trades that are present, from nothing, in chain order.

pub mod amounts;
pub mod holding;
pub mod entry;
pub mod heard;
pub mod account;
pub mod wishes;
pub mod hours;
pub mod tails;
pub mod books;
pub mod fold;
pub mod retention;
pub mod ports;
pub mod app;
pub mod memory;

pub use account::{Book, Totals, User};
pub use amounts::{Dollars, Quantity, plain};
pub use app::{Limits, follow};
pub use entry::{BookKey, Entry, Lot, Order, SideOf, TradeKey, UserKey};
pub use fold::{Ledger, Read};
pub use heard::{Heard, Said};
pub use holding::{Holding, Method, Parcel, Realized};
pub use hours::{FeeKey, FeeMove, HourKey, HourMove};
pub use ports::{Changed, Effect, Effects, Facts, Heads, Outcome, Put, Store, Stored};
pub use retention::{Floors, Pruned, Retention};
pub use tails::{Late, Tail};
