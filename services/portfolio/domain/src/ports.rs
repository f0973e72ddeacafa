//! The ports: the providers of balances, and the store that keeps what the service knows.
//!
//! **Invariant:** each writing method is one atomic business step. A reader that lost its partition and a worker that
//! lost its job change nothing.

use crate::balance_change::BalanceChange;
use crate::decoration::KnownDecoration;
use crate::drift::Drift;
use crate::fold::{KnownBefore, WalletFacts};
use crate::ranking::VolumeRanking;
use crate::snapshot::{Balance, LeftOut, Snapshot};
use crate::wallet::Wallet;
use num_bigint::BigInt;
use std::future::Future;
use std::sync::Arc;
use tape::{Partition, Unavailable};

/// A provider of balances.
pub trait Provider: Send + Sync {
    /// Its name. Stored balances belong to a provider.
    fn name(&self) -> &'static str;
    /// Everything a wallet holds, read to the last page.
    fn snapshot(&self, wallet: &Wallet) -> impl Future<Output = Result<Snapshot, ProviderError>> + Send;
}

/// Why a provider returned no snapshot. The text reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider's name for this chain is not known, not yet or not at all.
    #[error("find the provider's name for chain {0}: no chain file gives one yet")]
    UnknownChain(String),
    /// The provider limits the rate of requests.
    #[error("get balances: the provider limits the rate of requests")]
    Limited {
        /// How long no request is sent to it.
        after_ms: u64,
    },
    /// The provider refuses our key; every wallet fails until someone changes it.
    #[error("authenticate with the provider, which refuses our key: {0}")]
    Denied(String),
    /// The provider does not know this wallet, or refuses its address.
    #[error("get balances: the provider rejects the wallet: {0}")]
    Rejected(String),
    /// The response is not as the provider documents it, or contradicts itself.
    #[error("read the provider's response: {0}")]
    Malformed(String),
    /// The provider cannot be reached, or reports an error of its own.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The facts of a batch, together with the read position after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The partition that was read.
    pub partition: Partition,
    /// Where the reader believes the last step ended; none before the first step.
    pub from: Option<u64>,
    /// Where this step ends.
    pub next: u64,
    /// The read positions of the companions: partitions of other topics with the same index.
    pub companions: Vec<(Partition, u64)>,
    /// What the batch changes.
    pub facts: WalletFacts,
    /// When wallets that were not in the queue are due, milliseconds since the Unix epoch.
    pub due_at: u64,
    /// How many wallets may wait in the queue; beyond it, those that traded longest ago are dropped.
    pub max_queued: u64,
}

impl Step {
    /// Whether the stored positions of all topics with the partition's index are those that the step builds on.
    pub fn builds_on(&self, stored: Vec<(String, u64)>) -> bool {
        self.partition.positions_match(self.from, &self.companions, stored)
    }
}

/// The result of committing a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The step is stored.
    Done {
        /// Wallets dropped from the full queue.
        dropped: u64,
    },
    /// Nothing is stored: a position with the partition's index is not where the reader believed, so another reader was
    /// here.
    Moved,
}

/// Stores the read positions of the tape and what follows from the trades.
pub trait Ledger: Send + Sync {
    /// Where the last step of a partition ended.
    fn position(&self, partition: &Partition) -> impl Future<Output = Result<Option<u64>, Unavailable>> + Send;
    /// Which of these wallets are tracked, and which of these trades are live.
    fn known_before(
        &self,
        wallets: &[Wallet],
        trades: &[String],
    ) -> impl Future<Output = Result<KnownBefore, Unavailable>> + Send;
    /// The volumes of these wallets, and the first `limit` of all wallets by volume.
    fn volume_ranking(
        &self,
        wallets: &[Wallet],
        limit: u32,
    ) -> impl Future<Output = Result<VolumeRanking, Unavailable>> + Send;
    /// Stores facts and position together, or neither. All positions with the partition's index must be as the step
    /// says.
    fn commit(&self, step: &Step) -> impl Future<Output = Result<Committed, Unavailable>> + Send;
}

/// A wallet to refresh, leased to one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The wallet.
    pub wallet: Wallet,
    /// Identifies this lease.
    pub lease: i64,
    /// Grows with every trade while the wallet waits, so that a trade during a refresh makes the wallet wait again.
    pub generation: u64,
    /// Failed refreshes since the wallet began to wait.
    pub attempts: u32,
    /// The height of its newest trade.
    pub last_trade_height: u64,
    /// How often it is asked for again since, because a snapshot was of a height below that trade.
    pub late: u32,
}

/// What makes a wallet wait again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponement {
    /// When the wallet is due again.
    pub due_at: u64,
    /// Failed refreshes since the wallet began to wait.
    pub attempts: u32,
    /// As in [`Job`].
    pub late: u32,
    /// When a provider was asked for the wallet; none where none was.
    pub asked_at: Option<u64>,
    /// Why the refresh failed; none where it was not the wallet's turn.
    pub failure: Option<Failure>,
}

/// Why a wallet is not refreshed, as readers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No chain file gives the provider's name of the network.
    UnknownNetwork,
    /// The provider refuses our key for the network.
    KeyRefused,
    /// The provider rejects the wallet.
    WalletRejected,
    /// The provider's response is not as documented.
    Malformed,
    /// The provider cannot be reached, or reports an error of its own.
    Unavailable,
}

impl Failure {
    /// Its name in tables and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownNetwork => "unknown-network",
            Self::KeyRefused => "key-refused",
            Self::WalletRejected => "wallet-rejected",
            Self::Malformed => "malformed",
            Self::Unavailable => "unavailable",
        }
    }
}

impl ProviderError {
    /// The wallet's failure; none where it was not asked for.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Limited { .. } => None,
            Self::UnknownChain(_) => Some(Failure::UnknownNetwork),
            Self::Denied(_) => Some(Failure::KeyRefused),
            Self::Rejected(_) => Some(Failure::WalletRejected),
            Self::Malformed(_) => Some(Failure::Malformed),
            Self::Unavailable(_) => Some(Failure::Unavailable),
        }
    }
}

/// The result of asking the queue for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A due wallet of the network whose turn it is.
    Job(Job),
    /// Nothing is due.
    Idle {
        /// When the next wallet is due; none when the queue is empty.
        next_due: Option<u64>,
    },
}

/// The queue of wallets that wait for a refresh; each wallet is in it once.
///
/// Networks take turns. Within one, wallets that no provider was ever asked for come first, the newest trader before others;
/// then those that did not fail, and those that did, each by when they were asked for last.
pub trait Queue: Send + Sync {
    /// Leases a due wallet for `lease_ms`, of a network that is not `resting`. When the lease runs out, another worker may
    /// take the wallet.
    fn take(
        &self,
        now: u64,
        lease_ms: u64,
        resting: &[Arc<str>],
    ) -> impl Future<Output = Result<Taken, Unavailable>> + Send;
    /// Ends the lease and makes the wallet wait again. Nothing happens when the lease is lost.
    fn postpone(&self, job: &Job, to: &Postponement) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Removes the wallet from the queue without a refresh. Nothing happens when the lease is lost.
    fn abandon(&self, job: &Job, failure: Failure) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The net of one asset in one wallet: the sum over its live trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetNet {
    /// The asset.
    pub asset: String,
    /// Decoration: the ticker.
    pub symbol: Option<String>,
    /// Decoration: how many digits are fractional.
    pub decimals: Option<u8>,
    /// In the asset's smallest unit.
    pub raw: BigInt,
}

/// A refreshed wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The job that the refresh ends.
    pub job: Job,
    /// The provider of the snapshot.
    pub provider: &'static str,
    /// When the provider was asked, milliseconds since the Unix epoch.
    pub taken_at: u64,
    /// Everything the wallet holds.
    pub snapshot: Snapshot,
    /// How the snapshot differs from what readers were shown before.
    pub changes: Vec<BalanceChange>,
    /// What is left out of the snapshot differs from what readers were told before.
    pub is_completeness_news: bool,
    /// When the wallet is due again, because the snapshot is of a height below its newest trade; none where it is not.
    pub late_again_at: Option<u64>,
    /// When the wallet is due again, in case it traded during the refresh.
    pub again_at: u64,
}

/// The result of storing a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Balances, queue and outbox are updated.
    Done,
    /// Nothing is stored: the worker lost the lease.
    Lost,
}

/// What readers are shown of a wallet: its newest snapshot, from whichever provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownSnapshot {
    /// Its balances. Zero amounts may be among them.
    pub balances: Vec<Balance>,
    /// What was left out of it; none where it is complete, or there is none yet.
    pub left_out: Option<LeftOut>,
    /// What all providers said of assets, also of those that the wallet does not hold any more; the newest first.
    pub decorations: Vec<KnownDecoration>,
}

/// Stores what wallets hold.
pub trait Holdings: Send + Sync {
    /// What readers are shown.
    fn shown(&self, wallet: &Wallet) -> impl Future<Output = Result<ShownSnapshot, Unavailable>> + Send;
    /// The balances of a provider's newest snapshot. Zero amounts may be among them.
    fn balances_from(
        &self,
        wallet: &Wallet,
        provider: &str,
    ) -> impl Future<Output = Result<Vec<Balance>, Unavailable>> + Send;
    /// In one transaction: replaces the provider's balances of a wallet, sets those that are absent from the snapshot
    /// to zero, stores the drift, ends the job, and puts a message about the changes into the outbox.
    fn replace(&self, refresh: &Refresh) -> impl Future<Output = Result<Replaced, Unavailable>> + Send;
    /// The drift of the newest snapshot, as of when it was taken.
    fn drift(&self, wallet: &Wallet) -> impl Future<Output = Result<Vec<Drift>, Unavailable>> + Send;
    /// The nets of a wallet.
    fn nets(&self, wallet: &Wallet) -> impl Future<Output = Result<Vec<AssetNet>, Unavailable>> + Send;
}

/// Time and randomness.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
    /// A uniformly distributed number from 0 to `bound`.
    fn draw(&self, bound: u64) -> u64;
}
