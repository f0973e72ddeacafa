//! The replay node: recorded blocks of a real chain, served over JSON-RPC as a node would, with scripted faults.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use nodes::replay::{Fault, Faults, Node, blocks_dir};
//! let node = Node::load(&blocks_dir())?; // the five blocks the repository carries
//! let (address, _server) = node.serve("127.0.0.1:0".parse()?).await?;
//! node.set_head(14_000_001);
//! node.faults(Faults::list([Some(Fault::Status(500)), None, Some(Fault::NotJson)]));
//! # let _ = address; Ok(()) }
//! ```
//!
//! **Invariant:** what is served is what was recorded, or what a caller invented as a whole: no hash, height or log is ever made up
//! here. Heights between recordings do not exist, and block 0 is the chain's own genesis, so that a client can
//! tell which chain this is.

mod recording;
mod facts;
mod faults;
mod node;
mod rpc;
mod server;

pub use facts::Contracts;
pub use faults::{Fault, Faults};
pub use node::{MadeBlocks, Node};
pub use recording::{Recording, read_all};
pub use server::Server;

/// Where the repository keeps its own recorded blocks.
pub fn blocks_dir() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("blocks")
}
