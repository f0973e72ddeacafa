//! The story of metrics: a partition is gained, its batches are folded and committed, it is lost.
//!
//! A user's trades lie in partitions of one number, whatever their logs: what is remembered is remembered per number, and a
//! commit rests on the positions of all of them.

use crate::fold::{Ledger, Read};
use crate::heard::Heard;
use crate::holding::Method;
use crate::ports::{Outcome, Store};
use crate::retention::Floors;
use crate::wishes::{Move, wishes};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use tape::{Batch, Delivery, Feed, Partition, Start, Unavailable};

/// How much is done and remembered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events in one commit.
    pub events: usize,
    /// Users and positions remembered over all partitions; beyond, all are forgotten and loaded anew as needed.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 10_000, remembered: 100_000 }
    }
}

/// The partitions of one number that this reader holds.
struct Held {
    /// Their read positions as last committed.
    positions: BTreeMap<Partition, Option<u64>>,
    /// What is remembered of their users and positions; void as soon as a read position is not where we left it.
    ledger: Ledger,
    /// Down to where trades were kept when the positions were read.
    floors: Floors,
}

impl Held {
    fn new(method: Method) -> Self {
        Self { positions: BTreeMap::new(), ledger: Ledger::new(method), floors: Floors::default() }
    }

    /// The span that a batch of a partition fills, of which so much came too late.
    fn read(&self, batch: Batch<Heard>, late: Vec<(Arc<str>, u64)>) -> Read {
        let Batch { partition, next, trace, .. } = batch;
        let others = self.positions.iter().filter(|(one, _)| **one != partition);
        let beside = others.filter_map(|(one, position)| Some((one.clone(), (*position)?))).collect();
        let (from, cut_ms) = (self.position(&partition), self.floors.cut_ms);
        Read { partition, from, next, beside, cut_ms, late, trace }
    }

    fn position(&self, partition: &Partition) -> Option<u64> {
        self.positions.get(partition).copied().flatten()
    }
}

/// Follows the feed into the store. Returns only when the store cannot be had; whoever wants it tried again puts that
/// into the store. After a failure of the feed it reads on from what is committed: nothing handed out and not yet
/// committed is lost.
pub async fn follow(mut feed: impl Feed<Heard>, store: &impl Store, limits: Limits) -> Result<Infallible, Unavailable> {
    let mut numbers: HashMap<u32, Held> = HashMap::new();
    loop {
        let Ok(delivery) = feed.next().await else {
            for (partition, next) in numbers.values().flat_map(|held| &held.positions) {
                feed.seek(partition, start(*next)).await?;
            }
            continue;
        };
        match delivery {
            Delivery::Gained(partition) => {
                let held = numbers.entry(partition.index).or_insert_with(|| Held::new(store.method()));
                held.positions.insert(partition.clone(), None);
                take(&mut feed, store, held, [partition]).await?;
            }
            Delivery::Lost(partition) => {
                if let Some(held) = numbers.get_mut(&partition.index) {
                    // Another may write about the same users by now.
                    held.ledger.forget();
                    held.positions.remove(&partition);
                    if held.positions.is_empty() {
                        numbers.remove(&partition.index);
                    }
                }
            }
            Delivery::Batch(batch) => {
                let Some(held) = numbers.get_mut(&batch.partition.index) else { continue };
                if !held.positions.contains_key(&batch.partition) {
                    continue;
                }
                if commit(store, held, batch, limits).await? == Outcome::Moved {
                    held.ledger.forget();
                    let all: Vec<Partition> = held.positions.keys().cloned().collect();
                    take(&mut feed, store, held, all).await?;
                }
                forget_beyond(&mut numbers, limits.remembered);
            }
        }
    }
}

/// Starts to read partitions where the store says they were left.
async fn take(
    feed: &mut impl Feed<Heard>,
    store: &impl Store,
    held: &mut Held,
    partitions: impl IntoIterator<Item = Partition>,
) -> Result<(), Unavailable> {
    held.floors = store.floors().await?;
    for partition in partitions {
        let next = store.position(&partition).await?;
        feed.seek(&partition, start(next)).await?;
        held.positions.insert(partition, next);
    }
    Ok(())
}

fn start(next: Option<u64>) -> Start {
    next.map_or(Start::Beginning, Start::At)
}

/// Commits a batch in as many pieces as the limit asks for; what is committed already is left out.
async fn commit(
    store: &impl Store,
    held: &mut Held,
    mut batch: Batch<Heard>,
    limits: Limits,
) -> Result<Outcome, Unavailable> {
    let from = held.position(&batch.partition);
    let old = |position: u64| from.is_some_and(|next| position < next);
    if old(batch.next.saturating_sub(1)) {
        return Ok(Outcome::Committed);
    }
    batch.events.retain(|heard| !old(heard.position));
    loop {
        let rest = batch.events.split_off(batch.events.len().min(limits.events.max(1)));
        let next = rest.first().map_or(batch.next, |heard| heard.position);
        let piece =
            Batch { next, events: batch.events, partition: batch.partition.clone(), trace: batch.trace.clone() };
        if digest(store, held, piece).await? == Outcome::Moved {
            return Ok(Outcome::Moved);
        }
        if rest.is_empty() {
            return Ok(Outcome::Committed);
        }
        batch.events = rest;
    }
}

/// One piece: what it wants, what is known, what that changes, kept.
async fn digest(store: &impl Store, held: &mut Held, mut piece: Batch<Heard>) -> Result<Outcome, Unavailable> {
    let events = &mut piece.events;
    let too_late: Vec<Heard> = events.extract_if(.., |heard| held.floors.is_late(&heard.entry)).collect();
    let mut wishes = wishes(std::mem::take(events));
    let missing = held.ledger.missing(&wishes);
    if !missing.0.is_empty() || !missing.1.is_empty() {
        let heads = store.heads(&missing.0, &missing.1).await?;
        held.ledger.learn(missing, heads);
    }
    let doubtful = held.ledger.doubt(&mut wishes);
    let stored = if doubtful.is_empty() { vec![] } else { store.stored(&doubtful).await? };
    let mut stored: HashMap<_, _> = stored.into_iter().map(|stored| (stored.entry.key(), stored)).collect();
    let moves: Vec<Move> = wishes
        .into_iter()
        .filter_map(|wish| {
            let known = if wish.doubtful { stored.remove(&wish.key) } else { None };
            wish.resolve(known)
        })
        .collect();
    let gone = held.ledger.missing_books(&moves);
    if !gone.is_empty() {
        let heads = store.heads(&[], &gone).await?;
        held.ledger.learn((vec![], gone), heads);
    }
    let late = held.ledger.late(&moves);
    let tails = if late.is_empty() { vec![] } else { store.tails(&late).await? };
    let tails = late.into_iter().map(|late| late.book).zip(tails).collect();
    let facts = held.ledger.fold(held.read(piece, counted(&too_late)), moves, tails);
    let outcome = store.commit(&facts).await?;
    held.positions.insert(facts.partition, Some(facts.next));
    Ok(outcome)
}

/// How many events there are of each chain.
fn counted(events: &[Heard]) -> Vec<(Arc<str>, u64)> {
    let mut counts: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    for heard in events {
        *counts.entry(Arc::clone(&heard.entry.user.chain)).or_default() += 1;
    }
    counts.into_iter().collect()
}

fn forget_beyond(numbers: &mut HashMap<u32, Held>, most: usize) {
    if numbers.values().map(|held| held.ledger.len()).sum::<usize>() > most {
        for held in numbers.values_mut() {
            held.ledger.forget();
        }
    }
}
