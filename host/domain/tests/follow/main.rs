//! Follows one chain over scripted nodes and a tape in memory.
#![expect(clippy::unwrap_used, reason = "tests")]

mod world;
mod reorgs;
mod requests;
mod trouble;
