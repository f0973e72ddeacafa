//! The plugin platform: what is admitted, what hostile plugins can do, what happens while the process runs.
#![expect(clippy::unwrap_used, reason = "tests")]

mod admission;
mod hostile;
mod amplifiers;
mod empty_wasi;
mod live;
mod failing;
mod poison;
mod visible;
mod replaced;
mod failover;
mod ahead;
mod compatibility;
mod kit;
mod javascript;
mod nodes;
