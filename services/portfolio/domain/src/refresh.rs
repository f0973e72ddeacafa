//! From the queue to the balances: takes the next due wallet, asks the providers, stores what they return.

use crate::balance_change::{BalanceChange, balance_changes};
use crate::circuit::Circuits;
use crate::fallback::{ProvidedSnapshot, snapshot_from_first};
use crate::lateness::{due_again_at, not_yet};
use crate::ports::{
    Clock, Failure, Holdings, Job, Postponement, Provider, ProviderError, Queue, Refresh, Replaced, Taken,
};
use crate::snapshot::LeftOut;
use crate::wallet::Wallet;
use tape::Unavailable;

/// How wallets wait and are refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRules {
    /// How long a wallet waits after the trade that put it into the queue.
    pub debounce_ms: u64,
    /// How many wallets may wait.
    pub max_queued: u64,
    /// How long a worker may hold a wallet.
    pub lease_ms: u64,
    /// The longest wait after the first failure; it doubles with each further one.
    pub first_retry_ms: u64,
    /// The longest wait after any failure.
    pub max_retry_ms: u64,
    /// How long a wallet waits where the provider refuses our key.
    pub refused_retry_ms: u64,
}

/// What one call of [`refresh_next`] did.
#[derive(Debug)]
pub enum Refreshed {
    /// Nothing is due.
    Idle {
        /// When the next wallet is due; none when the queue is empty.
        next_due: Option<u64>,
    },
    /// The provider's balances are replaced.
    Replaced {
        /// The wallet.
        wallet: Wallet,
        /// How the snapshot differs from what readers were shown before.
        changes: Vec<BalanceChange>,
        /// How many providers failed before one returned a snapshot.
        failed_before: usize,
        /// What was left out of the snapshot.
        left_out: Option<LeftOut>,
        /// Readers are told of it.
        is_news: bool,
        /// It is of a height below the wallet's newest trade, and asked for again.
        is_late: bool,
    },
    /// The lease ran out while the provider was asked and another worker holds the wallet; its result counts.
    Lost(Wallet),
    /// The wallet was to be asked for again because its snapshot is of an earlier height, but that brings nothing yet.
    Late {
        /// The wallet.
        wallet: Wallet,
        /// How long it waits.
        wait_ms: u64,
    },
    /// The wallet waits again.
    Postponed {
        /// The wallet.
        wallet: Wallet,
        /// How long it waits.
        wait_ms: u64,
        /// Why.
        error: ProviderError,
    },
    /// The wallet is out of the queue without a refresh, until it trades again.
    GivenUp {
        /// The wallet.
        wallet: Wallet,
        /// Why.
        error: ProviderError,
    },
}

/// Refreshes the wallet whose turn it is. Providers are asked in the given order, where their circuits allow it.
pub async fn refresh_next<S: Queue + Holdings>(
    store: &S,
    providers: &[impl Provider],
    circuits: &Circuits,
    rules: &RefreshRules,
    clock: &impl Clock,
) -> Result<Refreshed, Unavailable> {
    let taken_at = clock.now_ms();
    let names: Vec<_> = providers.iter().map(Provider::name).collect();
    let resting = circuits.resting(&names, taken_at);
    if let Some(until) = resting.everything_until {
        return Ok(Refreshed::Idle { next_due: Some(until) });
    }
    let job = match store.take(taken_at, rules.lease_ms, &resting.chains).await? {
        Taken::Job(job) => job,
        Taken::Idle { next_due } => {
            return Ok(Refreshed::Idle { next_due: next_due.into_iter().chain(resting.next_at).min() });
        }
    };
    let wallet = job.wallet.clone();
    if let Some(to) = not_yet(&job, circuits, &names, clock) {
        store.postpone(&job, &to).await?;
        let wait_ms = to.due_at.saturating_sub(taken_at);
        return Ok(Refreshed::Late { wallet, wait_ms });
    }
    let ProvidedSnapshot { provider, mut snapshot, failed_before } =
        match snapshot_from_first(providers, &wallet, circuits, clock).await {
            Ok(provided) => provided,
            Err(error) => return put_back(store, &job, error, rules, clock).await,
        };
    // Readers were shown the newest snapshot, from whichever provider: for them, the changes are relative to that.
    let before = store.shown(&wallet).await?;
    let preferred: Vec<_> = providers.iter().map(Provider::name).take(failed_before).collect();
    snapshot.remember(&before.decorations, &preferred);
    snapshot.date_prices(taken_at);
    snapshot.keep_untold(&before.balances);
    let changes = balance_changes(&before.balances, &snapshot);
    let left_out = snapshot.left_out().cloned();
    let is_completeness_news = before.left_out != left_out;
    let is_news = is_completeness_news || !changes.is_empty();
    if let Some(height) = snapshot.as_of {
        circuits.told_height(provider, &wallet, height);
    }
    let (again_at, late_again_at) =
        (clock.now_ms() + rules.debounce_ms, due_again_at(&job, snapshot.as_of, clock.now_ms()));
    let refresh = Refresh { job, provider, taken_at, snapshot, changes, is_completeness_news, late_again_at, again_at };
    Ok(match store.replace(&refresh).await? {
        Replaced::Done => Refreshed::Replaced {
            wallet,
            changes: refresh.changes,
            failed_before,
            left_out,
            is_news,
            is_late: late_again_at.is_some(),
        },
        Replaced::Lost => Refreshed::Lost(wallet),
    })
}

/// Makes a wallet wait again after a failure, or gives it up.
async fn put_back(
    queue: &impl Queue,
    job: &Job,
    error: ProviderError,
    rules: &RefreshRules,
    clock: &impl Clock,
) -> Result<Refreshed, Unavailable> {
    let wallet = job.wallet.clone();
    if let ProviderError::Rejected(_) = error {
        queue.abandon(job, Failure::WalletRejected).await?;
        return Ok(Refreshed::GivenUp { wallet, error });
    }
    let now = clock.now_ms();
    let (wait_ms, attempts) = match &error {
        ProviderError::Limited { after_ms } => {
            (after_ms.saturating_add(clock.draw(rules.first_retry_ms)), job.attempts)
        }
        ProviderError::Denied(_) => (rules.refused_retry_ms, job.attempts.saturating_add(1)),
        _ => (retry_wait(job.attempts, rules, clock), job.attempts.saturating_add(1)),
    };
    let was_asked = !matches!(error, ProviderError::Limited { .. } | ProviderError::UnknownChain(_));
    let due_at = now.saturating_add(wait_ms);
    let late = job.late;
    let to = Postponement { due_at, attempts, late, asked_at: was_asked.then_some(now), failure: error.failure() };
    queue.postpone(job, &to).await?;
    Ok(Refreshed::Postponed { wallet, wait_ms, error })
}

/// A wait that doubles with each failure up to a bound; the second half of it is drawn, so that wallets do not return at once.
fn retry_wait(failures_before: u32, rules: &RefreshRules, clock: &impl Clock) -> u64 {
    let longest = rules.first_retry_ms.saturating_mul(1 << failures_before.min(32)).min(rules.max_retry_ms);
    longest - longest / 2 + clock.draw(longest / 2)
}
