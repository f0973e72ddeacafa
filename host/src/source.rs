//! One chain, read through its plugin: picks an endpoint for each call, charges those that fail, sorts failures.

use crate::cache::Cache;
use crate::chainfile::ChainFile;
use crate::plugin::v1::{self, CallError, Context, Failure as Said};
use crate::plugin::{Admitted, Engine, Lent};
use crate::upstream::{Endpoint, Upstream};
use ingest_domain::{Chain, Failure, Scanned, Tip};
use std::collections::HashMap;
use std::sync::Arc;

/// Reads one chain.
pub struct Source {
    engine: Engine,
    plugin: Admitted,
    file: Arc<ChainFile>,
    endpoints: Vec<Arc<Endpoint>>,
    heads: HashMap<usize, u64>,
    last: Option<Arc<Endpoint>>,
    network: Arc<str>,
    cache: Cache,
}

impl Source {
    /// The chain of a file, read by a plugin.
    pub fn new(engine: &Engine, plugin: &Admitted, file: &Arc<ChainFile>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            engine: engine.clone(),
            plugin: plugin.clone(),
            file: Arc::clone(file),
            endpoints: Endpoint::all(&file.endpoints, &file.limits)?,
            heads: HashMap::new(),
            last: None,
            network: Arc::from("unknown"),
            cache: Cache::default(),
        })
    }

    fn lent(&self, endpoint: Option<&Arc<Endpoint>>) -> Lent {
        Lent {
            chain: self.file.id.as_str().into(),
            upstream: endpoint.cloned().map(Upstream::Node),
            cache: self.cache.clone(),
            limits: self.file.limits.clone(),
        }
    }

    fn context(&self, finalized: Option<u64>) -> Context {
        Context { settings: self.file.settings.clone(), now_ms: environment::now_ms(), finalized }
    }

    /// Endpoints in the order they are asked: well before sick, fast before slow.
    fn ranked(&self, height: Option<u64>) -> Vec<Option<Arc<Endpoint>>> {
        if self.endpoints.is_empty() {
            return vec![None];
        }
        let reaches = |endpoint: &&Arc<Endpoint>| {
            height.is_none_or(|height| self.heads.get(&endpoint.number).is_none_or(|head| *head >= height))
        };
        let mut ranked: Vec<_> = self.endpoints.iter().filter(reaches).collect();
        if ranked.is_empty() {
            ranked = self.endpoints.iter().collect();
        }
        // What answered last comes first while it is well: one endpoint tells one story.
        let last = self.last.as_ref().map(|endpoint| endpoint.number);
        ranked.sort_by_key(|endpoint| {
            let (sick, latency, number) = endpoint.rank();
            (sick, Some(number) != last, latency, number)
        });
        ranked.into_iter().map(|endpoint| Some(Arc::clone(endpoint))).collect()
    }

    /// Sorts a failed call: charge the endpoint and try the next, or answer.
    fn judge(endpoint: Option<&Arc<Endpoint>>, error: CallError) -> Result<String, Failure> {
        match error {
            CallError::Failure(Said::Elsewhere(why)) => {
                if let Some(endpoint) = endpoint {
                    endpoint.blame(&why);
                }
                Ok(why)
            }
            CallError::Failure(Said::Retry((after_ms, why))) => Err(Failure::Retry { after_ms, why }),
            CallError::Failure(Said::SpanTooWide(most)) => Err(Failure::TooWide(most)),
            CallError::Failure(Said::NotYet(height)) => Err(Failure::NotYet(height)),
            CallError::Failure(Said::Reorged) => Err(Failure::Reorged),
            CallError::Failure(Said::BadSettings(why)) => Err(Failure::Hopeless(format!("bad settings: {why}"))),
            other => Err(Failure::Retry { after_ms: Some(1_000), why: other.to_string() }),
        }
    }
}

impl Chain for Source {
    async fn head(&mut self) -> Result<Tip, Failure> {
        let mut why = String::new();
        for endpoint in self.ranked(None) {
            let told = self.context(None);
            match v1::head(&self.engine, &self.plugin, self.lent(endpoint.as_ref()), &told).await {
                Ok(tip) => {
                    self.network = Arc::clone(&tip.network);
                    if let Some(endpoint) = &endpoint {
                        self.heads.insert(endpoint.number, tip.latest.height);
                    }
                    self.last = endpoint;
                    return Ok(tip);
                }
                Err(error) => match Self::judge(endpoint.as_ref(), error) {
                    Ok(elsewhere) => why = elsewhere,
                    // Its own retries are spent: the next endpoint may do better.
                    Err(Failure::Retry { why: failed, .. }) if self.endpoints.len() > 1 => why = failed,
                    Err(failure) => return Err(failure),
                },
            }
        }
        Err(Failure::Retry { after_ms: None, why })
    }

    async fn scan(&mut self, first: u64, last: u64, finalized: Option<u64>) -> Result<Scanned, Failure> {
        let mut why = String::new();
        for endpoint in self.ranked(Some(last)) {
            let (told, lent) = (self.context(finalized), self.lent(endpoint.as_ref()));
            match v1::scan(&self.engine, &self.plugin, lent, &told, &self.network, (first, last)).await {
                Ok(scanned) => return Ok(scanned),
                Err(error) => why = Self::judge(endpoint.as_ref(), error)?,
            }
        }
        Err(Failure::Retry { after_ms: None, why })
    }

    fn blame(&mut self, why: &str) {
        if let Some(endpoint) = self.last.take() {
            endpoint.blame(why);
        }
    }
}
