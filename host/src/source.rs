//! Reads one chain through its plugin: picks an endpoint for each call, passes over those that fail, sorts failures,
//! and takes over a new version or new settings whenever the head is asked for: between two blocks, without the domain
//! noticing.

mod failing;
mod confirm;

pub(crate) use failing::FUEL_PER_MS;
pub use failing::FailureLog;

use crate::cache::Cache;
use crate::cassette::Recorder;
use crate::chainfile::ChainFile;
use crate::in_force::{Entry, InForce};
use crate::measures::Subject;
use crate::plugin::v1::{self, CallError, Failure as PluginFailure};
use crate::plugin::{Admitted, AnswerSource, CallContext, CallResources, Engine};
use crate::subscription::Subscription;
use crate::upstream::{Endpoint, Upstream};
use failing::Strikes;
use ingest_domain::{ChainReader, Failure, Scanned, Tip};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tape::{BlockId, Detector};

/// Reads one chain.
pub struct Source {
    engine: Engine,
    subscription: Subscription,
    failure_log: FailureLog,
    in_force: InForce,
    /// What the chain is read with, or why it is not.
    active: Result<ActiveVersion, String>,
    /// The newest block of each endpoint, by its number.
    heads: HashMap<usize, u64>,
    /// The endpoint that answered last.
    last: Option<Arc<Endpoint>>,
    network: Arc<str>,
    strikes: Strikes,
}

/// The version in force, with the endpoints and the cache that it uses.
#[derive(Clone)]
struct ActiveVersion {
    file: Arc<ChainFile>,
    plugin: Admitted,
    endpoints: Vec<Arc<Endpoint>>,
    cache: Cache,
}

impl Source {
    /// Reads the chain of an entry with whatever the entry says at the time.
    pub fn new(engine: &Engine, subscription: Subscription, failure_log: FailureLog) -> Self {
        let entry = subscription.current().unwrap_or_else(|| {
            let nothing = Detector { plugin: String::new(), version: String::new(), digest: String::new() };
            Entry::parked(Arc::new(ChainFile::default()), nothing, "the chain has no entry")
        });
        Self {
            engine: engine.clone(),
            subscription,
            failure_log,
            in_force: InForce::new(entry),
            active: Err("the chain has no entry".to_owned()),
            heads: HashMap::new(),
            last: None,
            network: Arc::from("unknown"),
            strikes: Strikes::default(),
        }
    }

    /// The entry that the chain is read with, for the writer of its steps.
    pub fn in_force(&self) -> InForce {
        self.in_force.clone()
    }

    /// Takes over a new entry, if there is one.
    fn take_over(&mut self) -> Result<ActiveVersion, Failure> {
        if let Some(entry) = self.subscription.take_new() {
            self.in_force.set(entry.clone());
            self.strikes = Strikes::default();
            self.active = match entry.running {
                Err(why) => Err(why),
                Ok(plugin) => self.activate(entry.file, plugin),
            };
        }
        self.active.clone().map_err(Failure::Hopeless)
    }

    fn activate(&mut self, file: Arc<ChainFile>, plugin: Admitted) -> Result<ActiveVersion, String> {
        let before = self.active.as_ref().ok();
        let same_nodes = before.filter(|it| it.file.endpoints == file.endpoints && it.file.limits == file.limits);
        let endpoints = if let Some(before) = same_nodes {
            before.endpoints.clone()
        } else {
            (self.heads, self.last) = (HashMap::new(), None);
            Endpoint::all(&file.endpoints, &file.limits).map_err(|e| format!("make an HTTP client: {e}"))?
        };
        // What one version cached means nothing to another.
        let cache = before.filter(|it| it.plugin.detector.digest == plugin.detector.digest).map(|it| it.cache.clone());
        Ok(ActiveVersion { file, plugin, endpoints, cache: cache.unwrap_or_default() })
    }

    /// Endpoints in the order they are asked: healthy before failing, fast before slow.
    fn ranked(&self, endpoints: &[Arc<Endpoint>], height: Option<u64>) -> Vec<Option<Arc<Endpoint>>> {
        if endpoints.is_empty() {
            return vec![None];
        }
        let reaches = |endpoint: &&Arc<Endpoint>| {
            height.is_none_or(|height| self.heads.get(&endpoint.number).is_none_or(|head| *head >= height))
        };
        let mut ranked: Vec<_> = endpoints.iter().filter(reaches).collect();
        if ranked.is_empty() {
            ranked = endpoints.iter().collect();
        }
        // The one that answered last comes first while it is healthy: its answers fit together.
        let last = self.last.as_ref().map(|endpoint| endpoint.number);
        ranked.sort_by_key(|endpoint| {
            let (failing, latency, number) = endpoint.rank();
            (failing, Some(number) != last, latency, number)
        });
        ranked.into_iter().map(|endpoint| Some(Arc::clone(endpoint))).collect()
    }

    /// Sorts a failed call: the reason, where the next endpoint is to be tried, or the failure for the domain.
    fn sort_failure(endpoint: Option<&Arc<Endpoint>>, error: CallError) -> Result<String, Failure> {
        match error {
            CallError::Failure(PluginFailure::Elsewhere(why)) => {
                if let Some(endpoint) = endpoint {
                    endpoint.blame(&why);
                }
                Ok(why)
            }
            CallError::Failure(PluginFailure::Retry((after_ms, why))) => Err(Failure::Retry { after_ms, why }),
            CallError::Failure(PluginFailure::SpanTooWide(most)) => Err(Failure::TooWide(most)),
            CallError::Failure(PluginFailure::NotYet(height)) => Err(Failure::NotYet(height)),
            CallError::Failure(PluginFailure::Reorged) => Err(Failure::Reorged),
            CallError::Failure(PluginFailure::BadSettings(why)) => {
                Err(Failure::Hopeless(format!("bad settings: {why}")))
            }
            other => Err(Failure::Retry { after_ms: Some(1_000), why: other.to_string() }),
        }
    }

    async fn read_head(&mut self, active: &ActiveVersion) -> Result<Tip, Failure> {
        let mut why = String::new();
        for endpoint in self.ranked(&active.endpoints, None) {
            let context = active.context(None);
            match v1::head(&self.engine, &active.plugin, active.resources(endpoint.as_ref()), &context).await {
                Ok(tip) => {
                    self.network = Arc::clone(&tip.network);
                    if let Some(endpoint) = &endpoint {
                        self.heads.insert(endpoint.number, tip.latest.height);
                    }
                    self.last = endpoint;
                    return Ok(tip);
                }
                Err(error) if error.is_deterministic() => return Err(self.head_failed(active, &error)),
                Err(error) => match Self::sort_failure(endpoint.as_ref(), error) {
                    Ok(elsewhere) => why = elsewhere,
                    // Its own retries are spent: the next endpoint may do better.
                    Err(Failure::Retry { why: failed, .. }) if active.endpoints.len() > 1 => why = failed,
                    Err(failure) => return Err(failure),
                },
            }
        }
        Err(Failure::Retry { after_ms: None, why })
    }
}

impl ActiveVersion {
    fn resources(&self, endpoint: Option<&Arc<Endpoint>>) -> CallResources {
        CallResources {
            chain: self.file.id.as_str().into(),
            upstream: endpoint.cloned().map(Upstream::Node),
            cache: self.cache.clone(),
            limits: self.file.limits.clone(),
        }
    }

    fn context(&self, finalized: Option<u64>) -> CallContext {
        CallContext { settings: self.file.settings.clone(), now_ms: environment::now_ms(), finalized }
    }
}

impl ChainReader for Source {
    async fn head(&mut self) -> Result<Tip, Failure> {
        let active = self.take_over()?;
        let tip = self.read_head(&active).await?;
        self.strikes.head_was_read();
        Ok(tip)
    }

    async fn scan(&mut self, first: u64, last: u64, finalized: Option<u64>) -> Result<Scanned, Failure> {
        let active = self.active.clone().map_err(Failure::Hopeless)?;
        if let Some(widest) = active.plugin.widest_span.filter(|widest| last - first >= *widest) {
            return Err(Failure::TooWide(widest));
        }
        let mut why = String::new();
        for endpoint in self.ranked(&active.endpoints, Some(last)) {
            let context = active.context(finalized);
            let resources = active.resources(endpoint.as_ref());
            // Some scans are recorded, to be repeated; and those of a span that was too slow before.
            let recorder = self.strikes.is_to_be_recorded(&active.file.policy, (first, last)).then(Recorder::default);
            let answers = recorder.clone().map_or(AnswerSource::Live, AnswerSource::Recorded);
            let (plugin, network) = (&active.plugin, Arc::clone(&self.network));
            let begun = Instant::now();
            let scan = v1::scan_with(&self.engine, plugin, resources, answers, None, &context, &network, (first, last));
            let (scanned, _) = scan.await;
            Subject { chain: &active.file.id, detector: &plugin.detector }.record_scan(begun.elapsed(), &scanned);
            let attempt = failing::Attempt { active: &active, endpoint, context, span: (first, last), recorder };
            match scanned {
                Ok(scanned) => return self.verify(&attempt, scanned).await,
                Err(CallError::Slow(why)) => return self.handle_slow(&attempt, why).await,
                Err(error) if error.is_deterministic() => return self.handle_failure(&attempt, error).await,
                Err(error) => why = Self::sort_failure(attempt.endpoint.as_ref(), error)?,
            }
        }
        Err(Failure::Retry { after_ms: None, why })
    }

    async fn still_has(&mut self, block: &BlockId, tip: &Tip) -> Result<bool, Failure> {
        self.any_endpoint_has(block, tip).await
    }

    fn blame(&mut self, why: &str) {
        if let Some(endpoint) = self.last.take() {
            endpoint.blame(why);
        }
    }
}
