//! The book: volume, fees, positions and realized PnL of every user, as a function of the live trades in chain order.
//!
//! Read in this order: `amounts` (exact arithmetic), `holding` (one position, by either cost method), `entry` (what the
//! book needs of a trade), `decoded` (an event, decoded), `rules` (what is stored with a book), `account` (the figures of users and positions), `changes`
//! (what a batch requests for each trade), `hours` (what windows are summed from), `flows` (what of an hour's volume stays), `platforms` (what they were used for), `prices` (prices and candles), `books` (what a batch does to the
//! positions of a user), `tails` (the part of a book that is folded again), `fold` (what a batch changes in all), [`retention`]
//! (dropping old trades), `ports` (the store), `app` (following the feed).
//!
//! **Invariant:** however trades are applied, reverted, repeated, reordered or split into batches, the book equals a
//! fold of the trades that are present, from nothing, in chain order.

mod amounts;
mod holding;
mod entry;
mod decoded;
mod confidence;
mod rules;
mod account;
mod changes;
mod hours;
mod flows;
mod platforms;
mod prices;
mod tails;
mod books;
mod fold;
pub mod retention;
mod ports;
mod app;
pub mod memory;

pub use account::{Book, Totals, User};
pub use amounts::{Dollars, NotDollars, Quantity, display_quantity};
pub use app::{Limits, follow};
pub use confidence::{Confidence, ConfidenceVolumes};
pub use decoded::{DecodedTrade, EventDetails};
pub use entry::{BookKey, Entry, Lot, TradeKey, TradeOrder, TradeSide, UserKey};
pub use flows::{FlowTrade, HourFlows};
pub use holding::{Holding, KnownPart, Method, NotAMethod, Parcel, Realized, Sale};
pub use hours::{FeeDelta, FeeKey, HourDelta, HourKey};
pub use platforms::{PlatformFigures, PlatformKey, platform_figures};
pub use ports::{Accounts, BookFacts, ChangedEffect, CommitOutcome, Effect, Effects, Store, StoredTrade, TradeRow};
pub use prices::{Candle, CandlePrices, CandleSpan, MINUTES_JUDGED_BY, Price, PriceRules, PricedTrade};
pub use retention::{Floors, PruneOutcome, Retention};
pub use rules::BookRules;
pub use tails::{BookToRefold, Tail};
