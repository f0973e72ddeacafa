//! What whole-system tests, benchmarks and chaos share: an ingestor or all services in this process, invented chains, a real
//! EVM node, figures that are reported.

pub mod dense;
pub mod shaped;
pub mod ingest;
pub mod progress;
pub mod line;
pub mod log_lines;
pub mod swaps;
pub mod anvil;
pub mod figures;
