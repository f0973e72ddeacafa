//! The story: trades make wallets wait for a refresh, and refreshes replace what a provider said before.

use crate::fallback::{Told, ask};
use crate::fold::fold;
use crate::ports::{
    Clock, Committed, Holdings, Job, Ledger, Provider, ProviderError, Queue, Refresh, Replaced, Step, Taken,
};
use crate::snapshot::{BalanceChange, diff};
use crate::tracking::Tracking;
use crate::wallet::Wallet;
use std::collections::{BTreeMap, BTreeSet};
use tape::{Batch, Delivery, Feed, Partition, Start, Unavailable};

/// How wallets wait and are refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a wallet rests after the trade that makes it wait.
    pub debounce_ms: u64,
    /// Most wallets that may wait.
    pub queue_max: u64,
    /// How long a worker may hold a wallet.
    pub lease_ms: u64,
    /// Failures after which a wallet is given up, where trying again cannot be expected to help.
    pub attempts_max: u32,
    /// Longest wait after the first failure.
    pub first_retry_ms: u64,
    /// Longest wait after any.
    pub most_retry_ms: u64,
}

/// Reads the tape for the ledger.
pub struct Follower<F> {
    feed: F,
    positions: BTreeMap<Partition, Option<u64>>,
    /// Assignments to start reading, before anything else is read.
    to_begin: Vec<Partition>,
    /// A batch to keep, before anything else is read.
    to_keep: Option<Batch>,
}

/// What following one delivery did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A partition is read from here on.
    Gained(Partition),
    /// A partition is another's.
    Lost(Partition),
    /// A batch is kept.
    Kept {
        /// Events in it.
        events: usize,
        /// Wallets that wait because of it.
        touched: usize,
        /// Wallets dropped from the full queue.
        dropped: u64,
    },
    /// Another had read on; the partitions of its number are read again from where that ended.
    Moved(Partition),
}

impl<F: Feed> Follower<F> {
    /// A follower of this feed.
    pub fn new(feed: F) -> Self {
        Self { feed, positions: BTreeMap::new(), to_begin: vec![], to_keep: None }
    }

    /// Follows the next delivery. After a failure call it again: nothing is skipped.
    pub async fn step(
        &mut self,
        ledger: &impl Ledger,
        tracking: &Tracking,
        rules: &Rules,
        clock: &impl Clock,
    ) -> Result<Followed, Unavailable> {
        if self.to_begin.is_empty() && self.to_keep.is_none() {
            match self.feed.next().await? {
                Delivery::Gained(partition) => self.to_begin.push(partition),
                Delivery::Batch(batch) => self.to_keep = Some(batch),
                Delivery::Lost(partition) => {
                    self.positions.remove(&partition);
                    return Ok(Followed::Lost(partition));
                }
            }
        }
        if let Some(partition) = self.to_begin.last().cloned() {
            self.begin(&partition, ledger).await?;
            return Ok(Followed::Gained(partition));
        }
        let Some(batch) = &self.to_keep else { return Ok(Followed::Kept { events: 0, touched: 0, dropped: 0 }) };
        let partition = batch.partition.clone();
        if self.positions.contains_key(&partition) {
            let (committed, touched) = keep(batch, &self.positions, ledger, tracking, rules, clock.now_ms()).await?;
            if let Committed::Done { dropped } = committed {
                let events = batch.events.len();
                self.positions.insert(partition, Some(batch.next));
                self.to_keep = None;
                return Ok(Followed::Kept { events, touched, dropped });
            }
        }
        self.to_keep = None;
        self.to_begin.extend(self.positions.keys().filter(|one| one.index == partition.index).cloned());
        while let Some(partition) = self.to_begin.last().cloned() {
            self.begin(&partition, ledger).await?;
        }
        Ok(Followed::Moved(partition))
    }

    /// Reads a partition from where its last step ended.
    async fn begin(&mut self, partition: &Partition, ledger: &impl Ledger) -> Result<(), Unavailable> {
        let position = ledger.position(partition).await?;
        self.feed.seek(partition, position.map_or(Start::Beginning, Start::At)).await?;
        self.positions.insert(partition.clone(), position);
        self.to_begin.retain(|one| one != partition);
        Ok(())
    }
}

async fn keep(
    batch: &Batch,
    positions: &BTreeMap<Partition, Option<u64>>,
    ledger: &impl Ledger,
    tracking: &Tracking,
    rules: &Rules,
    now: u64,
) -> Result<(Committed, usize), Unavailable> {
    let wallets: BTreeSet<Wallet> = batch.events.iter().map(|told| Wallet::of(&told.event.trade)).collect();
    let trades: BTreeSet<String> = batch.events.iter().map(|told| told.event.trade.id()).collect();
    let wallets = Vec::from_iter(wallets);
    let mut known = ledger.known(&wallets, &Vec::from_iter(trades)).await?;
    if let Tracking::Top(most) = tracking {
        known.standings = ledger.standings(&wallets, *most).await?;
    }
    let facts = fold(tracking, &known, batch.events.iter().map(|told| &told.event));
    let touched = facts.touched.len();
    let due_at = now + rules.debounce_ms;
    let partition = batch.partition.clone();
    let from = positions.get(&partition).copied().flatten();
    let others = positions.iter().filter(|(one, _)| one.index == partition.index && **one != partition);
    let beside = others.filter_map(|(one, next)| Some((one.clone(), (*next)?))).collect();
    let step = Step { partition, from, next: batch.next, beside, facts, due_at, queue_max: rules.queue_max };
    Ok((ledger.commit(&step).await?, touched))
}

/// What looking for a wallet to refresh did.
#[derive(Debug)]
pub enum Refreshed {
    /// Nothing is due.
    Idle {
        /// When something will be, if anything waits.
        next_due: Option<u64>,
    },
    /// The provider's rows are replaced.
    Replaced {
        /// Of this wallet.
        wallet: Wallet,
        /// What differs from what was shown.
        changes: Vec<BalanceChange>,
        /// Providers that were asked before and did not tell.
        fallbacks: usize,
    },
    /// The wallet was given to another while the provider answered; that one's answer counts.
    Lost(Wallet),
    /// It waits again.
    Postponed {
        /// This wallet.
        wallet: Wallet,
        /// For so long.
        wait_ms: u64,
        /// Because of this.
        why: ProviderError,
    },
    /// It is out of the queue, unrefreshed, until it trades again.
    GivenUp {
        /// This wallet.
        wallet: Wallet,
        /// Because of this.
        why: ProviderError,
    },
}

/// Refreshes the due wallet that traded last; providers are asked in the order given.
pub async fn refresh<S: Queue + Holdings>(
    store: &S,
    providers: &[impl Provider],
    rules: &Rules,
    clock: &impl Clock,
) -> Result<Refreshed, Unavailable> {
    let taken_at = clock.now_ms();
    let job = match store.take(taken_at, rules.lease_ms).await? {
        Taken::Job(job) => job,
        Taken::Idle { next_due } => return Ok(Refreshed::Idle { next_due }),
    };
    let wallet = job.wallet.clone();
    let Told { by: provider, snapshot, after: fallbacks } = match ask(providers, &wallet).await {
        Ok(told) => told,
        Err(why) => return put_back(store, &job, why, rules, clock).await,
    };
    // Readers were shown the newest snapshot, whoever's it was: what differs from that is what changes for them.
    let before = store.shown(&wallet).await?;
    let changes = diff(&before, &snapshot);
    let again_at = clock.now_ms() + rules.debounce_ms;
    let refresh = Refresh { job, provider, taken_at, snapshot, changes, again_at };
    Ok(match store.replace(&refresh).await? {
        Replaced::Done => Refreshed::Replaced { wallet, changes: refresh.changes, fallbacks },
        Replaced::Lost => Refreshed::Lost(wallet),
    })
}

async fn put_back(
    queue: &impl Queue,
    job: &Job,
    why: ProviderError,
    rules: &Rules,
    clock: &impl Clock,
) -> Result<Refreshed, Unavailable> {
    let wallet = job.wallet.clone();
    let failed = job.attempts.saturating_add(1);
    let hopeless = match why {
        ProviderError::Rejected(_) => true,
        ProviderError::UnknownChain(_) | ProviderError::Malformed(_) => failed >= rules.attempts_max,
        ProviderError::Limited { .. } | ProviderError::Denied(_) | ProviderError::Unavailable(_) => false,
    };
    if hopeless {
        queue.abandon(job).await?;
        return Ok(Refreshed::GivenUp { wallet, why });
    }
    let bound = rules.first_retry_ms.saturating_mul(1 << job.attempts.min(32)).min(rules.most_retry_ms);
    let (wait_ms, attempts) = match &why {
        ProviderError::Limited { after_ms } => (after_ms.unwrap_or(0) + clock.draw(rules.first_retry_ms), job.attempts),
        ProviderError::Denied(_) => (rules.most_retry_ms, job.attempts),
        _ => (clock.draw(bound), failed),
    };
    queue.postpone(job, clock.now_ms() + wait_ms, attempts).await?;
    Ok(Refreshed::Postponed { wallet, wait_ms, why })
}
