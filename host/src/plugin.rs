//! Detect and lift: components that implement the plugin contract, each call in a fresh instance of its own.
//!
//! **Invariant:** this module and those below it are the only ones that name wasmtime. One WIT version is one module
//! ([`v1`]), which turns the contract's shapes into the tape's once.

pub mod engine;
mod gate;
mod anatomy;
mod settings;
pub mod admit;
mod empty;
pub mod sandbox;
pub mod v1;

pub use admit::{Admitted, Refusal, Stage, Verdict, admit, admit_folder};
pub use engine::Engine;
pub use gate::Gate;
pub use sandbox::{Answers, Lent, Limited, Used};
