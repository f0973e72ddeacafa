//! Whole-system tools: the replay node that serves recorded blocks, the mock node that serves a
//! scripted chain, and what the system tests and benchmarks share.

pub mod replay;
pub mod dense;
pub mod mock;
pub mod solana;
pub mod ingest;
pub mod progress;
pub mod line;
pub mod swaps;
pub mod anvil;
pub mod bench;
pub mod chaos;
