//! The story of one chain, told over scripted nodes and a tape in memory.
#![expect(clippy::unwrap_used, reason = "tests")]

mod world;
mod reorgs;
mod asked;
