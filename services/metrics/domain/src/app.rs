//! The story of metrics: a share is gained, its batches are folded and committed, it is lost.

use crate::fold::Ledger;
use crate::ports::{Outcome, Store};
use crate::wishes::{Move, wishes};
use std::collections::HashMap;
use std::convert::Infallible;
use tape::{Batch, Delivery, Event, Feed, Share, Start, Unavailable};

/// How much is done and remembered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events in one commit.
    pub events: usize,
    /// Users and positions remembered over all shares; beyond, all are forgotten and loaded anew as needed.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 5_000, remembered: 100_000 }
    }
}

/// A share this reader holds.
struct Held {
    /// The read position as last committed.
    next: Option<u64>,
    /// What is remembered of its users and positions; void as soon as the position is not where we left it.
    ledger: Ledger,
}

/// Follows the feed into the store. Returns only when the store cannot be had; whoever wants it tried again puts that
/// into the store. After a failure of the feed it reads on from what is committed: nothing handed out and not yet
/// committed is lost.
pub async fn follow(mut feed: impl Feed, store: &impl Store, limits: Limits) -> Result<Infallible, Unavailable> {
    let mut shares: HashMap<Share, Held> = HashMap::new();
    loop {
        let Ok(delivery) = feed.next().await else {
            for (share, held) in &shares {
                feed.seek(share, start(held.next)).await?;
            }
            continue;
        };
        match delivery {
            Delivery::Gained(share) => {
                let held = take(&mut feed, store, &share).await?;
                shares.insert(share, held);
            }
            Delivery::Lost(share) => drop(shares.remove(&share)),
            Delivery::Batch(batch) => {
                let share = batch.share.clone();
                let Some(held) = shares.get_mut(&share) else { continue };
                if commit(store, held, batch, limits).await? == Outcome::Moved {
                    *held = take(&mut feed, store, &share).await?;
                }
                forget_beyond(&mut shares, limits.remembered);
            }
        }
    }
}

/// Starts to read a share where the store says it was left.
async fn take(feed: &mut impl Feed, store: &impl Store, share: &Share) -> Result<Held, Unavailable> {
    let next = store.position(share).await?;
    feed.seek(share, start(next)).await?;
    Ok(Held { next, ledger: Ledger::new(store.method()) })
}

fn start(next: Option<u64>) -> Start {
    next.map_or(Start::Beginning, Start::At)
}

/// Commits a batch in as many pieces as the limit asks for; what is committed already is left out.
async fn commit(store: &impl Store, held: &mut Held, batch: Batch, limits: Limits) -> Result<Outcome, Unavailable> {
    let old = |position: u64| held.next.is_some_and(|next| position < next);
    if old(batch.next.saturating_sub(1)) {
        return Ok(Outcome::Committed);
    }
    let mut events: Vec<(u64, Event)> = batch.events.into_iter().filter(|(position, _)| !old(*position)).collect();
    loop {
        let rest = events.split_off(events.len().min(limits.events.max(1)));
        let next = rest.first().map_or(batch.next, |(position, _)| *position);
        let piece = events.into_iter().map(|(_, event)| event).collect();
        if digest(store, held, &batch.share, piece, next).await? == Outcome::Moved {
            return Ok(Outcome::Moved);
        }
        if rest.is_empty() {
            return Ok(Outcome::Committed);
        }
        events = rest;
    }
}

/// One piece: what it wants, what is known, what that changes, kept.
async fn digest(
    store: &impl Store,
    held: &mut Held,
    share: &Share,
    events: Vec<Event>,
    next: u64,
) -> Result<Outcome, Unavailable> {
    let wishes = wishes(events);
    let missing = held.ledger.missing(&wishes);
    if !missing.0.is_empty() || !missing.1.is_empty() {
        let heads = store.heads(&missing.0, &missing.1).await?;
        held.ledger.learn(missing, heads);
    }
    let doubtful = held.ledger.doubtful(&wishes);
    let stored = if doubtful.is_empty() { vec![] } else { store.stored(&doubtful).await? };
    let mut stored: HashMap<_, _> = stored.into_iter().map(|stored| (stored.entry.key(), stored)).collect();
    let moves: Vec<Move> = wishes
        .into_iter()
        .filter_map(|wish| {
            let known = stored.remove(&wish.key);
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
    let tails = late.into_iter().map(|(book, _)| book).zip(tails).collect();
    let facts = held.ledger.fold(share.clone(), (held.next, next), moves, tails);
    let outcome = store.commit(&facts).await?;
    held.next = Some(next);
    Ok(outcome)
}

fn forget_beyond(shares: &mut HashMap<Share, Held>, most: usize) {
    if shares.values().map(|held| held.ledger.len()).sum::<usize>() > most {
        for held in shares.values_mut() {
            held.ledger.forget();
        }
    }
}
