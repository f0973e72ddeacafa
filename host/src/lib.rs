//! The chain-ingestor: follows chains through WASM plugins and publishes canonical trades.
//!
//! Read in the order a trade goes: [`upstream`] fetches, [`plugin`] detects and lifts, `ingest-domain` orders, [`tape`]
//! publishes; [`source`] joins the first two, [`assignment`] says which chains are ours, [`mod@run`] starts it all. What an
//! operator hands in is in [`settings`] and [`chainfile`]; [`catalog`] follows it while the process runs. What an author
//! uses is in [`scan`] and [`kit`].
//!
//! **Invariant:** only [`plugin`] names wasmtime; nothing here listens on a port or keeps state on disk.

pub mod settings;
pub mod chainfile;
pub mod upstream;
mod wake;
pub mod cache;
pub mod cassette;
pub mod plugin;
pub mod watch;
pub mod status;
pub mod shadow;
pub mod catalog;
pub mod in_force;
pub mod source;
mod measures;
pub mod requests;
pub mod tape;
pub mod assignment;
pub mod run;
pub mod scan;
pub mod ask;
pub mod kit;
pub mod check;

pub use run::run;
pub use settings::Settings;
