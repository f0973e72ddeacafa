//! Trades on a real Geth: found and proved, taken back with its blocks, and exact in native coin, with logs of it and with traces.
#![expect(clippy::unwrap_used, reason = "tests")]

mod amounts;
mod following;
mod native_trades;
