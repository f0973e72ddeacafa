//! Walks over a chain's endpoints: one that fails is tried a few times, then the next one is asked, and the log says so.

use super::{ActiveVersion, Source};
use crate::plugin::v1::{CallError, Failure as PluginFailure};
use crate::upstream::Endpoint;
use ingest_domain::Failure;
use std::sync::Arc;
use std::time::Duration;

/// Tries of one scan at one endpoint before the next endpoint is asked.
pub(super) const TRIES_PER_ENDPOINT: u32 = 3;
/// Milliseconds before the second try; each later wait is twice as long.
const FIRST_WAIT_MS: u64 = 100;
/// Milliseconds that a plugin may ask to wait before a try; where it asks for more, the next endpoint is asked.
const MAX_WAIT_MS: u64 = 1_000;

/// A failure that may not happen again, or not at another endpoint.
pub(super) struct Transient {
    why: String,
    /// Milliseconds to wait at least, where the plugin says so.
    after_ms: Option<u64>,
    /// Whether the same endpoint is worth another try.
    again: bool,
    /// The height that is missing.
    missing: Option<u64>,
}

/// What failed on the way over the endpoints.
#[derive(Default)]
pub(super) struct Walk(Vec<Transient>);

impl Transient {
    fn new(why: String, again: bool) -> Self {
        Self { why, after_ms: None, again, missing: None }
    }

    /// How long to wait before this endpoint is tried again, unless the next one is to be asked.
    pub(super) fn wait_before_try(&self, tries: u32) -> Option<Duration> {
        let wait = (FIRST_WAIT_MS << tries.saturating_sub(1)).max(self.after_ms.unwrap_or(0));
        (self.again && tries < TRIES_PER_ENDPOINT && wait <= MAX_WAIT_MS).then(|| Duration::from_millis(wait))
    }

    /// The failure for the domain where no other endpoint is asked.
    pub(super) fn retry(self) -> Failure {
        Failure::Retry { after_ms: self.after_ms, why: self.why }
    }
}

impl Walk {
    /// The failure for the domain when no endpoint could scan a span: a narrower span where there may be heights that
    /// one of them can scan, else a retry.
    pub(super) fn failure(self, (first, last): (u64, u64)) -> Failure {
        if last > first {
            let before_missing = self.0.iter().filter_map(|it| it.missing?.checked_sub(first)).max();
            let most = before_missing.unwrap_or_else(|| (last - first).div_ceil(2));
            return Failure::TooWide(most.clamp(1, last - first));
        }
        self.retry()
    }

    /// A retry with all reasons.
    pub(super) fn retry(self) -> Failure {
        let after_ms = self.0.iter().map(|it| it.after_ms).min().flatten();
        let reasons: Vec<String> = self.0.into_iter().map(|it| it.why).collect();
        Failure::Retry { after_ms, why: reasons.join("; ") }
    }
}

impl Source {
    /// Sorts a call that failed at an endpoint: whether another try may help, or what the domain is to do. The span is
    /// that of a scan.
    pub(super) fn sort_failure(
        &mut self,
        endpoint: Option<&Arc<Endpoint>>,
        error: CallError,
        span: Option<(u64, u64)>,
    ) -> Result<Transient, Failure> {
        if !matches!(error, CallError::Failure(PluginFailure::NotYet(_) | PluginFailure::SpanTooWide(_))) {
            self.networks.forget(endpoint);
        }
        let mut transient = match error {
            CallError::Failure(PluginFailure::Elsewhere(why)) => {
                if let Some(endpoint) = endpoint {
                    endpoint.blame(&why);
                }
                Transient::new(why, false)
            }
            CallError::Failure(PluginFailure::Retry((after_ms, why))) => {
                Transient { after_ms, ..Transient::new(why, true) }
            }
            CallError::Failure(PluginFailure::SpanTooWide(_)) if span.is_none_or(|(first, last)| first == last) => {
                Transient::new("it says that a single height is too wide a span".to_owned(), false)
            }
            CallError::Failure(PluginFailure::SpanTooWide(most)) => return Err(Failure::TooWide(most)),
            CallError::Failure(PluginFailure::NotYet(height)) => self.missing(endpoint, height)?,
            CallError::Failure(PluginFailure::Reorged) => {
                self.reorged_in_a_row += 1;
                // Usually the domain finds the common ancestor; an endpoint may also contradict itself for ever.
                if self.reorged_in_a_row < TRIES_PER_ENDPOINT {
                    return Err(Failure::Reorged);
                }
                Transient::new("its branch changes whenever it is read".to_owned(), false)
            }
            CallError::Failure(PluginFailure::BadSettings(why)) => {
                return Err(Failure::Hopeless(format!("bad settings: {why}")));
            }
            CallError::Failure(failure @ PluginFailure::Other(_)) => {
                Transient::new(CallError::Failure(failure).to_string(), true)
            }
            other => return Err(Failure::Retry { after_ms: Some(1_000), why: other.to_string() }),
        };
        if let Some(endpoint) = endpoint {
            let named = format!("endpoint {}", endpoint.number);
            if !transient.why.starts_with(&named) {
                transient.why = format!("{named}: {}", transient.why);
            }
        }
        Ok(transient)
    }

    /// A height that an endpoint does not have: beyond every head that was read it will come, else it is missing there.
    fn missing(&self, endpoint: Option<&Arc<Endpoint>>, height: u64) -> Result<Transient, Failure> {
        if height > self.head {
            return Err(Failure::NotYet(height));
        }
        let own_head = endpoint.map_or(Some(self.head), |endpoint| self.heads.get(&endpoint.number).copied());
        let why = format!("height {height} is not there, though the chain is at {}", self.head);
        // One that is not as far cannot have it, however often it is asked.
        let again = own_head.is_some_and(|head| height <= head);
        Ok(Transient { missing: Some(height), ..Transient::new(why, again) })
    }

    /// Goes on to the next endpoint; the log says why, once and then at growing intervals.
    pub(super) fn pass_over(&mut self, active: &ActiveVersion, walk: &mut Walk, failed: Transient) {
        if active.endpoints.len() > 1
            && let Some(times) = self.pace.due(&failed.why)
        {
            let chain = &active.file.id;
            tracing::warn!(
                event = "endpoint.failing",
                chain.id = chain,
                why = failed.why,
                times,
                "an endpoint fails, the next one is asked"
            );
        }
        walk.0.push(failed);
    }
}
