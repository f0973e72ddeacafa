//! The binary behind `cargo xtask bench NAME`.

use clap::{Parser, ValueEnum};
use system::bench::{detect, latency, report, solana};

/// Measures one thing.
#[derive(Parser)]
struct Arguments {
    /// What to measure.
    name: Name,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Swap logs per second through the EVM plugin, WASM and native.
    Detect,
    /// From block to Kafka record and WebSocket message.
    Latency,
    /// A full Solana block through the Solana plugin.
    Solana,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().name {
        Name::Detect => report("detect", detect::measure()?),
        Name::Latency => report("latency", latency::measure()?),
        Name::Solana => report("solana", solana::measure()?),
    }
}
