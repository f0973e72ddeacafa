//! Nodes for tests, benchmarks and the demo: they serve recorded blocks or the mock chain, with scripted faults.

pub mod replay;
pub mod mock;
pub mod solana;
