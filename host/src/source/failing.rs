//! When a scan fails by itself: proved in a fresh store, narrowed to one block, kept as a cassette, counted as a strike,
//! and, after enough of them in a row, answered by the chain's policy. Also: a sample of the scans that do not fail is
//! run twice, because a plugin whose output depends on anything but its answers is broken too.

use super::{Reading, Source};
use crate::cassette::{Cassette, Recorder};
use crate::chainfile::{OnFailure, Policy};
use crate::plugin::v1::{self, CallError, Context};
use crate::plugin::{Admitted, Answers};
use crate::upstream::Endpoint;
use ingest_domain::{Block, Failure, Scanned};
use std::sync::Arc;
use tape::BlockId;
use tape_log::{Log, Record, topics};

/// Fuel that stands for one millisecond of computing: measured at about 12 units per nanosecond.
pub(crate) const FUEL_PER_MS: u64 = 12_000_000;
/// Most bytes of a cassette on the log, whose records end at 16 MiB.
const CASSETTE: usize = 15 << 20;
/// Blocks that are looked at for one that can be scanned, on either side of a gap.
const AROUND: u64 = 64;

/// Where cassettes of failed scans go: the log, or nowhere.
#[derive(Clone, Default)]
pub struct Evidence(Option<Log>);

impl Evidence {
    /// To `ingest.failures.v1`.
    pub fn on(log: Log) -> Self {
        Self(Some(log))
    }

    async fn keep(&self, mut cassette: Cassette) {
        let Some(log) = &self.0 else { return };
        let mut value = serde_json::to_vec(&cassette).unwrap_or_default();
        if value.len() > CASSETTE {
            cassette.note = format!("{}; its answers are too large to be kept", cassette.note);
            cassette.exchanges.clear();
            value = serde_json::to_vec(&cassette).unwrap_or_default();
        }
        let key = format!("{}/{}", cassette.chain, cassette.first).into_bytes();
        let record = Record { partition: topics::FAILURES.partition(0), key, headers: vec![], value: Some(value) };
        if let Err(error) = log.publish(vec![record]).await {
            tracing::warn!(%error, cause = %error.source, "a failed scan's cassette could not be kept");
        }
    }
}

/// What has gone wrong lately.
#[derive(Default)]
pub(super) struct Trouble {
    scans: u64,
    head_strikes: u32,
    /// The block that fails, and how often it has in a row.
    block: Option<(u64, u32)>,
    /// The span that was too slow.
    slow: Option<(u64, u64)>,
}

impl Trouble {
    pub(super) fn head_is_well(&mut self) {
        self.head_strikes = 0;
    }

    /// Whether the answers of the next scan are to be kept.
    pub(super) fn is_to_be_kept(&mut self, policy: &Policy, span: (u64, u64)) -> bool {
        self.scans += 1;
        self.slow == Some(span) || (policy.twice_in != 0 && self.scans.is_multiple_of(policy.twice_in))
    }

    fn strike(&mut self, height: u64) -> u32 {
        let strikes = self.block.filter(|(block, _)| *block == height).map_or(1, |(_, strikes)| strikes + 1);
        self.block = Some((height, strikes));
        strikes
    }
}

/// One scan that was made.
pub(super) struct Attempt<'a> {
    pub(super) reading: &'a Reading,
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) told: Context,
    pub(super) span: (u64, u64),
    pub(super) recorder: Option<Recorder>,
}

impl Source {
    /// The head itself fails: after some strikes there is no use in asking on.
    pub(super) fn headless(&mut self, reading: &Reading, error: &CallError) -> Failure {
        self.trouble.head_strikes += 1;
        let why = format!("{:?} cannot read the head: {error}", reading.plugin);
        self.punish(reading, self.trouble.head_strikes, why)
    }

    /// Runs a kept scan once more; another output is proof that the plugin is not deterministic.
    pub(super) async fn prove(&mut self, attempt: &Attempt<'_>, scanned: Scanned) -> Result<Scanned, Failure> {
        self.trouble.block = None;
        if self.trouble.slow == Some(attempt.span) {
            self.trouble.slow = None;
        }
        let Some(recorder) = &attempt.recorder else { return Ok(scanned) };
        let cassette = self.cassette(attempt, recorder);
        match self.replay(attempt, &cassette, None).await {
            Ok(again) if again == scanned => return Ok(scanned),
            Err(CallError::Slow(_) | CallError::Host(_)) => return Ok(scanned),
            Ok(_) | Err(_) => {}
        }
        let plugin = &attempt.reading.plugin;
        let why =
            format!("{plugin:?} is not deterministic: the same answers gave another output at {:?}", attempt.span);
        self.evidence.keep(cassette.failed(&plugin.detector, why.clone())).await;
        if self.subscription.withdraw(&plugin.detector.digest, &why) {
            return Err(Failure::Retry { after_ms: Some(1_000), why });
        }
        Err(Failure::Hopeless(why))
    }

    /// Too slow: once may be the machine's fault. The second time the recorded answers are scanned under fuel.
    pub(super) async fn slow(&mut self, attempt: &Attempt<'_>, why: String) -> Result<Scanned, Failure> {
        let second = self.trouble.slow.replace(attempt.span) == Some(attempt.span);
        let Some(recorder) = attempt.recorder.as_ref().filter(|_| second) else {
            return Err(Failure::Retry { after_ms: Some(500), why });
        };
        let cassette = self.cassette(attempt, recorder);
        let fuel = attempt.reading.file.limits.compute_ms.saturating_mul(FUEL_PER_MS);
        match self.replay(attempt, &cassette, Some(fuel)).await {
            Ok(scanned) => {
                self.trouble.slow = None;
                Ok(scanned)
            }
            Err(error) if error.is_deterministic() => self.failed(attempt, error).await,
            Err(error) => Err(Failure::Retry { after_ms: Some(1_000), why: error.to_string() }),
        }
    }

    /// Failed by itself: proof, narrowing, evidence, a strike, and what the policy says.
    pub(super) async fn failed(&mut self, attempt: &Attempt<'_>, error: CallError) -> Result<Scanned, Failure> {
        let (first, last) = attempt.span;
        let recorder = Recorder::default();
        let reading = attempt.reading;
        let is_slow = self.trouble.slow == Some(attempt.span);
        let error = if is_slow {
            error
        } else {
            let (lent, answers) = (reading.lent(attempt.endpoint.as_ref()), Answers::Recorded(recorder.clone()));
            let (plugin, told) = (&reading.plugin, &attempt.told);
            let network = Arc::clone(&self.network);
            match v1::scan_with(&self.engine, plugin, lent, answers, None, told, &network, attempt.span).await.0 {
                Ok(scanned) => return Ok(scanned),
                Err(error) if !error.is_deterministic() => {
                    let why = Self::judge(attempt.endpoint.as_ref(), error)?;
                    return Err(Failure::Retry { after_ms: None, why });
                }
                Err(error) => error,
            }
        };
        if last > first {
            // Only a single block's failure counts.
            return Err(Failure::TooWide((last - first).div_ceil(2)));
        }
        let strikes = self.trouble.strike(first);
        let why = format!("{:?} cannot scan block {first}: {error}", reading.plugin);
        if strikes == 1 {
            let kept = attempt.recorder.as_ref().filter(|_| is_slow).unwrap_or(&recorder);
            let mut cassette = self.cassette(attempt, kept).failed(&reading.plugin.detector, error.to_string());
            if !self.replay(attempt, &cassette, None).await.is_err_and(|e| e.is_deterministic() || is_slow) {
                cassette.note = format!("{}; the recorded answers alone do not reproduce it", cassette.note);
            }
            self.evidence.keep(cassette).await;
        }
        let skips = reading.file.policy.on_failure == OnFailure::Skip && !self.subscription.is_fixed();
        if skips && strikes >= reading.file.policy.strikes {
            return self.leave_out(attempt, why).await;
        }
        if let Some(endpoint) = &attempt.endpoint
            && reading.endpoints.len() > 1
        {
            // Another endpoint may have other data.
            endpoint.blame(&why);
            self.last = None;
        }
        Err(self.punish(reading, strikes, why))
    }

    /// What follows so many strikes.
    fn punish(&self, reading: &Reading, strikes: u32, why: String) -> Failure {
        let policy = &reading.file.policy;
        if self.subscription.is_fixed() {
            return Failure::Hopeless(why);
        }
        if strikes < policy.strikes {
            return Failure::Retry { after_ms: Some(1_000 * u64::from(strikes)), why };
        }
        match policy.on_failure {
            OnFailure::Previous if self.subscription.withdraw(&reading.plugin.detector.digest, &why) => {
                Failure::Retry { after_ms: Some(500), why: format!("{why}; the version is withdrawn") }
            }
            _ => Failure::Hopeless(format!(
                "{why}; it failed {strikes} times, the answers are on {}; drop a version that can, or set \
                 policy.on_failure",
                topics::FAILURES.name
            )),
        }
    }

    /// Leaves a block out: its neighbours tell its hash, so that the branch stays whole; its trades are a gap.
    async fn leave_out(&mut self, attempt: &Attempt<'_>, why: String) -> Result<Scanned, Failure> {
        let height = attempt.span.0;
        let mut parent = None;
        for below in (height.saturating_sub(AROUND)..height).rev() {
            if let Some(block) = self.one(attempt, below).await.ok().flatten() {
                parent = Some(block.id);
                break;
            }
        }
        for above in height + 1..=height + AROUND {
            match self.one(attempt, above).await {
                Ok(Some(block)) => {
                    tracing::error!(chain.id = attempt.reading.file.id, block.height = height, %why, "block left out");
                    self.trouble.block = None;
                    // No code has scanned it: nothing covers the height, and a backfill repairs it.
                    let digest: Arc<str> = Arc::from("");
                    let Some(left_out) = block.parent else {
                        return Ok(Scanned { blocks: vec![], through: height, digest });
                    };
                    let through = left_out.height;
                    let blocks = vec![gap(left_out, parent, block.timestamp_ms)];
                    return Ok(Scanned { blocks, through, digest });
                }
                Err(CallError::Failure(v1::Failure::NotYet(_))) => return Err(Failure::NotYet(above)),
                Ok(None) | Err(_) => {}
            }
        }
        Err(Failure::Hopeless(format!("{why}, and none of the {AROUND} blocks after it either")))
    }

    async fn one(&self, attempt: &Attempt<'_>, height: u64) -> Result<Option<Block>, CallError> {
        let (reading, span) = (attempt.reading, (height, height));
        let lent = reading.lent(attempt.endpoint.as_ref());
        let scanned = v1::scan(&self.engine, &reading.plugin, lent, &attempt.told, &self.network, span).await?;
        Ok(scanned.blocks.into_iter().next())
    }

    fn cassette(&self, attempt: &Attempt<'_>, recorder: &Recorder) -> Cassette {
        Cassette::of(&attempt.reading.file, &self.network, &attempt.told, attempt.span, recorder)
    }

    async fn replay(
        &self,
        attempt: &Attempt<'_>,
        cassette: &Cassette,
        fuel: Option<u64>,
    ) -> Result<Scanned, CallError> {
        let (lent, answers) = (attempt.reading.lent(None), Answers::Replayed(cassette.replay()));
        let (plugin, told): (&Admitted, _) = (&attempt.reading.plugin, &attempt.told);
        v1::scan_with(&self.engine, plugin, lent, answers, fuel, told, &self.network, attempt.span).await.0
    }
}

/// A block without its trades.
fn gap(id: BlockId, parent: Option<BlockId>, timestamp_ms: u64) -> Block {
    Block { id, parent, timestamp_ms, trades: vec![], unbacked: 0, proof: Arc::from("skipped") }
}
