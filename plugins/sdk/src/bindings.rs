//! The WIT contract as Rust: `bindings.generated`, which `tests/bindings.rs` generates from `wit` and compares.
//!
//! ## Decisions
//! - 2026-11-30, generated before and not by a macro: compiling the generator took longer than compiling a small plugin, and what
//!   it generated was the same for everybody. Price: a file of generated code in the repository.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "generated"
)]

include!("bindings.generated");
