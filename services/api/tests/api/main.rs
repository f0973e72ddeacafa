//! The api as its clients see it: the real process on a free port, over real databases and a log in memory.
#![expect(clippy::unwrap_used, reason = "tests")]

mod ground;
mod serving;
mod reads;
mod costs;
mod contract;
mod compatible;
mod rest;
mod asking;
mod names;
mod assets;
mod worth;
mod boards;
mod chains;
mod door;
mod stopping;
mod proxies;
mod keys;
mod stream;
mod resume;
mod filters;
mod platforms;
mod replica;
mod empty;
mod sums;
mod watched;
