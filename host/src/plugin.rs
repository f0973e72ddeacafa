//! The plugin host: admits components that implement the plugin contract, and calls them, each call in a fresh
//! instance.
//!
//! **Invariant:** this module and those below it are the only ones that name wasmtime. One version of the contract is
//! one module ([`v1`]), which converts its types into the domain's once.

mod verdict;
mod budget;
mod log_lines;
mod context;
mod exchange_trace;
pub mod engine;
mod gate;
mod anatomy;
mod schema_cost;
mod settings;
pub mod admit;
#[cfg(feature = "wasi")]
mod empty_wasi;
#[cfg(not(feature = "wasi"))]
#[path = "plugin/without_wasi.rs"]
mod empty_wasi;
pub mod sandbox;
pub mod v1;

pub use admit::{Admitted, Refusal, admit, admit_folder, newest_version};
pub use budget::{Budget, Reservation};
pub use context::CallContext;
pub use engine::Engine;
pub use gate::{Gate, signature_beside};
pub use sandbox::{AnswerSource, CallResources, CallUsage};
pub use verdict::{Stage, Verdict};
