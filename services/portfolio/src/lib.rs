//! Portfolio: keeps the balances of tracked wallets, as external providers report them, and publishes what changes.
//!
//! Read in this order: [`settings`], [`service`] (what runs), `follow` (from the tape to the queue), `refresh` (from
//! the queue to the balances), [`provider`] (where balances come from), [`store`] (where they are kept), `relay` (from
//! the outbox to the log). The rules are in `portfolio-domain`.
//!
//! **Deliberately absent:** metrics, writing anywhere but to schema `portfolio`, a table of chains (the names that
//! providers have for a chain come from the log), an HTTP server except for health.

pub mod settings;
pub mod service;
pub mod provider;
pub mod store;
pub mod names;
mod health;
mod figures;
mod follow;
mod refresh;
mod relay;

pub use service::{adopt, migrate, run, run_guarded};
pub use settings::Settings;
