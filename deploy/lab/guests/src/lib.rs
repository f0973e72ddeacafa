//! Plugins of a few lines of WebAssembly text, honest and hostile, for tests and chaos.
#![expect(clippy::unwrap_used, reason = "only tests and chaos build components of their own text")]

mod neighbour;
mod recipe;
pub mod hostile;

pub use neighbour::neighbour_of;
pub use recipe::{ONE_BLOCK, Recipe, drop_in, marked};
