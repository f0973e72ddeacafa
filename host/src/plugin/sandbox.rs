//! What one call of a plugin can reach and may use: upstream, cache, log, and limits on time, memory, requests and
//! output.

use super::empty_wasi::EmptyWasi;
use super::engine::MAX_TABLE_ELEMENTS;
use crate::cache::Cache;
use crate::cassette::{Recorder, Replay};
use crate::chainfile::Limits;
use crate::upstream::{Request, Response, Upstream, UpstreamError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// Lines that one call may log.
const MAX_LOG_LINES: u32 = 100;
/// Bytes of one line; longer ones are cut.
const MAX_LOG_LINE_BYTES: usize = 1_024;

/// What a call can reach, and its limits.
#[derive(Clone)]
pub struct CallResources {
    /// Id of the chain, for the log.
    pub chain: Arc<str>,
    /// Where its requests go; none on synthetic chains.
    pub upstream: Option<Upstream>,
    /// The chain's cache under this plugin.
    pub cache: Cache,
    /// What it may use.
    pub limits: Limits,
}

/// Where the answers of upstream and cache come from.
#[derive(Clone, Default)]
pub enum AnswerSource {
    /// From the nodes and the cache.
    #[default]
    Live,
    /// From the nodes and the cache, and recorded.
    Recorded(Recorder),
    /// From a recording: no network, no cache.
    Replayed(Arc<Replay>),
}

/// What a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallUsage {
    /// Computing, without waiting for answers.
    pub computed: Duration,
    /// Waiting for answers.
    pub waited: Duration,
    /// All of it, from making the instance to dropping it; without the way to the thread that does it, and back.
    pub took: Duration,
    /// Most bytes of memory.
    pub memory: usize,
    /// Requests sent.
    pub requests: u64,
    /// Fuel burnt, where it was counted.
    pub fuel: u64,
}

/// A limit that a call broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BrokenLimit {
    #[error("it computed for more than {0} ms")]
    Deadline(u64),
    #[error("it asked for more than {0} bytes of memory")]
    Memory(usize),
    #[error("it begins with {begins} bytes of memory, the chain allows {max}: raise `memory_bytes` of its `[limits]`")]
    Beginning { begins: usize, max: usize },
    #[error("it sent more than {0} requests in one call")]
    Requests(u64),
}

/// The state of one store: what the call can reach, and what it used of it.
pub struct CallState {
    resources: CallResources,
    answers: AnswerSource,
    now_ms: u64,
    wasi: Option<EmptyWasi>,
    started: Instant,
    waited: Duration,
    requests: u64,
    memory: usize,
    lines: u32,
}

impl CallState {
    pub(super) fn new(resources: CallResources, answers: AnswerSource, now_ms: u64) -> Self {
        let started = Instant::now();
        let (waited, requests, memory, lines) = (Duration::ZERO, 0, 0, 0);
        Self { resources, answers, now_ms, wasi: None, started, waited, requests, memory, lines }
    }

    pub(super) fn usage(&self) -> CallUsage {
        let computed = self.started.elapsed().saturating_sub(self.waited);
        CallUsage {
            computed,
            waited: self.waited,
            memory: self.memory,
            requests: self.requests,
            ..CallUsage::default()
        }
    }

    /// The empty WASI of a component that imports it, made at its first use.
    pub(super) fn wasi(&mut self) -> &mut EmptyWasi {
        let now_ms = self.now_ms;
        self.wasi.get_or_insert_with(|| EmptyWasi::at(now_ms))
    }

    /// Called at each epoch: waiting on the endpoint is not charged.
    pub(super) fn on_epoch(&self) -> wasmtime::Result<UpdateDeadline> {
        let running = self.started.elapsed().saturating_sub(self.waited);
        if running > Duration::from_millis(self.resources.limits.compute_ms) {
            return Err(BrokenLimit::Deadline(self.resources.limits.compute_ms).into());
        }
        Ok(UpdateDeadline::Yield(1))
    }

    pub(super) async fn send(
        &mut self,
        requests: Vec<Request>,
    ) -> wasmtime::Result<Vec<Result<Response, UpstreamError>>> {
        self.requests += requests.len() as u64;
        if self.requests > self.resources.limits.requests {
            return Err(BrokenLimit::Requests(self.resources.limits.requests).into());
        }
        if let AnswerSource::Replayed(replay) = &self.answers {
            return Ok(requests.iter().map(|request| replay.answer(request)).collect());
        }
        let sent = Instant::now();
        let recorder = if let AnswerSource::Recorded(recorder) = &self.answers { Some(recorder.clone()) } else { None };
        let recorded = recorder.is_some().then(|| requests.clone());
        let answers = match self.resources.upstream.clone() {
            Some(upstream) => upstream.send(requests).await,
            None => requests.iter().map(|_| Err(UpstreamError::Refused("the chain has no endpoints".into()))).collect(),
        };
        self.waited += sent.elapsed();
        if let (Some(recorder), Some(requests)) = (recorder, recorded) {
            recorder.record_answers(&requests, &answers);
        }
        Ok(answers)
    }

    pub(super) fn read_cache(&self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        match &self.answers {
            AnswerSource::Live => self.resources.cache.get(keys),
            AnswerSource::Recorded(recorder) => {
                let facts = self.resources.cache.get(keys);
                recorder.record_facts(keys, &facts);
                facts
            }
            AnswerSource::Replayed(replay) => replay.facts(keys),
        }
    }

    pub(super) fn write_cache(&self, entries: Vec<(String, Vec<u8>)>) {
        if !matches!(self.answers, AnswerSource::Replayed(_)) {
            self.resources.cache.put(entries);
        }
    }

    pub(super) fn log(&mut self, level: tracing::Level, message: &str) {
        self.lines += 1;
        let chain = &*self.resources.chain;
        if self.lines > MAX_LOG_LINES {
            if self.lines == MAX_LOG_LINES + 1 {
                tracing::warn!(
                    chain.id = chain,
                    "plugin: more than {MAX_LOG_LINES} lines in one call; the rest is dropped"
                );
            }
            return;
        }
        let end =
            (0..=MAX_LOG_LINE_BYTES.min(message.len())).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
        let message = &message[..end];
        match level {
            tracing::Level::ERROR => tracing::error!(chain.id = chain, "plugin: {message}"),
            tracing::Level::WARN => tracing::warn!(chain.id = chain, "plugin: {message}"),
            tracing::Level::INFO => tracing::info!(chain.id = chain, "plugin: {message}"),
            _ => tracing::debug!(chain.id = chain, "plugin: {message}"),
        }
    }
}

impl ResourceLimiter for CallState {
    fn memory_growing(&mut self, now: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        // A component may have several memories: their sum counts.
        let sum = self.memory + desired.saturating_sub(now);
        let max = self.resources.limits.memory_bytes;
        if sum > max {
            let broken = if now == 0 { BrokenLimit::Beginning { begins: sum, max } } else { BrokenLimit::Memory(max) };
            return Err(broken.into());
        }
        self.memory = sum;
        Ok(true)
    }

    fn table_growing(&mut self, _now: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}
