//! Reads one chain through its plugin: picks an endpoint for each call, asks the next one where one fails, scans ahead, and
//! takes over a new version or new settings whenever the head is asked for: between two blocks, without the domain noticing.

mod ahead;
mod failing;
mod confirm;
mod networks;
mod walk;

pub(crate) use failing::FUEL_PER_MS;
pub use failing::FailureLog;

use crate::cache::Cache;
use crate::cassette::Recorder;
use crate::chainfile::ChainFile;
use crate::in_force::{Entry, InForce};
use crate::log_pace::LogPace;
use crate::measures::Subject;
use crate::plugin::v1::{self, CallError, Failure as PluginFailure};
use crate::plugin::{Admitted, AnswerSource, CallContext, CallResources, Engine};
use crate::subscription::Subscription;
use crate::upstream::{Endpoint, Upstream};
use ahead::{Ahead, Bounds};
use failing::Strikes;
use ingest_domain::{ChainReader, Failure, Scanned, Tip};
use networks::NamedNetworks;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape::{BlockId, Detector};
use tokio_util::task::AbortOnDropHandle;
use walk::{Transient, Walk};

/// How long the head that was read last will do while blocks far below it are scanned ahead.
const HEAD_AGE_WHILE_AHEAD: Duration = Duration::from_secs(1);

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
    networks: NamedNetworks,
    /// The newest block of any endpoint, as the head was read last.
    head: u64,
    /// The endpoint that answered last.
    last: Option<Arc<Endpoint>>,
    /// Scans in a row that ended because the branch changed.
    reorged_in_a_row: u32,
    pace: LogPace,
    network: Arc<str>,
    strikes: Strikes,
    ahead: Ahead,
    /// The head as it was read last, and when.
    tip: Option<(Tip, Instant)>,
    /// How many scans were begun ahead: endpoints take turns.
    begun_ahead: usize,
    /// How often the endpoints had said that they are asked too often, when it was looked at last.
    times_limited: u64,
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
            networks: NamedNetworks::default(),
            head: 0,
            last: None,
            reorged_in_a_row: 0,
            pace: LogPace::default(),
            network: Arc::from("unknown"),
            strikes: Strikes::default(),
            ahead: Ahead::default(),
            tip: None,
            begun_ahead: 0,
            times_limited: 0,
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
            self.ahead.clear();
            self.networks.clear();
            self.tip = None;
            self.active = match entry.running {
                Err(why) => Err(why),
                Ok(plugin) => self.activate(entry.file, plugin),
            };
        }
        self.active.clone().map_err(Failure::Hopeless)
    }

    fn activate(&mut self, file: Arc<ChainFile>, plugin: Admitted) -> Result<ActiveVersion, String> {
        let before = self.active.as_ref().ok();
        let nodes = |file: &ChainFile| (file.endpoints.clone(), file.proxy.clone(), file.limits.clone());
        let same_nodes = before.filter(|it| nodes(&it.file) == nodes(&file));
        let endpoints = if let Some(before) = same_nodes {
            before.endpoints.clone()
        } else {
            (self.heads, self.last) = (HashMap::new(), None);
            Endpoint::all(&file.endpoints, &file.proxy, &file.limits)
                .map_err(|e| format!("make an HTTP client: {e}"))?
        };
        // What one version cached means nothing to another.
        let cache = before.filter(|it| it.plugin.detector.digest == plugin.detector.digest).map(|it| it.cache.clone());
        Ok(ActiveVersion { file, plugin, endpoints, cache: cache.unwrap_or_default() })
    }

    /// Endpoints in the order they are asked: those known to be as far before others, healthy before failing, fast
    /// before slow.
    fn ranked(&self, endpoints: &[Arc<Endpoint>], height: Option<u64>) -> Vec<Option<Arc<Endpoint>>> {
        if endpoints.is_empty() {
            return vec![None];
        }
        // Heads are as old as the last read of each: one that was behind then may have the height by now.
        let is_behind =
            |number: usize| height.is_some_and(|height| self.heads.get(&number).is_some_and(|head| *head < height));
        let mut ranked: Vec<_> = endpoints.iter().collect();
        // The one that answered last comes first while it is healthy: its answers fit together.
        let last = self.last.as_ref().map(|endpoint| endpoint.number);
        ranked.sort_by_key(|endpoint| {
            let (failing, latency, number) = endpoint.rank();
            (is_behind(number), failing, Some(number) != last, latency, number)
        });
        ranked.into_iter().map(|endpoint| Some(Arc::clone(endpoint))).collect()
    }

    async fn read_head(&mut self, active: &ActiveVersion) -> Result<Tip, Failure> {
        let mut walk = Walk::default();
        for endpoint in self.ranked(&active.endpoints, None) {
            match self.ask_head(active, endpoint.as_ref()).await {
                Ok(tip) => {
                    self.network = Arc::clone(&tip.network);
                    if let Some(endpoint) = &endpoint {
                        self.heads.insert(endpoint.number, tip.latest.height);
                    }
                    self.head = self.heads.values().copied().max().unwrap_or(0).max(tip.latest.height);
                    self.last = endpoint;
                    return Ok(tip);
                }
                Err(error) if error.is_deterministic() => return Err(self.head_failed(active, &error)),
                Err(error) => {
                    let failed = self.sort_failure(endpoint.as_ref(), error, None)?;
                    self.pass_over(active, &mut walk, failed);
                }
            }
        }
        Err(walk.retry())
    }

    /// Asks one endpoint for its head. It is asked for its network only where that is not known, or where its head is lower than
    /// before: another node, perhaps of another network, may stand behind the same address.
    async fn ask_head(&mut self, active: &ActiveVersion, endpoint: Option<&Arc<Endpoint>>) -> Result<Tip, CallError> {
        let before = endpoint.and_then(|endpoint| self.heads.get(&endpoint.number)).copied().unwrap_or(0);
        if let Some(known) = self.networks.known(endpoint) {
            let context = CallContext { endpoint_network: Some(Arc::clone(&known)), ..active.context(endpoint, None) };
            let head = v1::head(&self.engine, &active.plugin, active.resources(endpoint), &context).await;
            if !head.as_ref().is_ok_and(|tip| tip.network != known || tip.latest.height < before) {
                return head;
            }
        }
        let context = active.context(endpoint, None);
        let head = v1::head(&self.engine, &active.plugin, active.resources(endpoint), &context).await;
        if let Ok(tip) = &head {
            self.networks.note(endpoint, &tip.network);
        }
        head
    }

    /// One try of a scan at an endpoint: the blocks, a failure that may not happen again, or what the domain is to do.
    async fn try_scan(
        &mut self,
        active: &ActiveVersion,
        endpoint: Option<&Arc<Endpoint>>,
        span: (u64, u64),
        finalized: Option<u64>,
        is_recorded: bool,
    ) -> Result<Result<Scanned, Transient>, Failure> {
        let context = active.context(endpoint, finalized);
        let resources = active.resources(endpoint);
        let recorder = is_recorded.then(Recorder::default);
        let answers = recorder.clone().map_or(AnswerSource::Live, AnswerSource::Recorded);
        let (plugin, network) = (&active.plugin, Arc::clone(&self.network));
        let begun = Instant::now();
        let scan = v1::scan_with(&self.engine, plugin, resources, answers, None, &context, &network, span);
        let (scanned, _) = scan.await;
        Subject { chain: &active.file.id, detector: &plugin.detector }.record_scan(begun.elapsed(), &scanned);
        let attempt = failing::Attempt { active, endpoint: endpoint.cloned(), context, span, recorder };
        let error = match scanned {
            Ok(scanned) if scanned.blocks.is_empty() && scanned.through < span.0 => {
                CallError::Failure(PluginFailure::NotYet(span.0))
            }
            Ok(scanned) => return self.verify(&attempt, scanned).await.map(Ok),
            Err(CallError::Slow(why)) => return self.handle_slow(&attempt, why).await.map(Ok),
            Err(error) if error.is_deterministic() => return self.handle_failure(&attempt, error).await.map(Ok),
            Err(error) => error,
        };
        self.sort_failure(endpoint, error, Some(span)).map(Err)
    }

    /// Scans a span in the ordinary way: endpoint by endpoint, until one has it.
    async fn scan_now(
        &mut self,
        active: &ActiveVersion,
        (first, last): (u64, u64),
        finalized: Option<u64>,
        is_recorded: bool,
    ) -> Result<Scanned, Failure> {
        let mut walk = Walk::default();
        for endpoint in self.ranked(&active.endpoints, Some(last)) {
            let mut tries = 0;
            let failed = loop {
                match self.try_scan(active, endpoint.as_ref(), (first, last), finalized, is_recorded).await? {
                    Ok(scanned) => {
                        (self.last, self.reorged_in_a_row) = (endpoint, 0);
                        return Ok(scanned);
                    }
                    Err(failed) => {
                        tries += 1;
                        match failed.wait_before_try(tries) {
                            Some(wait) => tokio::time::sleep(wait).await,
                            None => break failed,
                        }
                    }
                }
            };
            self.pass_over(active, &mut walk, failed);
        }
        Err(walk.failure((first, last)))
    }

    /// Begins to scan what follows a span, as far as it is final.
    fn scan_ahead(&mut self, active: &ActiveVersion, span: (u64, u64), through: u64, finalized: Option<u64>) {
        let limited: u64 = active.endpoints.iter().map(|endpoint| endpoint.times_limited()).sum();
        let is_limited = std::mem::replace(&mut self.times_limited, limited) < limited;
        let bounds = Bounds { spans: active.file.limits.ahead, finalized, is_limited };
        let (mut ahead, width) = (std::mem::take(&mut self.ahead), span.1 - span.0 + 1);
        ahead.plan((span.0, through), width, bounds, |first, last| {
            AbortOnDropHandle::new(tokio::spawn(self.one_ahead(active, (first, last), finalized)))
        });
        self.ahead = ahead;
    }

    /// One scan ahead, at the endpoint whose turn it is; none unless the whole span was scanned.
    fn one_ahead(
        &mut self,
        active: &ActiveVersion,
        span: (u64, u64),
        finalized: Option<u64>,
    ) -> impl Future<Output = Option<Scanned>> + use<> {
        let ranked = self.ranked(&active.endpoints, Some(span.1));
        let healthy = ranked.iter().flatten().filter(|endpoint| !endpoint.rank().0).count().max(1);
        let endpoint = ranked.into_iter().nth(self.begun_ahead % healthy).flatten();
        self.begun_ahead = self.begun_ahead.wrapping_add(1);
        let (engine, active, network) = (self.engine.clone(), active.clone(), Arc::clone(&self.network));
        async move {
            let _room = engine.room_ahead.acquire().await;
            let (resources, context) =
                (active.resources(endpoint.as_ref()), active.context(endpoint.as_ref(), finalized));
            let begun = Instant::now();
            let scanned = v1::scan(&engine, &active.plugin, resources, &context, &network, span).await;
            Subject { chain: &active.file.id, detector: &active.plugin.detector }
                .record_scan(begun.elapsed(), &scanned);
            scanned.ok().filter(|scanned| scanned.through == span.1)
        }
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

    fn context(&self, endpoint: Option<&Arc<Endpoint>>, finalized: Option<u64>) -> CallContext {
        CallContext {
            settings: self.file.settings.clone(),
            now_ms: environment::now_ms(),
            finalized,
            endpoint: endpoint.map(|endpoint| endpoint.id),
            endpoint_network: None,
        }
    }
}

impl ChainReader for Source {
    async fn head(&mut self) -> Result<Tip, Failure> {
        let active = self.take_over()?;
        if let Some((tip, read)) = self.tip.as_ref().filter(|_| self.ahead.is_busy())
            && read.elapsed() < HEAD_AGE_WHILE_AHEAD
        {
            return Ok(tip.clone());
        }
        let tip = self.read_head(&active).await?;
        self.strikes.head_was_read();
        self.tip = Some((tip.clone(), Instant::now()));
        Ok(tip)
    }

    async fn scan(&mut self, first: u64, last: u64, finalized: Option<u64>) -> Result<Scanned, Failure> {
        let active = self.active.clone().map_err(Failure::Hopeless)?;
        if let Some(widest) = active.plugin.widest_span.filter(|widest| last - first >= *widest) {
            return Err(Failure::TooWide(widest));
        }
        // Some scans are recorded, to be repeated; and those of a span that was too slow before.
        let is_recorded = self.strikes.is_to_be_recorded(&active.file.policy, (first, last));
        let ahead = self.ahead.take(first, last).await.filter(|_| !is_recorded);
        let scanned = match ahead {
            Some(scanned) => {
                self.reorged_in_a_row = 0;
                Ok(scanned)
            }
            None => self.scan_now(&active, (first, last), finalized, is_recorded).await,
        };
        match &scanned {
            Ok(scanned) => self.scan_ahead(&active, (first, last), scanned.through, finalized),
            Err(_) => self.ahead.clear(),
        }
        scanned
    }

    async fn leave_out(&mut self, height: u64, finalized: Option<u64>, why: String) -> Result<Scanned, Failure> {
        self.leave_block_out(height, finalized, why).await
    }

    fn has_ready(&self, first: u64) -> bool {
        self.ahead.is_ready(first)
    }

    async fn still_has(&mut self, block: &BlockId, tip: &Tip) -> Result<bool, Failure> {
        self.any_endpoint_has(block, tip).await
    }

    fn endpoint(&self) -> Option<Arc<str>> {
        let active = self.active.as_ref().ok()?;
        let names = match &self.last {
            Some(last) => last.name(),
            None => active.endpoints.iter().map(|endpoint| endpoint.name()).collect::<Vec<_>>().join(", "),
        };
        Some(names).filter(|names| !names.is_empty()).map(Arc::from)
    }

    fn blame(&mut self, why: &str) {
        if let Some(endpoint) = self.last.take() {
            self.networks.forget(Some(&endpoint));
            endpoint.blame(why);
        }
    }
}
