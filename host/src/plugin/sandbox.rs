//! What one call is lent and may use: upstream, cache, log, and limits on time, memory, requests and output.

use super::empty::Empty;
use super::engine::TABLE;
use crate::cache::Cache;
use crate::cassette::{Recorder, Replay};
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

/// Whether a call's answers come from outside, are kept, or come from what was kept.
#[derive(Clone, Default)]
pub enum Answers {
    /// From outside.
    #[default]
    Live,
    /// From outside, and kept.
    Recorded(Recorder),
    /// From what was kept: no network, no cache.
    Replayed(Arc<Replay>),
}

/// What a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
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

/// A limit that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broke {
    #[error("it computed for more than {0} ms")]
    Deadline(u64),
    #[error("it asked for more than {0} bytes of memory")]
    Memory(usize),
    #[error("it begins with {begins} bytes of memory, the chain allows {most}: raise `memory_bytes` of its `[limits]`")]
    Beginning { begins: usize, most: usize },
    #[error("it sent more than {0} requests in one call")]
    Requests(u64),
}

/// The state of one store: what is lent, and what was used of it.
pub struct Limited {
    lent: Lent,
    answers: Answers,
    now_ms: u64,
    empty: Option<Empty>,
    started: Instant,
    waited: Duration,
    requests: u64,
    memory: usize,
    lines: u32,
}

impl Limited {
    pub(super) fn new(lent: Lent, answers: Answers, now_ms: u64) -> Self {
        let started = Instant::now();
        let (waited, requests, memory, lines) = (Duration::ZERO, 0, 0, 0);
        Self { lent, answers, now_ms, empty: None, started, waited, requests, memory, lines }
    }

    pub(super) fn used(&self) -> Used {
        let computed = self.started.elapsed().saturating_sub(self.waited);
        Used { computed, waited: self.waited, memory: self.memory, requests: self.requests, ..Used::default() }
    }

    /// The empty world of a component that imports WASI, made when it is first asked for.
    pub(super) fn empty(&mut self) -> &mut Empty {
        let now_ms = self.now_ms;
        self.empty.get_or_insert_with(|| Empty::at(now_ms))
    }

    /// Called at each epoch: waiting on the endpoint is not charged.
    pub(super) fn on_epoch(&self) -> wasmtime::Result<UpdateDeadline> {
        let running = self.started.elapsed().saturating_sub(self.waited);
        if running > Duration::from_millis(self.lent.limits.compute_ms) {
            return Err(Broke::Deadline(self.lent.limits.compute_ms).into());
        }
        Ok(UpdateDeadline::Yield(1))
    }

    pub(super) async fn send(
        &mut self,
        requests: Vec<Request>,
    ) -> wasmtime::Result<Vec<Result<Response, UpstreamError>>> {
        self.requests += requests.len() as u64;
        if self.requests > self.lent.limits.requests {
            return Err(Broke::Requests(self.lent.limits.requests).into());
        }
        if let Answers::Replayed(replay) = &self.answers {
            return Ok(requests.iter().map(|request| replay.answer(request)).collect());
        }
        let asked = Instant::now();
        let recorder = if let Answers::Recorded(recorder) = &self.answers { Some(recorder.clone()) } else { None };
        let kept = recorder.is_some().then(|| requests.clone());
        let answers = match self.lent.upstream.clone() {
            Some(upstream) => upstream.send(requests).await,
            None => requests.iter().map(|_| Err(UpstreamError::Refused("the chain has no endpoints".into()))).collect(),
        };
        self.waited += asked.elapsed();
        if let (Some(recorder), Some(requests)) = (recorder, kept) {
            recorder.heard(&requests, &answers);
        }
        Ok(answers)
    }

    pub(super) fn recall(&self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        match &self.answers {
            Answers::Live => self.lent.cache.get(keys),
            Answers::Recorded(recorder) => {
                let facts = self.lent.cache.get(keys);
                recorder.recalled(keys, &facts);
                facts
            }
            Answers::Replayed(replay) => replay.recall(keys),
        }
    }

    pub(super) fn keep(&self, entries: Vec<(String, Vec<u8>)>) {
        if !matches!(self.answers, Answers::Replayed(_)) {
            self.lent.cache.put(entries);
        }
    }

    pub(super) fn log(&mut self, level: tracing::Level, message: &str) {
        self.lines += 1;
        let chain = &*self.lent.chain;
        if self.lines > LOG_LINES {
            if self.lines == LOG_LINES + 1 {
                tracing::warn!(
                    chain.id = chain,
                    "plugin: more than {LOG_LINES} lines in one call; the rest is dropped"
                );
            }
            return;
        }
        let end = (0..=LOG_BYTES.min(message.len())).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
        let message = &message[..end];
        match level {
            tracing::Level::ERROR => tracing::error!(chain.id = chain, "plugin: {message}"),
            tracing::Level::WARN => tracing::warn!(chain.id = chain, "plugin: {message}"),
            tracing::Level::INFO => tracing::info!(chain.id = chain, "plugin: {message}"),
            _ => tracing::debug!(chain.id = chain, "plugin: {message}"),
        }
    }
}

impl ResourceLimiter for Limited {
    fn memory_growing(&mut self, now: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        // A component may have several memories: their sum counts.
        let sum = self.memory + desired.saturating_sub(now);
        let most = self.lent.limits.memory_bytes;
        if sum > most {
            let broke = if now == 0 { Broke::Beginning { begins: sum, most } } else { Broke::Memory(most) };
            return Err(broke.into());
        }
        self.memory = sum;
        Ok(true)
    }

    fn table_growing(&mut self, _now: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE)
    }
}
