//! Portfolio: keeps what tracked wallets hold, as an external provider says, and publishes what changes.
//!
//! Read in this order: [`settings`], [`service`] (what runs), [`provider`] (who tells balances), [`store`] (what keeps
//! them). The rules are in `portfolio-domain`.
//!
//! **Deliberately absent:** metrics, writing anywhere but to schema `portfolio`, a table of chains (what a provider calls a
//! chain comes from the log), an HTTP server but for health.

pub mod settings;
pub mod service;
pub mod provider;
pub mod store;
pub mod names;
pub mod vitals;
mod follow;
mod refresh;
mod relay;

pub use service::run;
pub use settings::Settings;
