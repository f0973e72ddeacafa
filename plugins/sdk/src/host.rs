//! The functions of the host that a plugin may call, as a trait, so that a test can be the host.

use crate::bindings::chaintape::plugin::{cache, log, upstream};
use crate::{Request, Response, UpstreamError};

pub use crate::bindings::chaintape::plugin::log::Level;

/// The host of a plugin.
pub trait Host {
    /// Sends HTTP requests to the chain's endpoint, all at once; returns one result per request, in order.
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>>;
    /// Reads cached facts; returns one result per key, in order.
    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>>;
    /// Caches facts that were read at or below the finalized block. Never cache an empty or failed response.
    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>);
    /// Writes a log line for the operator.
    fn log(&mut self, level: Level, message: &str);
}

/// The host of a component: the imports of the contract.
pub struct ComponentHost;

impl Host for ComponentHost {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        upstream::send(&requests)
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        if keys.is_empty() { vec![] } else { cache::get(keys) }
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        if !facts.is_empty() {
            cache::put(&facts);
        }
    }

    fn log(&mut self, level: Level, message: &str) {
        log::write(level, message);
    }
}
