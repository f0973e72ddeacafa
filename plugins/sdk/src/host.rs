//! What a plugin may ask of its host, as a trait, so that tests can be the host.

use crate::bindings::chaintape::plugin::{cache, log, upstream};
use crate::{Request, Response, UpstreamError};

pub use crate::bindings::chaintape::plugin::log::Level;

/// Everything that is lent to a plugin.
pub trait Host {
    /// HTTP to the chain's endpoint: all at once, one answer per request, in order.
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>>;
    /// Facts kept earlier, one answer per key.
    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>>;
    /// Keeps facts read at or below the finalized block; never an empty or failed answer.
    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>);
    /// A line for the operator.
    fn log(&mut self, level: Level, message: &str);
}

/// The real host, inside a component.
pub struct Lent;

impl Host for Lent {
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
