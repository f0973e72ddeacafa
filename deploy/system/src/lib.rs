//! Whole-system tools: the replay node that serves recorded blocks, and what the system tests and benchmarks share.

pub mod replay;
pub mod solana;
pub mod line;
pub mod anvil;
pub mod bench;
