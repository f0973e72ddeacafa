//! Follows the feed: a partition is gained, its batches are folded and committed, and it is lost.
//!
//! All trades of a user lie in partitions with the same index, whatever their topics. So what is remembered is
//! remembered per partition index, and a commit is based on the read positions of all topics at that index.

use crate::changes::{RequestedChange, ResolvedChange, requested_changes};
use crate::decoded::DecodedTrade;
use crate::entry::BookKey;
use crate::fold::{BatchOrigin, Ledger};
use crate::ports::{CommitOutcome, Store};
use crate::retention::Floors;
use crate::rules::BookRules;
use crate::tails::{BookToRefold, Tail};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use tape::{Batch, Delivery, Feed, Partition, Start, Unavailable};

/// How much is committed and remembered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events in one commit at most.
    pub events: usize,
    /// Users and positions remembered over all partitions; beyond that, all are forgotten and loaded again as needed.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 10_000, remembered: 100_000 }
    }
}

/// The partitions with one index that this reader holds.
struct HeldPartitions {
    /// Their read positions as last committed.
    positions: BTreeMap<Partition, Option<u64>>,
    /// The remembered users and positions; void as soon as another reader has moved a read position.
    ledger: Ledger,
    /// What had been dropped when the read positions were loaded.
    floors: Floors,
}

impl HeldPartitions {
    fn new(rules: BookRules) -> Self {
        Self { positions: BTreeMap::new(), ledger: Ledger::new(rules), floors: Floors::default() }
    }

    /// Where a batch was read, and the read positions that its fold is based on.
    fn origin_of(&self, batch: Batch<DecodedTrade>, late_events: Vec<(Arc<str>, u64)>) -> BatchOrigin {
        let Batch { partition, next, trace, .. } = batch;
        let others = self.positions.iter().filter(|(other, _)| **other != partition);
        let companions = others.filter_map(|(other, position)| Some((other.clone(), (*position)?))).collect();
        let (from, cut_ms) = (self.read_position(&partition), self.floors.cut_ms);
        BatchOrigin { partition, from, next, companions, cut_ms, late_events, trace }
    }

    fn read_position(&self, partition: &Partition) -> Option<u64> {
        self.positions.get(partition).copied().flatten()
    }
}

/// Folds the feed into the store. Returns only when the store fails; a store that retries never does. After a failure
/// of the feed it reads on from what is committed, so nothing that was delivered and not yet committed is lost.
pub async fn follow(
    mut feed: impl Feed<DecodedTrade>,
    store: &impl Store,
    limits: Limits,
) -> Result<Infallible, Unavailable> {
    let mut held_by_index: HashMap<u32, HeldPartitions> = HashMap::new();
    loop {
        let Ok(delivery) = feed.next().await else {
            for (partition, next) in held_by_index.values().flat_map(|held| &held.positions) {
                feed.seek(partition, start_at(*next)).await?;
            }
            continue;
        };
        match delivery {
            Delivery::Gained(partition) => {
                let held =
                    held_by_index.entry(partition.index).or_insert_with(|| HeldPartitions::new(store.rules().clone()));
                held.positions.insert(partition.clone(), None);
                seek_to_committed(&mut feed, store, held, [partition]).await?;
            }
            Delivery::Lost(partition) => {
                if let Some(held) = held_by_index.get_mut(&partition.index) {
                    // From now on another reader may write about the same users.
                    held.ledger.forget();
                    held.positions.remove(&partition);
                    if held.positions.is_empty() {
                        held_by_index.remove(&partition.index);
                    }
                }
            }
            Delivery::Batch(batch) => {
                let Some(held) = held_by_index.get_mut(&batch.partition.index) else { continue };
                if !held.positions.contains_key(&batch.partition) {
                    continue;
                }
                if commit_batch(store, held, batch, limits).await? == CommitOutcome::Moved {
                    held.ledger.forget();
                    let all: Vec<Partition> = held.positions.keys().cloned().collect();
                    seek_to_committed(&mut feed, store, held, all).await?;
                }
                forget_beyond(&mut held_by_index, limits.remembered);
            }
        }
    }
}

/// Loads the committed read positions of partitions, and reads on from there.
async fn seek_to_committed(
    feed: &mut impl Feed<DecodedTrade>,
    store: &impl Store,
    held: &mut HeldPartitions,
    partitions: impl IntoIterator<Item = Partition>,
) -> Result<(), Unavailable> {
    held.floors = store.read_floors().await?;
    for partition in partitions {
        let next = store.read_position(&partition).await?;
        feed.seek(&partition, start_at(next)).await?;
        held.positions.insert(partition, next);
    }
    Ok(())
}

fn start_at(next: Option<u64>) -> Start {
    next.map_or(Start::Beginning, Start::At)
}

/// Commits a batch in pieces of at most `limits.events`; events that are committed already are left out.
async fn commit_batch(
    store: &impl Store,
    held: &mut HeldPartitions,
    mut batch: Batch<DecodedTrade>,
    limits: Limits,
) -> Result<CommitOutcome, Unavailable> {
    let from = held.read_position(&batch.partition);
    let is_committed = |position: u64| from.is_some_and(|next| position < next);
    if is_committed(batch.next.saturating_sub(1)) {
        return Ok(CommitOutcome::Committed);
    }
    batch.events.retain(|event| !is_committed(event.position));
    loop {
        let rest = batch.events.split_off(batch.events.len().min(limits.events.max(1)));
        let next = rest.first().map_or(batch.next, |event| event.position);
        let piece =
            Batch { next, events: batch.events, partition: batch.partition.clone(), trace: batch.trace.clone() };
        if fold_and_commit(store, held, piece).await? == CommitOutcome::Moved {
            return Ok(CommitOutcome::Moved);
        }
        if rest.is_empty() {
            return Ok(CommitOutcome::Committed);
        }
        batch.events = rest;
    }
}

/// Loads what the fold of one piece needs, folds it and commits the result.
async fn fold_and_commit(
    store: &impl Store,
    held: &mut HeldPartitions,
    mut piece: Batch<DecodedTrade>,
) -> Result<CommitOutcome, Unavailable> {
    let events = &mut piece.events;
    let late: Vec<DecodedTrade> = events.extract_if(.., |event| held.floors.is_late(&event.entry)).collect();
    for event in events.iter_mut() {
        held.ledger.apply_rules(&mut event.entry);
    }
    let requested = requested_changes(std::mem::take(events));
    let changes = resolve(store, &mut held.ledger, requested).await?;
    let tails = load_tails(store, &mut held.ledger, &changes).await?;
    let facts = held.ledger.fold(held.origin_of(piece, count_by_chain(&late)), changes, tails);
    let outcome = store.commit(&facts).await?;
    held.positions.insert(facts.partition, Some(facts.next));
    Ok(outcome)
}

/// Resolves requested changes against the store, and loads every user and position that they touch into the ledger.
async fn resolve(
    store: &impl Store,
    ledger: &mut Ledger,
    mut requested: Vec<RequestedChange>,
) -> Result<Vec<ResolvedChange>, Unavailable> {
    let missing = ledger.missing(&requested);
    if !missing.0.is_empty() || !missing.1.is_empty() {
        let accounts = store.load_accounts(&missing.0, &missing.1).await?;
        ledger.remember(missing, accounts);
    }
    let possibly_stored = ledger.mark_possibly_stored(&mut requested);
    let stored = if possibly_stored.is_empty() { vec![] } else { store.load_trades(&possibly_stored).await? };
    let mut stored: HashMap<_, _> = stored.into_iter().map(|stored| (stored.entry.key(), stored)).collect();
    let changes: Vec<ResolvedChange> = requested
        .into_iter()
        .filter_map(|change| {
            let stored = if change.possibly_stored { stored.remove(&change.key) } else { None };
            change.resolve(stored)
        })
        .collect();
    let missing_books = ledger.missing_books(&changes);
    if !missing_books.is_empty() {
        let accounts = store.load_accounts(&[], &missing_books).await?;
        ledger.remember((vec![], missing_books), accounts);
    }
    Ok(changes)
}

/// The tails of the books that these changes make the fold go through again, and of those that take a basis over from
/// them, and so on.
async fn load_tails(
    store: &impl Store,
    ledger: &mut Ledger,
    changes: &[ResolvedChange],
) -> Result<Vec<(BookKey, Tail)>, Unavailable> {
    let mut firsts = ledger.first_refolded(changes);
    let mut tails: BTreeMap<BookKey, Tail> = BTreeMap::new();
    loop {
        let moved = firsts.take_moved();
        if moved.is_empty() {
            return Ok(tails.into_iter().collect());
        }
        let unknown = ledger.unknown_books(&moved);
        if !unknown.is_empty() {
            let accounts = store.load_accounts(&[], &unknown).await?;
            ledger.remember((vec![], unknown), accounts);
        }
        let to_refold = ledger.books_to_refold(moved);
        let loaded = store.load_tails(&to_refold).await?;
        for (BookToRefold { book, .. }, tail) in to_refold.into_iter().zip(loaded) {
            firsts.note_downstream(&book, &tail);
            tails.insert(book, tail);
        }
    }
}

/// The number of events of each chain.
fn count_by_chain(events: &[DecodedTrade]) -> Vec<(Arc<str>, u64)> {
    let mut counts: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    for event in events {
        *counts.entry(Arc::clone(&event.entry.user.chain)).or_default() += 1;
    }
    counts.into_iter().collect()
}

fn forget_beyond(held_by_index: &mut HashMap<u32, HeldPartitions>, max_remembered: usize) {
    if held_by_index.values().map(|held| held.ledger.remembered()).sum::<usize>() > max_remembered {
        for held in held_by_index.values_mut() {
            held.ledger.forget();
        }
    }
}
