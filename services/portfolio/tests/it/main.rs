//! Portfolio from outside: its stores, its story, its provider over HTTP, and the whole service.

#![expect(clippy::unwrap_used, reason = "tests")]

mod stores;
mod trades;
mod store;
mod views;
mod story;
mod moralis;
mod service;
