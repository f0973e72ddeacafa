//! The JSON shapes of the chains: progress, plugin, and the counts that must be zero.

use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use wire::v1::progress::{self, ChainProgressed};

/// The chains that are followed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainList {
    /// By id.
    pub(crate) items: Vec<ChainView>,
}

/// How far one chain is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainView {
    /// Its id.
    pub(crate) chain: String,
    /// The identity of its network.
    pub(crate) network: String,
    /// `live`, `catching`, `waiting`, `parked` or `stale`.
    pub(crate) state: ChainState,
    /// Why it is parked, waiting or stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Since when it has been in this state, milliseconds since the Unix epoch; 0 where that is not known.
    pub(crate) since: u64,
    /// The endpoint in use, or those that do not answer, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// The newest block on the tape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) published: Option<BlockView>,
    /// The newest block its endpoint knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latest: Option<BlockView>,
    /// The newest final block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finalized: Option<BlockView>,
    /// Heights between latest and published.
    pub(crate) lag_blocks: u64,
    /// The plugin in force.
    pub(crate) plugin: PluginView,
    /// `receipts`, `hint` or `none`: how completeness is proved; an open list.
    pub(crate) proof: String,
    /// Trades without backing that were counted and not published.
    pub(crate) unbacked: u64,
    /// What looks like a trade and became none, counted since the chain began, by reason and venue: a count that grows
    /// is a venue that is new, or one that is read wrongly.
    pub(crate) dropped: Vec<DroppedView>,
    /// Versions of the plugin that were dropped in and are not in force, and why.
    pub(crate) candidates: Vec<CandidateView>,
    /// Counts that must be zero.
    pub(crate) watch: WatchView,
    /// Heights on the tape, ascending; what lies between two of them is a gap.
    pub(crate) covered: Vec<HeightsView>,
    /// Names, symbols and explorer links, as configured.
    pub(crate) display: BTreeMap<String, String>,
    /// When this was the case, milliseconds since the Unix epoch.
    pub(crate) at: u64,
}

/// How many events of one venue became no trade for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DroppedView {
    /// `unbacked`: nothing moved as the event says; `not-a-pool`: its tokens are unknown; `unlisted`: it is of a vault that
    /// is not in the plugin's list, and counts as far as tokens moved; an open list.
    pub(crate) reason: String,
    /// Whose events they look like; `other` where there are too many kinds.
    pub(crate) venue: String,
    /// How many.
    pub(crate) count: u64,
}

impl From<(String, u64)> for DroppedView {
    fn from((kind, count): (String, u64)) -> Self {
        let (reason, venue) = kind.split_once('.').unwrap_or((&kind, "other"));
        Self { reason: reason.to_owned(), venue: venue.to_owned(), count }
    }
}

/// A version of a plugin that is not in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CandidateView {
    /// Its file.
    pub(crate) file: String,
    /// Its version, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// SHA-256 of the component, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// `refused`, `shadowing`, `held`, `withdrawn`; an open list.
    pub(crate) state: String,
    /// The step of admission that it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl From<progress::Candidate> for CandidateView {
    fn from(candidate: progress::Candidate) -> Self {
        let progress::Candidate { file, version, digest, state, stage, reason, fix } = candidate;
        Self { file, version, digest, state, stage, reason, fix }
    }
}

/// Counts that must be zero, taken by this process from the records it read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WatchView {
    /// Records that the progress messages count and that did not arrive.
    pub(crate) lost: u64,
    /// Records that arrived and that the progress messages do not count.
    pub(crate) doubled: u64,
    /// Heights between the first and the last covered height that are not covered.
    pub(crate) gap: u64,
    /// Dead letters of the last 30 days: records of the chain that a service could not read.
    pub(crate) dead_lettered: u64,
}

/// A span of heights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct HeightsView {
    /// First height.
    pub(crate) from: u64,
    /// Last height.
    pub(crate) to: u64,
}

/// What the ingestor is doing with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChainState {
    /// At the head.
    Live,
    /// Behind the head.
    Catching,
    /// It cannot be read now and is tried again.
    Waiting,
    /// Stopped.
    Parked,
    /// Nothing was heard of it for longer than an ingestor that runs is silent.
    Stale,
}

impl ChainState {
    /// Every state.
    pub(crate) const ALL: [Self; 5] = [Self::Live, Self::Catching, Self::Waiting, Self::Parked, Self::Stale];

    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Catching => "catching",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Stale => "stale",
        }
    }
}

/// A chain of which nothing was heard for so long is stale: an ingestor speaks of each chain every five seconds, unless
/// one scan takes longer.
const STALE_AFTER_MS: u64 = 30_000;

/// How a chain is doing, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainCondition {
    /// Its id.
    pub(crate) chain: String,
    /// `catching`, `waiting`, `parked` or `stale`.
    pub(crate) state: ChainState,
    /// Why it is parked, waiting or stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Since when, milliseconds since the Unix epoch; 0 where that is not known.
    pub(crate) since: u64,
    /// The endpoint in use, or those that do not answer, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
}

impl ChainView {
    /// The chain as it is to be shown now: what an ingestor said too long ago may not be so any more. A parked chain is
    /// left alone and says nothing.
    pub(crate) fn aged(mut self, now_ms: u64) -> Self {
        let silent_ms = now_ms.saturating_sub(self.at);
        if self.state != ChainState::Parked && silent_ms > STALE_AFTER_MS {
            let before = self.reason.take().map(|reason| format!("; before that: {reason}")).unwrap_or_default();
            self.state = ChainState::Stale;
            self.since = self.at;
            self.reason = Some(format!(
                "no ingestor has said anything about this chain for {} s; check that one runs and reaches the log{before}",
                silent_ms / 1_000
            ));
        }
        self
    }
}

impl From<ChainView> for ChainCondition {
    fn from(view: ChainView) -> Self {
        let ChainView { chain, state, reason, since, endpoint, .. } = view;
        Self { chain, state, reason, since, endpoint }
    }
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct BlockView {
    /// Block number, on Solana the slot.
    pub(crate) height: u64,
    /// Its hash.
    pub(crate) hash: String,
}

/// The plugin in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginView {
    /// Its id.
    pub(crate) id: String,
    /// Its version.
    pub(crate) version: String,
    /// SHA-256 of the component.
    pub(crate) digest: String,
}

impl From<ChainProgressed> for ChainView {
    fn from(progress: ChainProgressed) -> Self {
        let block = |block: progress::Block| BlockView { height: block.height, hash: block.hash };
        let detector = progress.detector;
        Self {
            chain: progress.chain,
            network: progress.network,
            state: match progress.state {
                progress::State::Parked => ChainState::Parked,
                _ if progress.waiting => ChainState::Waiting,
                progress::State::Live => ChainState::Live,
                progress::State::Catching => ChainState::Catching,
            },
            reason: progress.reason,
            since: progress.since,
            endpoint: progress.endpoint,
            published: progress.published.map(block),
            latest: progress.latest.map(block),
            finalized: progress.finalized.map(block),
            lag_blocks: progress.lag_blocks,
            plugin: PluginView { id: detector.plugin, version: detector.version, digest: detector.digest },
            proof: progress.proof,
            unbacked: progress.unbacked,
            dropped: progress.dropped.into_iter().map(DroppedView::from).collect(),
            candidates: progress.candidates.into_iter().map(CandidateView::from).collect(),
            watch: WatchView::default(),
            covered: progress.covered.into_iter().map(|run| HeightsView { from: run.from, to: run.to }).collect(),
            display: progress.display,
            at: progress.at,
        }
    }
}
