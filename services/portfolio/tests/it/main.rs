//! Portfolio from outside: its stores, its story, its providers over HTTP, and the whole service.

#![expect(clippy::unwrap_used, reason = "tests")]

mod stores;
mod trades;
mod store;
mod views;
mod story;
mod moralis;
mod alchemy;
mod service;
