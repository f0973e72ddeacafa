//! The Solana replay node: a recorded block of mainnet, whole or cut into the slots of a script, served over JSON-RPC as a
//! node would.
//!
//! **Invariant:** a transaction that is served is one that was recorded, byte for byte. The recorded block keeps its slot,
//! hash and parent; blocks of a script say who they are by the script's names, since forks and skipped slots cannot be
//! ordered from mainnet.

mod recording;
mod node;
mod rpc;

pub use node::{Node, Server};
pub use recording::{GENESIS, Recording, SLOT};
