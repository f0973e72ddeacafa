//! The world, in our words: who tells balances, and what keeps them.
//!
//! **Invariant:** each writing method is one atomic business step; a reader that lost its partition and a worker that lost its
//! job change nothing.

use crate::drift::Drift;
use crate::fold::{Facts, Known};
use crate::snapshot::{Balance, BalanceChange, Snapshot};
use crate::standing::Standings;
use crate::wallet::Wallet;
use num_bigint::BigInt;
use std::future::Future;
use tape::{Partition, Unavailable};

/// Tells what wallets hold.
pub trait Provider: Send + Sync {
    /// Its name; rows belong to it.
    fn name(&self) -> &'static str;
    /// Everything a wallet holds, read to the last page.
    fn snapshot(&self, wallet: &Wallet) -> impl Future<Output = Result<Snapshot, ProviderError>> + Send;
}

/// Why a provider does not tell. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No name of this chain at the provider is known, yet or at all.
    #[error("find what the provider calls chain {0}")]
    UnknownChain(String),
    /// Asked too often.
    #[error("be served: the provider limits the rate")]
    Limited {
        /// When it says to come back, from now.
        after_ms: Option<u64>,
    },
    /// Our key is refused; no wallet will be told until someone acts.
    #[error("be admitted by the provider: {0}")]
    Denied(String),
    /// This wallet is none to the provider.
    #[error("have the provider accept the wallet: {0}")]
    Rejected(String),
    /// The answer is not what the provider documents, or not credible.
    #[error("read the provider's answer: {0}")]
    Malformed(String),
    /// It cannot be reached, or says that it is ill.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What a batch does, together with how far the reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The partition that was read.
    pub partition: Partition,
    /// Where the reader believes the last step ended; none before the first.
    pub from: Option<u64>,
    /// Where this step ends.
    pub next: u64,
    /// Where the reading of its companions stands: partitions of the same number of other logs.
    pub beside: Vec<(Partition, u64)>,
    /// What the batch does.
    pub facts: Facts,
    /// When wallets that were not waiting are due, milliseconds since the Unix epoch.
    pub due_at: u64,
    /// Most wallets that may wait; those that traded longest ago are dropped.
    pub queue_max: u64,
}

impl Step {
    /// Whether these are the positions of the step's number that it rests on.
    pub fn stands_on(&self, standing: Vec<(String, u64)>) -> bool {
        self.partition.positions_match(self.from, &self.beside, standing)
    }
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// All of it is kept.
    Done {
        /// Wallets dropped from the full queue.
        dropped: u64,
    },
    /// A position of the partition's number is not what the reader believed: another read on. Nothing is kept.
    Moved,
}

/// Keeps how far the tape was read and what it says.
pub trait Ledger: Send + Sync {
    /// Where the last step of a partition ended.
    fn position(&self, partition: &Partition) -> impl Future<Output = Result<Option<u64>, Unavailable>> + Send;
    /// Which of these wallets are tracked, and which of these trades present.
    fn known(&self, wallets: &[Wallet], trades: &[String]) -> impl Future<Output = Result<Known, Unavailable>> + Send;
    /// What these wallets traded in all, and the first `most` of all wallets.
    fn standings(&self, wallets: &[Wallet], most: u32) -> impl Future<Output = Result<Standings, Unavailable>> + Send;
    /// Keeps facts and position together, or neither: all positions of the number must be where the step says.
    fn commit(&self, step: &Step) -> impl Future<Output = Result<Committed, Unavailable>> + Send;
}

/// A wallet to refresh, held by one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which.
    pub wallet: Wallet,
    /// Who holds it.
    pub lease: i64,
    /// Grows with every trade while it waits, so that one that came meanwhile is not forgotten.
    pub generation: u64,
    /// Refreshes that failed since it waits.
    pub attempts: u32,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The wallet that traded last among those due.
    Job(Job),
    /// Nothing is due.
    Idle {
        /// When something will be, if anything waits.
        next_due: Option<u64>,
    },
}

/// Keeps the wallets that wait for a refresh, each once.
pub trait Queue: Send + Sync {
    /// Takes a due wallet for `lease_ms`; what is not finished by then is given to another.
    fn take(&self, now: u64, lease_ms: u64) -> impl Future<Output = Result<Taken, Unavailable>> + Send;
    /// Puts a held wallet back until `due_at`, with so many failed attempts. Nothing happens when it is held no more.
    fn postpone(&self, job: &Job, due_at: u64, attempts: u32) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Takes a held wallet out, unrefreshed. Nothing happens when it is held no more.
    fn abandon(&self, job: &Job) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The net of one asset in one wallet, from its live trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Of what.
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
    /// The job that it ends.
    pub job: Job,
    /// Who says so.
    pub provider: &'static str,
    /// When it was asked, milliseconds since the Unix epoch.
    pub taken_at: u64,
    /// Everything the wallet holds.
    pub snapshot: Snapshot,
    /// What differs from before.
    pub changes: Vec<BalanceChange>,
    /// When the wallet is due again, should it have traded meanwhile.
    pub again_at: u64,
}

/// What became of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Rows, queue and message are kept.
    Done,
    /// The job is held no more; nothing is kept.
    Lost,
}

/// Keeps what wallets hold.
pub trait Holdings: Send + Sync {
    /// What readers are shown: the newest snapshot, whoever's it was; zero amounts may be among it.
    fn shown(&self, wallet: &Wallet) -> impl Future<Output = Result<Vec<Balance>, Unavailable>> + Send;
    /// What a provider said last; zero amounts may be among it.
    fn balances(
        &self,
        wallet: &Wallet,
        provider: &str,
    ) -> impl Future<Output = Result<Vec<Balance>, Unavailable>> + Send;
    /// Replaces the provider's rows of a wallet, zeroes those that vanished, notes the drift, ends the job and leaves a
    /// message about the changes to be published; all or nothing.
    fn replace(&self, refresh: &Refresh) -> impl Future<Output = Result<Replaced, Unavailable>> + Send;
    /// How the newest snapshot differed from the trades, when it was taken.
    fn drift(&self, wallet: &Wallet) -> impl Future<Output = Result<Vec<Drift>, Unavailable>> + Send;
    /// What a wallet should hold by its live trades alone.
    fn nets(&self, wallet: &Wallet) -> impl Future<Output = Result<Vec<Net>, Unavailable>> + Send;
}

/// Time and chance.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
    /// A number drawn evenly from 0 to `bound`.
    fn draw(&self, bound: u64) -> u64;
}
