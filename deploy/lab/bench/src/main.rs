//! The binary behind `cargo xtask bench NAME`.

mod backfill;
mod memory;
mod catch_up;
mod detect;
mod fold;
mod latency;
mod neighbour;
mod reorg;
mod swap;
mod rest;
mod stream;
mod tape;
mod solana;

use clap::{Parser, ValueEnum};
use system::figures::report;

/// Most of the work is to make and drop small texts, on one thread and on another: mimalloc is faster at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures one thing.
#[derive(Parser)]
struct Arguments {
    /// What to measure.
    name: Name,
    #[command(flatten)]
    backfill: backfill::BackfillOptions,
    #[command(flatten)]
    memory: memory::MemoryOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Swap logs per second through the EVM plugin, WASM and native.
    Detect,
    /// Trades per second from a node through Kafka into PostgreSQL.
    Backfill,
    /// The ingestor's memory over a long backfill.
    Memory,
    /// Trades per second folded and committed to PostgreSQL.
    Fold,
    /// The same, read from Kafka.
    CatchUp,
    /// From block to Kafka record and WebSocket message.
    Latency,
    /// How late an honest chain is beside hostile plugins.
    Neighbour,
    /// How long 64 blocks that are left take to be replaced on the tape.
    Reorg,
    /// What the plugin platform costs: swaps under load, admission, fresh instances, idle chains.
    Swap,
    /// A thousand requests a second with a million trades stored.
    Rest,
    /// Deliveries per second to thousands of WebSockets.
    Stream,
    /// A full Solana block through the Solana plugin.
    Solana,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.name {
        Name::Detect => report("detect", detect::measure()?),
        Name::Backfill => report("backfill", backfill::measure(&arguments.backfill)?),
        Name::Memory => report("memory", memory::measure(&arguments.memory)?),
        Name::Fold => report("fold", fold::measure()?),
        Name::CatchUp => report("catch-up", catch_up::measure()?),
        Name::Rest => report("rest", rest::measure()?),
        Name::Stream => report("stream", stream::measure()?),
        Name::Latency => report("latency", latency::measure()?),
        Name::Neighbour => report("neighbour", neighbour::measure()?),
        Name::Reorg => report("reorg", reorg::measure()?),
        Name::Swap => report("swap", swap::measure()?),
        Name::Solana => report("solana", solana::measure()?),
    }
}
