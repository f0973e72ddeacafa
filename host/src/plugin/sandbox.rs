//! What one call of a plugin can reach and may use: upstream, cache, log, and limits on time, memory, requests and
//! output.

use super::budget::Budget;
#[cfg(feature = "wasi")]
use super::empty_wasi::EmptyWasi;
use super::engine::MAX_TABLE_ELEMENTS;
use super::exchange_trace;
use super::log_lines::{Line, LogLines, MAX_LINES_PER_SECOND};
use crate::cache::Cache;
use crate::cassette::{Body, Recorder, Replay};
use crate::chainfile::Limits;
use crate::upstream::{Request, Response, Upstream, UpstreamError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// Bytes of one line; longer ones are cut.
const MAX_LOG_LINE_BYTES: usize = 1_024;

/// Bytes that an item of a list takes beside its own bytes.
const ITEM_BYTES: usize = 64;
/// The part of a call's bytes that a recording of its answers may take.
const RECORDED_PART: usize = 4;

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
    #[error("it sent more than {0} requests in one call: raise `requests` of the chain's `[limits]`")]
    Requests(u64),
    #[error("it asked the cache for more than {0} keys in one call: raise `cache_keys` of the chain's `[limits]`")]
    CacheKeys(u64),
    #[error(
        "it would make the host hold more than {max} bytes at once with its {what}: raise `call_bytes` of the \
         chain's `[limits]`, or ask for less at once"
    )]
    Held { what: &'static str, max: usize },
}

/// The state of one store: what the call can reach, and what it used of it.
pub struct CallState {
    resources: CallResources,
    answers: AnswerSource,
    #[cfg_attr(not(feature = "wasi"), expect(dead_code, reason = "only WASI has a clock"))]
    now_ms: u64,
    #[cfg(feature = "wasi")]
    wasi: Option<EmptyWasi>,
    started: Instant,
    waited: Duration,
    requests: u64,
    cache_keys: u64,
    memory: usize,
    budget: Budget,
    /// Bytes of the budget that are recorded, and held until the call ends.
    recorded: usize,
    log_lines: LogLines,
}

impl CallState {
    pub(super) fn new(resources: CallResources, answers: AnswerSource, log_lines: LogLines, now_ms: u64) -> Self {
        Self {
            budget: Budget::new(resources.limits.call_bytes),
            resources,
            answers,
            now_ms,
            #[cfg(feature = "wasi")]
            wasi: None,
            started: Instant::now(),
            waited: Duration::ZERO,
            requests: 0,
            cache_keys: 0,
            memory: 0,
            recorded: 0,
            log_lines,
        }
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
    #[cfg(feature = "wasi")]
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
        let traced = exchange_trace::is_wanted().then(|| requests.clone());
        let sent = Instant::now();
        let answers = self.answer(requests).await?;
        if let Some(requests) = traced {
            exchange_trace::trace(&self.resources.chain, &requests, &answers, sent.elapsed());
        }
        Ok(answers)
    }

    async fn answer(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Response, UpstreamError>>> {
        self.requests = self.requests.saturating_add(requests.len() as u64);
        if self.requests > self.resources.limits.requests {
            return Err(BrokenLimit::Requests(self.resources.limits.requests).into());
        }
        self.hold("requests", requests.iter().map(Request::held_bytes).sum())?;
        if let AnswerSource::Replayed(replay) = &self.answers {
            let mut is_full = false;
            let answer = |request: &Request| {
                // Once one did not fit, nothing more is copied.
                if is_full {
                    return Err(self.budget.too_large());
                }
                let answer = replay.answer(request)?.within(&self.budget);
                is_full = answer.is_err();
                answer
            };
            return Ok(requests.iter().map(answer).collect());
        }
        let sent = Instant::now();
        let to_record = self.keep_requests(&requests);
        let answers = match self.resources.upstream.clone() {
            Some(upstream) => upstream.send(requests, &self.budget).await,
            None => requests.iter().map(|_| Err(UpstreamError::Refused("the chain has no endpoints".into()))).collect(),
        };
        self.waited += sent.elapsed();
        if self.budget.was_exceeded() {
            let (chain, max) = (&*self.resources.chain, self.budget.max());
            tracing::warn!(
                event = "plugin.responses.refused",
                chain.id = chain,
                "responses of one call come to more than {max} bytes: those that did not fit are refused; raise \
                 `call_bytes` of the chain's `[limits]`, or lower `span`"
            );
        }
        if let (AnswerSource::Recorded(recorder), Some(requests)) = (&self.answers, to_record) {
            let bytes =
                answers.iter().flatten().map(|answer| Body::recorded_bytes(&answer.body) + answer.headers_bytes());
            let (recorder, bytes) = (recorder.clone(), bytes.sum());
            if self.keep(&recorder, bytes) {
                recorder.record_answers(&requests, &answers);
            }
        }
        Ok(answers)
    }

    pub(super) fn read_cache(&mut self, keys: &[String]) -> wasmtime::Result<Vec<Option<Vec<u8>>>> {
        self.cache_keys = self.cache_keys.saturating_add(keys.len() as u64);
        if self.cache_keys > self.resources.limits.cache_keys {
            return Err(BrokenLimit::CacheKeys(self.resources.limits.cache_keys).into());
        }
        let facts = match &self.answers {
            AnswerSource::Replayed(replay) => replay.facts(keys),
            AnswerSource::Live | AnswerSource::Recorded(_) => self.resources.cache.get(keys),
        };
        // Until here a key that is repeated shares its value with the cache; the plugin gets a copy of each.
        let asked: usize = keys.iter().map(|key| key.len() + ITEM_BYTES).sum();
        let found: usize = facts.iter().flatten().map(|value| value.len() + ITEM_BYTES).sum();
        self.hold("answers of the cache", asked.saturating_add(found))?;
        if let AnswerSource::Recorded(recorder) = &self.answers {
            let recorder = recorder.clone();
            let values: usize = facts.iter().flatten().map(|value| Body::recorded_bytes(value)).sum();
            if self.keep(&recorder, asked.saturating_add(values)) {
                recorder.record_facts(keys, &facts);
            }
        }
        Ok(facts.into_iter().map(|fact| fact.map(|value| value.to_vec())).collect())
    }

    pub(super) fn write_cache(&mut self, entries: Vec<(String, Vec<u8>)>) -> wasmtime::Result<()> {
        self.hold("cache entries", entries.iter().map(|(key, value)| key.len() + value.len() + ITEM_BYTES).sum())?;
        if !matches!(self.answers, AnswerSource::Replayed(_)) {
            self.resources.cache.put(entries);
        }
        Ok(())
    }

    /// Begins an import with so many bytes: what the import before it held has been handed to the plugin, or dropped.
    fn hold(&mut self, what: &'static str, bytes: usize) -> Result<(), BrokenLimit> {
        self.budget.settle(self.recorded);
        if self.budget.take(bytes) {
            return Ok(());
        }
        if let AnswerSource::Recorded(recorder) = &self.answers {
            // A recording is a courtesy: the call itself comes first.
            recorder.give_up();
            self.recorded = 0;
            self.budget.settle(0);
            if self.budget.take(bytes) {
                return Ok(());
            }
        }
        Err(BrokenLimit::Held { what, max: self.budget.max() })
    }

    /// A copy of the requests, where their answers are to be recorded.
    fn keep_requests(&mut self, requests: &[Request]) -> Option<Vec<Request>> {
        let AnswerSource::Recorded(recorder) = &self.answers else { return None };
        let recorder = recorder.clone();
        let body = |request: &Request| request.body.as_deref().map_or(0, Body::recorded_bytes);
        // The copy, and what is recorded of it.
        let bytes = requests.iter().map(|request| request.held_bytes() + request.path.len() + body(request)).sum();
        self.keep(&recorder, bytes).then(|| requests.to_vec())
    }

    /// Takes bytes that are held until the call ends, or gives the recording up.
    fn keep(&mut self, recorder: &Recorder, bytes: usize) -> bool {
        if recorder.is_given_up() {
            return false;
        }
        let fits = self.recorded.saturating_add(bytes) <= self.budget.max() / RECORDED_PART && self.budget.take(bytes);
        if fits {
            self.recorded += bytes;
        } else {
            self.recorded = 0;
            recorder.give_up();
        }
        fits
    }

    pub(super) fn log(&mut self, level: tracing::Level, message: &str) {
        let chain = &*self.resources.chain;
        match self.log_lines.count(&self.resources.chain, Instant::now()) {
            Line::Logged => {}
            Line::FirstDropped => {
                tracing::warn!(
                    event = "plugin.lines.dropped",
                    chain.id = chain,
                    "plugin: more than {MAX_LINES_PER_SECOND} lines in a second; the rest of this second is dropped"
                );
                return;
            }
            Line::Dropped => return,
        }
        let end =
            (0..=MAX_LOG_LINE_BYTES.min(message.len())).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
        let message = &message[..end];
        match level {
            tracing::Level::ERROR => tracing::error!(event = "plugin.line", chain.id = chain, "plugin: {message}"),
            tracing::Level::WARN => tracing::warn!(event = "plugin.line", chain.id = chain, "plugin: {message}"),
            tracing::Level::INFO => tracing::info!(event = "plugin.line", chain.id = chain, "plugin: {message}"),
            _ => tracing::debug!(event = "plugin.line", chain.id = chain, "plugin: {message}"),
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
