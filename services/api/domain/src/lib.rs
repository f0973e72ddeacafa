//! The read side in our words: what may be asked, in which order it is answered, and how a stream stays whole.
//!
//! Read in this order: [`query`] (what is asked), [`views`] (what is answered), [`ports`] (who answers), then the three
//! rules of the stream: [`recent`] (changes kept for latecomers), [`tail`] (a snapshot brought up to the tape) and
//! [`outbox`] (what a slow reader costs).
//!
//! **Invariant:** pure; time is a parameter, and nothing here knows of JSON, SQL or sockets.

pub mod query;
pub mod views;
pub mod ports;
pub mod recent;
pub mod tail;
pub mod outbox;

pub use outbox::{Outbox, Taken};
pub use ports::Reads;
pub use query::{
    AssetPage, Book, Filter, Measure, Shown, StepKey, StepPage, TradeKey, TradeQuery, Who, Window, lowered,
};
pub use recent::{Kept, Recent};
pub use tail::{Fate, Move, caught_up};
pub use views::{
    BalanceRow, DriftRow, Explained, FeeRow, Folded, Leader, Point, PositionRow, Reached, Step, Totals, TotalsRow,
    TradeRow, UserState, Wallet, WalletState,
};
