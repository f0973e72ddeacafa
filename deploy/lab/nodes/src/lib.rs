//! Nodes for tests, benchmarks and the demo: they serve recorded blocks or the mock chain, with scripted faults.

pub mod replay;
#[cfg(feature = "mock")]
pub mod mock;
pub mod solana;
