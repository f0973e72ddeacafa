//! Nodes for tests, benchmarks and the demo: recorded blocks of real chains over JSON-RPC, and the mock chain over HTTP, each
//! with scripted faults.

pub mod replay;
pub mod mock;
pub mod solana;
