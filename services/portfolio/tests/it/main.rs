//! Tests of portfolio from outside: its stores, following and refreshing on them, its providers over HTTP, the service.

#![expect(clippy::unwrap_used, reason = "tests")]

mod stores;
mod trades;
mod store;
mod views;
mod upgrade;
mod feed;
mod follow;
mod refresh;
mod server;
mod moralis;
mod prices;
mod alchemy;
mod service;
