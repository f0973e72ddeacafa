//! Handles scans that fail deterministically: each is repeated in a fresh instance, narrowed to one block, recorded as
//! a cassette and counted as a strike; after enough strikes in a row the chain's policy applies. Also repeats a sample
//! of the scans that succeed, because a plugin whose output depends on anything but its answers is broken too.

use super::{ActiveVersion, Source};
use crate::cassette::{Cassette, Recorder};
use crate::chainfile::{OnFailure, Policy};
use crate::plugin::v1::{self, CallError};
use crate::plugin::{AnswerSource, CallContext};
use crate::upstream::Endpoint;
use ingest_domain::{Block, DroppedCounts, Failure, Scanned};
use std::sync::Arc;
use tape::BlockId;
use tape_log::{Log, Record, topics};

/// Fuel that stands for one millisecond of computing: measured at about 12 units per nanosecond.
pub(crate) const FUEL_PER_MS: u64 = 12_000_000;
/// Blocks on either side of a gap that are searched for one that can be scanned.
const MAX_NEIGHBOUR_BLOCKS: u64 = 64;

/// Where cassettes of failed scans go: the log, or nowhere.
#[derive(Clone, Default)]
pub struct FailureLog(Option<Log>);

impl FailureLog {
    /// To `ingest.failures.v1`.
    pub fn on(log: Log) -> Self {
        Self(Some(log))
    }

    async fn publish(&self, mut cassette: Cassette) {
        let Some(log) = &self.0 else { return };
        let key = format!("{}/{}", cassette.chain, cassette.first).into_bytes();
        let mut value = serde_json::to_vec(&cassette).unwrap_or_default();
        if key.len() + value.len() > log.max_bytes(&topics::FAILURES) {
            cassette.note = format!("{}; its answers are too large to be recorded", cassette.note);
            cassette.exchanges.clear();
            value = serde_json::to_vec(&cassette).unwrap_or_default();
        }
        let record = Record { partition: topics::FAILURES.partition(0), key, headers: vec![], value: Some(value) };
        if let Err(error) = log.publish(vec![record]).await {
            tracing::warn!(
                event = "cassette.unpublished", %error, cause = %error.source,
                "the cassette of a failed scan cannot be published"
            );
        }
    }
}

/// What has failed lately.
#[derive(Default)]
pub(super) struct Strikes {
    scans: u64,
    head: u32,
    /// The block that fails, and how often it has in a row.
    block: Option<(u64, u32)>,
    /// The span that was too slow.
    slow: Option<(u64, u64)>,
}

impl Strikes {
    pub(super) fn head_was_read(&mut self) {
        self.head = 0;
    }

    /// Whether the answers of the next scan are to be recorded.
    pub(super) fn is_to_be_recorded(&mut self, policy: &Policy, span: (u64, u64)) -> bool {
        self.scans += 1;
        self.slow == Some(span) || (policy.twice_in != 0 && self.scans.is_multiple_of(policy.twice_in))
    }

    /// Counts a failure of a block; returns how many in a row that makes.
    fn count_block(&mut self, height: u64) -> u32 {
        let strikes = self.block.filter(|(block, _)| *block == height).map_or(1, |(_, strikes)| strikes + 1);
        self.block = Some((height, strikes));
        strikes
    }
}

/// One scan that was tried.
pub(super) struct Attempt<'a> {
    pub(super) active: &'a ActiveVersion,
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) context: CallContext,
    pub(super) span: (u64, u64),
    pub(super) recorder: Option<Recorder>,
}

impl Source {
    /// The head cannot be read: after enough strikes the policy applies.
    pub(super) fn head_failed(&mut self, active: &ActiveVersion, error: &CallError) -> Failure {
        self.strikes.head += 1;
        let why = format!("{:?} cannot read the head: {error}", active.plugin);
        self.apply_policy(active, self.strikes.head, why)
    }

    /// Repeats a scan that was recorded; another output proves that the plugin is not deterministic.
    pub(super) async fn verify(&mut self, attempt: &Attempt<'_>, scanned: Scanned) -> Result<Scanned, Failure> {
        self.strikes.block = None;
        if self.strikes.slow == Some(attempt.span) {
            self.strikes.slow = None;
        }
        let Some(recorder) = attempt.recorder.as_ref().filter(|recorder| !recorder.is_given_up()) else {
            return Ok(scanned);
        };
        let cassette = self.cassette(attempt, recorder);
        match self.replay(attempt, &cassette, None).await {
            Ok(again) if again == scanned => return Ok(scanned),
            Err(CallError::Slow(_) | CallError::Host(_)) => return Ok(scanned),
            Ok(_) | Err(_) => {}
        }
        let plugin = &attempt.active.plugin;
        let why =
            format!("{plugin:?} is not deterministic: the same answers gave another output at {:?}", attempt.span);
        self.failure_log.publish(cassette.failed(&plugin.detector, why.clone())).await;
        if self.subscription.withdraw(&plugin.detector.digest, &why) {
            return Err(Failure::Retry { after_ms: Some(1_000), why });
        }
        Err(Failure::Hopeless(why))
    }

    /// Handles a scan that was too slow: the first time may be the machine's fault; the second time the recorded
    /// answers are scanned under fuel.
    pub(super) async fn handle_slow(&mut self, attempt: &Attempt<'_>, why: String) -> Result<Scanned, Failure> {
        let second = self.strikes.slow.replace(attempt.span) == Some(attempt.span);
        let Some(recorder) = attempt.recorder.as_ref().filter(|recorder| second && !recorder.is_given_up()) else {
            return Err(Failure::Retry { after_ms: Some(500), why });
        };
        let cassette = self.cassette(attempt, recorder);
        let fuel = attempt.active.file.limits.compute_ms.saturating_mul(FUEL_PER_MS);
        match self.replay(attempt, &cassette, Some(fuel)).await {
            Ok(scanned) => {
                self.strikes.slow = None;
                Ok(scanned)
            }
            Err(error) if error.is_deterministic() => self.handle_failure(attempt, error).await,
            Err(error) => Err(Failure::Retry { after_ms: Some(1_000), why: error.to_string() }),
        }
    }

    /// Handles a deterministic failure: repeats it, narrows it to one block, publishes a cassette, counts a strike, and
    /// applies the policy.
    pub(super) async fn handle_failure(&mut self, attempt: &Attempt<'_>, error: CallError) -> Result<Scanned, Failure> {
        let (first, last) = attempt.span;
        let active = attempt.active;
        let is_slow = self.strikes.slow == Some(attempt.span);
        let recorder = attempt.recorder.clone().filter(|_| is_slow).unwrap_or_default();
        let error = if is_slow {
            error
        } else {
            match self.repeat(attempt, &recorder).await? {
                Ok(scanned) => return Ok(scanned),
                Err(error) => error,
            }
        };
        if last > first {
            // Only a single block's failure counts.
            return Err(Failure::TooWide((last - first).div_ceil(2)));
        }
        let strikes = self.strikes.count_block(first);
        let why = format!("{:?} cannot scan block {first}: {error}", active.plugin);
        if strikes == 1 {
            self.publish_failure(attempt, &recorder, &error, is_slow).await;
        }
        let skips = active.file.policy.on_failure == OnFailure::Skip && !self.subscription.is_fixed();
        if skips && strikes >= active.file.policy.strikes {
            return self.skip_block(attempt, why).await;
        }
        if let Some(endpoint) = &attempt.endpoint
            && active.endpoints.len() > 1
        {
            // Another endpoint may have other data.
            endpoint.blame(&why);
            self.last = None;
        }
        Err(match self.apply_policy(active, strikes, why) {
            Failure::Hopeless(why) => Failure::Unreadable { height: first, why },
            failure => failure,
        })
    }

    /// Leaves out a block that cannot be read, because an operator wants it.
    pub(super) async fn leave_block_out(
        &mut self,
        height: u64,
        finalized: Option<u64>,
        why: String,
    ) -> Result<Scanned, Failure> {
        let active = self.active.clone().map_err(Failure::Hopeless)?;
        let endpoint = self.ranked(&active.endpoints, Some(height)).into_iter().next().flatten();
        let (context, span) = (active.context(endpoint.as_ref(), finalized), (height, height));
        let attempt = Attempt { active: &active, endpoint, context, span, recorder: None };
        self.skip_block(&attempt, why).await
    }

    /// Repeats a failed scan in a fresh instance, recorded: the blocks, or the deterministic error; any other failure
    /// ends it.
    async fn repeat(
        &mut self,
        attempt: &Attempt<'_>,
        recorder: &Recorder,
    ) -> Result<Result<Scanned, CallError>, Failure> {
        let active = attempt.active;
        let (resources, answers) =
            (active.resources(attempt.endpoint.as_ref()), AnswerSource::Recorded(recorder.clone()));
        let (plugin, context) = (&active.plugin, &attempt.context);
        let scan = v1::scan_with(&self.engine, plugin, resources, answers, None, context, &self.network, attempt.span);
        match scan.await.0 {
            Err(error) if !error.is_deterministic() => {
                let failed = self.sort_failure(attempt.endpoint.as_ref(), error, Some(attempt.span))?;
                Err(failed.retry())
            }
            result => Ok(result),
        }
    }

    /// Publishes the cassette of a failed scan.
    async fn publish_failure(&self, attempt: &Attempt<'_>, recorder: &Recorder, error: &CallError, is_slow: bool) {
        let detector = &attempt.active.plugin.detector;
        let mut cassette = self.cassette(attempt, recorder).failed(detector, error.to_string());
        if !self.replay(attempt, &cassette, None).await.is_err_and(|e| e.is_deterministic() || is_slow) {
            cassette.note = format!("{}; the recorded answers alone do not reproduce it", cassette.note);
        }
        self.failure_log.publish(cassette).await;
    }

    /// What the policy says after so many strikes.
    fn apply_policy(&self, active: &ActiveVersion, strikes: u32, why: String) -> Failure {
        let policy = &active.file.policy;
        if self.subscription.is_fixed() {
            // Each strike passes the endpoint over: the next attempt asks another one.
            let others = u32::try_from(active.endpoints.len()).unwrap_or(u32::MAX) > strikes;
            return if others { Failure::Retry { after_ms: None, why } } else { Failure::Hopeless(why) };
        }
        if strikes < policy.strikes {
            return Failure::Retry { after_ms: Some(1_000 * u64::from(strikes)), why };
        }
        match policy.on_failure {
            OnFailure::Previous if self.subscription.withdraw(&active.plugin.detector.digest, &why) => {
                Failure::Retry { after_ms: Some(500), why: format!("{why}; the version is withdrawn") }
            }
            _ => Failure::Hopeless(format!(
                "{why}; it failed {strikes} times, the answers are on {}; drop a version that can, or set \
                 policy.on_failure",
                topics::FAILURES.name
            )),
        }
    }

    /// Leaves a block out: its hash is taken from its neighbours, so that the branch stays connected; its trades are a
    /// gap.
    async fn skip_block(&mut self, attempt: &Attempt<'_>, why: String) -> Result<Scanned, Failure> {
        let height = attempt.span.0;
        let mut parent = None;
        for below in (height.saturating_sub(MAX_NEIGHBOUR_BLOCKS)..height).rev() {
            if let Some(block) = self.scan_one(attempt, below).await.ok().flatten() {
                parent = Some(block.id);
                break;
            }
        }
        for above in height + 1..=height + MAX_NEIGHBOUR_BLOCKS {
            match self.scan_one(attempt, above).await {
                Ok(Some(block)) => {
                    tracing::error!(
                        event = "block.skipped", chain.id = attempt.active.file.id, block.height = height, %why,
                        "block left out"
                    );
                    self.strikes.block = None;
                    // No code has scanned it: nothing covers the height, and a backfill repairs it.
                    let digest: Arc<str> = Arc::from("");
                    let Some(left_out) = block.parent else {
                        return Ok(Scanned { blocks: vec![], through: height, digest });
                    };
                    let through = left_out.height;
                    let blocks = vec![empty_block(left_out, parent, block.timestamp_ms)];
                    return Ok(Scanned { blocks, through, digest });
                }
                Err(CallError::Failure(v1::Failure::NotYet(_))) => return Err(Failure::NotYet(above)),
                Ok(None) | Err(_) => {}
            }
        }
        Err(Failure::Hopeless(format!("{why}, and none of the {MAX_NEIGHBOUR_BLOCKS} blocks after it either")))
    }

    async fn scan_one(&self, attempt: &Attempt<'_>, height: u64) -> Result<Option<Block>, CallError> {
        let (active, span) = (attempt.active, (height, height));
        let resources = active.resources(attempt.endpoint.as_ref());
        let scanned = v1::scan(&self.engine, &active.plugin, resources, &attempt.context, &self.network, span).await?;
        Ok(scanned.blocks.into_iter().next())
    }

    fn cassette(&self, attempt: &Attempt<'_>, recorder: &Recorder) -> Cassette {
        Cassette::from_scan(&attempt.active.file, &self.network, &attempt.context, attempt.span, recorder)
    }

    async fn replay(
        &self,
        attempt: &Attempt<'_>,
        cassette: &Cassette,
        fuel: Option<u64>,
    ) -> Result<Scanned, CallError> {
        let (resources, answers) = (attempt.active.resources(None), AnswerSource::Replayed(cassette.replay()));
        let (plugin, context) = (&attempt.active.plugin, &attempt.context);
        v1::scan_with(&self.engine, plugin, resources, answers, fuel, context, &self.network, attempt.span).await.0
    }
}

/// A block without its trades.
fn empty_block(id: BlockId, parent: Option<BlockId>, timestamp_ms: u64) -> Block {
    Block {
        id,
        parent,
        timestamp_ms,
        trades: vec![],
        unbacked: 0,
        dropped: DroppedCounts::default(),
        proof: Arc::from("skipped"),
    }
}
