//! One chain, read through its plugin: picks an endpoint for each call, charges those that fail, sorts failures, and
//! takes over a new version or new settings whenever the head is asked for: between two blocks, unseen by the domain.

mod failing;
mod second;

pub use failing::Evidence;
pub(crate) use failing::FUEL_PER_MS;

use crate::cache::Cache;
use crate::cassette::Recorder;
use crate::catalog::{Standing, Subscription};
use crate::chainfile::ChainFile;
use crate::in_force::{About, InForce, Waiting};
use crate::measures::Subject;
use crate::plugin::v1::{self, CallError, Context, Failure as Said};
use crate::plugin::{Admitted, Answers, Engine, Lent};
use crate::upstream::{Endpoint, Upstream};
use failing::Trouble;
use ingest_domain::{Chain, Failure, Scanned, Tip};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;
use tape::{BlockId, Detector};

/// Reads one chain.
pub struct Source {
    engine: Engine,
    subscription: Subscription,
    evidence: Evidence,
    in_force: InForce,
    reading: Result<Reading, String>,
    heads: HashMap<usize, u64>,
    last: Option<Arc<Endpoint>>,
    network: Arc<str>,
    trouble: Trouble,
}

/// What the chain is read with.
#[derive(Clone)]
struct Reading {
    file: Arc<ChainFile>,
    plugin: Admitted,
    endpoints: Vec<Arc<Endpoint>>,
    cache: Cache,
}

impl Source {
    /// The chain of an entry, read with whatever the entry says at the time.
    pub fn new(engine: &Engine, subscription: Subscription, evidence: Evidence) -> Self {
        let unknown = || About {
            detector: Detector { plugin: String::new(), version: String::new(), digest: String::new() },
            display: BTreeMap::new(),
            providers: BTreeMap::new(),
            waiting: Waiting::default(),
        };
        let about = subscription.current().as_ref().map_or_else(unknown, About::from);
        Self {
            engine: engine.clone(),
            subscription,
            evidence,
            in_force: InForce::new(about),
            reading: Err("the chain has no entry".to_owned()),
            heads: HashMap::new(),
            last: None,
            network: Arc::from("unknown"),
            trouble: Trouble::default(),
        }
    }

    /// What the chain is read with, for who writes about it.
    pub fn in_force(&self) -> InForce {
        self.in_force.clone()
    }

    /// Takes over what is new.
    fn take_over(&mut self) -> Result<Reading, Failure> {
        if let Some(entry) = self.subscription.take_new() {
            self.in_force.set(About::from(&entry));
            self.trouble = Trouble::default();
            self.reading = match entry.standing {
                Standing::Parked(why) => Err(why),
                Standing::InUse(plugin) => self.read_with(entry.file, plugin),
            };
        }
        self.reading.clone().map_err(Failure::Hopeless)
    }

    fn read_with(&mut self, file: Arc<ChainFile>, plugin: Admitted) -> Result<Reading, String> {
        let before = self.reading.as_ref().ok();
        let same_nodes = before.filter(|it| it.file.endpoints == file.endpoints && it.file.limits == file.limits);
        let endpoints = if let Some(before) = same_nodes {
            before.endpoints.clone()
        } else {
            (self.heads, self.last) = (HashMap::new(), None);
            Endpoint::all(&file.endpoints, &file.limits).map_err(|e| format!("make an HTTP client: {e}"))?
        };
        // What one version knew means nothing to another.
        let cache = before.filter(|it| it.plugin.detector.digest == plugin.detector.digest).map(|it| it.cache.clone());
        Ok(Reading { file, plugin, endpoints, cache: cache.unwrap_or_default() })
    }

    /// Endpoints in the order they are asked: well before sick, fast before slow.
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

    async fn look_at_head(&mut self, reading: &Reading) -> Result<Tip, Failure> {
        let mut why = String::new();
        for endpoint in self.ranked(&reading.endpoints, None) {
            let told = reading.context(None);
            match v1::head(&self.engine, &reading.plugin, reading.lent(endpoint.as_ref()), &told).await {
                Ok(tip) => {
                    self.network = Arc::clone(&tip.network);
                    if let Some(endpoint) = &endpoint {
                        self.heads.insert(endpoint.number, tip.latest.height);
                    }
                    self.last = endpoint;
                    return Ok(tip);
                }
                Err(error) if error.is_deterministic() => return Err(self.headless(reading, &error)),
                Err(error) => match Self::judge(endpoint.as_ref(), error) {
                    Ok(elsewhere) => why = elsewhere,
                    // Its own retries are spent: the next endpoint may do better.
                    Err(Failure::Retry { why: failed, .. }) if reading.endpoints.len() > 1 => why = failed,
                    Err(failure) => return Err(failure),
                },
            }
        }
        Err(Failure::Retry { after_ms: None, why })
    }
}

impl Reading {
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
}

impl Chain for Source {
    async fn head(&mut self) -> Result<Tip, Failure> {
        let reading = self.take_over()?;
        let tip = self.look_at_head(&reading).await?;
        self.trouble.head_is_well();
        Ok(tip)
    }

    async fn scan(&mut self, first: u64, last: u64, finalized: Option<u64>) -> Result<Scanned, Failure> {
        let reading = self.reading.clone().map_err(Failure::Hopeless)?;
        if let Some(widest) = reading.plugin.widest_span.filter(|widest| last - first >= *widest) {
            return Err(Failure::TooWide(widest));
        }
        let mut why = String::new();
        for endpoint in self.ranked(&reading.endpoints, Some(last)) {
            let told = reading.context(finalized);
            let lent = reading.lent(endpoint.as_ref());
            // Some scans are kept, to be run once more; and those of a span that was too slow before.
            let recorder = self.trouble.is_to_be_kept(&reading.file.policy, (first, last)).then(Recorder::default);
            let answers = recorder.clone().map_or(Answers::Live, Answers::Recorded);
            let (plugin, network) = (&reading.plugin, Arc::clone(&self.network));
            let begun = Instant::now();
            let scan = v1::scan_with(&self.engine, plugin, lent, answers, None, &told, &network, (first, last));
            let (scanned, _) = scan.await;
            Subject { chain: &reading.file.id, detector: &plugin.detector }.scanned(begun.elapsed(), &scanned);
            let attempt = failing::Attempt { reading: &reading, endpoint, told, span: (first, last), recorder };
            match scanned {
                Ok(scanned) => return self.prove(&attempt, scanned).await,
                Err(CallError::Slow(why)) => return self.slow(&attempt, why).await,
                Err(error) if error.is_deterministic() => return self.failed(&attempt, error).await,
                Err(error) => why = Self::judge(attempt.endpoint.as_ref(), error)?,
            }
        }
        Err(Failure::Retry { after_ms: None, why })
    }

    async fn still_has(&mut self, block: &BlockId, tip: &Tip) -> Result<bool, Failure> {
        self.look_again(block, tip).await
    }

    fn blame(&mut self, why: &str) {
        if let Some(endpoint) = self.last.take() {
            endpoint.blame(why);
        }
    }
}
