//! What one call is lent and may use: upstream, cache, log, and limits on time, memory and requests.

use crate::cache::Cache;
use crate::chainfile::Limits;
use crate::upstream::{Request, Response, Upstream, UpstreamError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// Lines that one call may log, and the longest.
const LOG_LINES: u32 = 100;
const LOG_BYTES: usize = 1_024;

/// What a call is lent.
#[derive(Clone)]
pub struct Lent {
    /// Id of the chain, for the log.
    pub chain: Arc<str>,
    /// Where its requests go; none on synthetic chains.
    pub upstream: Option<Upstream>,
    /// Its cache.
    pub cache: Cache,
    /// What it may use.
    pub limits: Limits,
}

/// The state of one store: what is lent, and what was used of it.
pub struct Limited {
    lent: Lent,
    started: Instant,
    waited: Duration,
    requests: u64,
    lines: u32,
}

impl Limited {
    pub(super) fn new(lent: Lent) -> Self {
        Self { lent, started: Instant::now(), waited: Duration::ZERO, requests: 0, lines: 0 }
    }

    /// Called at each epoch: waiting on the endpoint is not charged.
    pub(super) fn on_epoch(&self) -> wasmtime::Result<UpdateDeadline> {
        let running = self.started.elapsed().saturating_sub(self.waited);
        if running > Duration::from_millis(self.lent.limits.compute_ms) {
            wasmtime::bail!("the plugin computed for more than {} ms", self.lent.limits.compute_ms);
        }
        Ok(UpdateDeadline::Continue(1))
    }

    pub(super) async fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let count = requests.len();
        self.requests += count as u64;
        if self.requests > self.lent.limits.requests {
            let why = format!("more than {} requests in one call", self.lent.limits.requests);
            return vec![Err(UpstreamError::Refused(why)); count];
        }
        let Some(upstream) = self.lent.upstream.clone() else {
            return vec![Err(UpstreamError::Refused("the chain has no endpoints".to_owned())); count];
        };
        let asked = Instant::now();
        let answers = upstream.send(requests).await;
        self.waited += asked.elapsed();
        answers
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.lent.cache
    }

    pub(super) fn log(&mut self, level: tracing::Level, message: &str) {
        self.lines += 1;
        if self.lines > LOG_LINES {
            return;
        }
        let end = (0..=LOG_BYTES.min(message.len())).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
        let (chain, message) = (&*self.lent.chain, &message[..end]);
        match level {
            tracing::Level::ERROR => tracing::error!(chain.id = chain, "plugin: {message}"),
            tracing::Level::WARN => tracing::warn!(chain.id = chain, "plugin: {message}"),
            tracing::Level::INFO => tracing::info!(chain.id = chain, "plugin: {message}"),
            _ => tracing::debug!(chain.id = chain, "plugin: {message}"),
        }
    }
}

impl ResourceLimiter for Limited {
    fn memory_growing(&mut self, _now: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.lent.limits.memory_bytes {
            wasmtime::bail!("the plugin asked for more than {} bytes of memory", self.lent.limits.memory_bytes);
        }
        Ok(true)
    }

    fn table_growing(&mut self, _now: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000)
    }
}
