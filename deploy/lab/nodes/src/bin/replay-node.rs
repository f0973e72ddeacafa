//! Serves recorded blocks over JSON-RPC on loopback, one more every so many seconds; a Solana block under `/solana`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use nodes::replay::{Fault, Faults, Node, blocks_dir};
use nodes::solana;

/// A node that replays recorded blocks of a real chain.
#[derive(Parser)]
struct Arguments {
    /// The folder with `<chain>_<height>.json[.gz]`; without it, the blocks of the repository.
    #[arg(long)]
    blocks: Option<PathBuf>,
    /// Which chain's.
    #[arg(long, default_value_t = 1)]
    chain: u64,
    /// Where to listen; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Seconds from one block to the next; 0 shows all at once.
    #[arg(long, default_value_t = 0)]
    pace: u64,
    /// How many blocks `finalized` trails the head.
    #[arg(long, default_value_t = 2)]
    finality: u64,
    /// Whether `debug_getRawReceipts` is served.
    #[arg(long)]
    raw_receipts: bool,
    /// Whether answers are compressed for clients that accept gzip.
    #[arg(long)]
    gzip: bool,
    /// Milliseconds by which each answer comes later, as over a network.
    #[arg(long, default_value_t = 0)]
    rtt: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let blocks = arguments.blocks.unwrap_or_else(blocks_dir);
    let node = Node::load_chain(&blocks, arguments.chain)?;
    // The recorded block of Solana is there from the start, under a path of its own.
    let beside = match solana::Recording::load_from(&blocks) {
        Ok(recording) => solana::Node::from_recording(&recording).router("/solana"),
        Err(error) => {
            eprintln!("no Solana block is served: {error:#}");
            axum::Router::new()
        }
    };
    node.set_finality(arguments.finality);
    node.serve_raw_receipts(arguments.raw_receipts);
    node.serve_gzip(arguments.gzip);
    if arguments.rtt > 0 {
        node.faults(Faults::each(Fault::Delay(Duration::from_millis(arguments.rtt))));
    }
    let heights = if arguments.pace == 0 { Vec::new() } else { node.heights() };
    if let Some(first) = heights.first() {
        node.set_head(*first);
    }
    let (address, server) = node.serve_beside(arguments.listen, beside).await?;
    // The first line tells whoever started this where to go.
    println!("http://{address}");
    std::io::stdout().flush()?;
    for height in heights.iter().skip(1) {
        tokio::time::sleep(Duration::from_secs(arguments.pace)).await;
        node.set_head(*height);
    }
    Ok(server.wait().await?)
}
