//! What whole-system tests, benchmarks and chaos share: an ingestor or all services in this process, invented chains, real
//! EVM nodes, figures that are reported.

pub mod dense;
pub mod shaped;
pub mod ingest;
pub mod progress;
pub mod line;
pub mod log_lines;
pub mod swaps;
pub mod evm_node;
pub mod wallet;
pub mod venues;
pub mod contract_code;
pub mod anvil;
pub mod geth;
pub mod plugin_host;
pub mod figures;
