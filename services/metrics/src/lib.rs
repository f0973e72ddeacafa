//! The metrics service: reads trades from the tape, keeps the book, and publishes what changed.
//!
//! Read in this order: [`settings`], `service` (how the parts run together), `retry` (retries while the database or
//! the log fails), `linger` (gathers old trades), [`outbox`] (publishes messages after their commit), [`messages`] (their content), [`adapters`] (the
//! databases), [`leaders`] (leaderboards), [`prices`] (prices and candles), `retention` (drops old trades), [`refold`] (proves that the tables are a
//! function of the tape), `health` (what `/health` answers). All rules of the book are in `metrics-domain`.

pub mod settings;
mod service;
mod retry;
mod linger;
pub mod outbox;
pub mod messages;
pub mod adapters;
pub mod leaders;
pub mod prices;
mod retention;
pub mod refold;
mod health;

pub use service::{adopt, migrate, run, run_guarded};
pub use settings::Settings;
