//! Whole-system tools: the replay node that serves recorded blocks, and what the system tests and benchmarks share.

pub mod replay;
pub mod line;
pub mod swaps;
pub mod anvil;
pub mod bench;
