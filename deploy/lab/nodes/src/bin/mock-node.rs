//! Serves a mock chain over HTTP on loopback, with branches and faults by a script that a seed decides.

use anyhow::Context;
use clap::Parser;
use nodes::mock::{ALL_FAULTS, Faults, Node, Script};
use std::net::SocketAddr;
use std::time::Duration;

/// A node of a chain that does not exist, for plugin authors and demos: the same seed gives the same blocks.
///
/// Follow it with a chain file that names `plugin = "mock"`, this address among `endpoints`, and under `[settings]`
/// `node = true` and the same `seed`.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Another seed gives another chain and other branches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Milliseconds from one block to the next.
    #[arg(long, default_value_t = 1_000)]
    pace_ms: u64,
    /// Blocks that are there from the start.
    #[arg(long, default_value_t = 100)]
    blocks: u64,
    /// Trades in each block.
    #[arg(long, default_value_t = 3)]
    trades: u32,
    /// Blocks until a block is final.
    #[arg(long, default_value_t = 70)]
    finality: u64,
    /// One block in so many leaves a branch; 0 is never.
    #[arg(long, default_value_t = 20)]
    reorg_one_in: u64,
    /// One request in so many is answered wrongly: refused, cut off, stale, incomplete; 0 is none.
    #[arg(long, default_value_t = 0)]
    fault_one_in: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Arguments { listen, seed, pace_ms, blocks, trades, finality, reorg_one_in, fault_one_in } = arguments;
    let script = Script { seed, trades_per_block: trades, finality, reorg_one_in, ..Script::default() };
    let reorg_depth = script.reorg_depth.min(finality.saturating_sub(1));
    let node = Node::new(Script { reorg_depth, ..script });
    node.grow(blocks);
    let faults = Faults::seeded(seed, fault_one_in, &ALL_FAULTS);
    let (address, _server) = node.serve(listen, faults).await.with_context(|| format!("listen on {listen}"))?;
    println!("http://{address}");
    let mut pace = tokio::time::interval(Duration::from_millis(pace_ms.max(1)));
    loop {
        tokio::select! {
            _ = pace.tick() => node.tick(),
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}
