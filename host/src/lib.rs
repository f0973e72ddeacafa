//! The chain-ingestor: follows chains through WASM plugins and publishes canonical trades.
//!
//! Read in the order a trade takes: [`upstream`] fetches, [`plugin`] detects and lifts, `ingest-domain` orders,
//! [`tape`] publishes; [`source`] joins the first two, `assignment` says which chains this instance follows, `run`
//! starts it all. What an operator configures is in [`settings`] and [`chainfile`]; [`catalog`] follows it while the
//! process runs. What a plugin author uses is in [`scan`] and [`kit`];
//! [`commands`] is the command line of both.
//!
//! **Invariant:** only [`plugin`] names wasmtime; nothing here listens on a port or keeps state on disk.

pub mod settings;
mod digest;
pub mod chainfile;
pub mod upstream;
mod websocket;
mod wake;
pub mod cache;
pub mod cassette;
pub mod plugin;
mod watch;
pub mod status;
pub mod in_force;
mod subscription;
mod shadow;
pub mod catalog;
pub mod source;
mod measures;
mod log_pace;
pub mod requests;
pub mod tape;
mod assignment;
mod run;
pub mod scan;
pub mod file_request;
mod in_use;
mod open_requests;
mod chain_command;
pub mod commands;
pub mod kit;
pub mod check;
pub mod doctor;

pub use chain_command::ChainCommand;
pub use run::run;
pub use settings::Settings;
