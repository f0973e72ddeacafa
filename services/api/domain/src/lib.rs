//! The read side of Chaintape: queries, the rows that answer them, and the rules of the live stream.
//!
//! Read in this order: `query` and `filter` (what clients may ask for), `notation`, `known` and `tickers` (what is said of a
//! name that means nothing), `views` and `platforms` (the rows that answer), `elsewhere` (what a wallet no longer holds),
//! `worth` and `balances` (what holdings are worth), `assets` (prices and candles), then the three rules of the stream: `recent` (recent changes kept for new subscriptions), `catch_up` (bringing a
//! snapshot up to date) and `send_queue` (what waits for a slow reader).
//!
//! **Invariant:** pure; time is a parameter, and nothing here knows of JSON, SQL or sockets.

mod query;
mod filter;
mod notation;
mod known;
mod tickers;
mod views;
mod elsewhere;
mod platforms;
mod worth;
mod balances;
mod assets;
mod recent;
mod catch_up;
mod send_queue;

pub use assets::{AssetDetails, AssetQuery, AssetRow, AssetSearch, CandleInterval, CandleRange, CandleRow, MINUTE_MS};
pub use balances::{
    BalanceOfDay, BalancePrices, BalanceTotals, BalanceWorth, HeldBalance, PriceOfDay, TAPE, ToldPrice, balance_worth,
    worth_of_days,
};
pub use catch_up::{LaterChange, Presence, catch_up};
pub use elsewhere::HeldPosition;
pub use filter::{FilteredTrade, TradeFilter};
pub use known::{KnownChain, KnownChains};
pub use notation::Notation;
pub use platforms::{PlatformDayRow, PlatformFigures, PlatformLeaderRow, PlatformRow, UserPlatformRow};
pub use query::{
    AssetPage, HOUR_MS, Measure, PositionKey, StatusFilter, StepKey, StepPage, TimeSpan, TradeKey, TradeQuery,
    UserQuery, Walk, Window, normalized_id,
};
pub use recent::{KeptChange, RecentChanges};
pub use send_queue::{Delivery, SendQueue};
pub use tickers::{Tickers, TradedAsset};
pub use views::{
    BalanceRow, BookRules, ConfidenceVolumes, Coverage, DriftRow, ExplainedPosition, FeeRow, FoldedPosition,
    FoldedPositions, HistoryPoint, LeaderRow, PositionRow, PositionStep, Totals, TotalsRow, TradeRow, UserState,
    WalletRow, WalletState,
};
pub use worth::{AssetPrice, PositionWorth, WorthTotals, per_whole_unit, relative_change};
