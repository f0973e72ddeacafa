//! Takes one partition of the journal and follows its chains until it is lost.

use super::or_panic;
use crate::catalog::{Catalog, Entry, Listing};
use crate::plugin::Engine;
use crate::requests::Requests;
use crate::tape::Hold;
use environment::{Backoff, Shutdown};
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tape::Partition;
use tape_log::{Log, Membership, topics};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Partitions without a chain of the catalog that are taken at the same time.
const MAX_EMPTY_TAKEN_AT_ONCE: usize = 4;

/// What every held partition needs.
pub(super) struct Instance {
    pub(super) engine: Engine,
    pub(super) log: Log,
    membership: Membership,
    pub(super) catalog: Catalog,
    pub(super) requests: Requests,
    /// The program whose commands cure a parked chain.
    pub(super) command: String,
    /// Turns of the partitions without a chain of the catalog.
    empty_turns: Semaphore,
}

impl Instance {
    pub(super) fn new(
        engine: Engine,
        log: Log,
        membership: Membership,
        catalog: Catalog,
        requests: Requests,
        command: String,
    ) -> Self {
        let empty_turns = Semaphore::new(MAX_EMPTY_TAKEN_AT_ONCE);
        Self { engine, log, membership, catalog, requests, command, empty_turns }
    }

    /// Follows the chains of a partition until it is lost.
    pub(super) async fn follow_partition(self: &Arc<Self>, partition: &Partition, stop: &Shutdown) {
        let Some(hold) = self.take_partition(partition, stop).await else { return };
        let mut listing = self.catalog.listing();
        let mut running: HashMap<String, Shutdown> = HashMap::new();
        let mut following: JoinSet<String> = JoinSet::new();
        let listed = chains_of(&listing.borrow_and_update(), partition);
        let is_unlisted = |chain: &&String| !stop.requested() && !listed.contains_key(*chain);
        for chain in hold.journalled().iter().filter(is_unlisted).cloned() {
            let (instance, hold) = (Arc::clone(self), Arc::clone(&hold));
            following.spawn(async move { instance.park_unlisted(&hold, chain).await });
        }
        while !stop.requested() {
            let listed = chains_of(&listing.borrow_and_update(), partition);
            for (_, stop) in running.iter().filter(|(id, _)| !listed.contains_key(*id)) {
                stop.trigger();
            }
            for id in listed.into_keys() {
                if let Slot::Vacant(vacant) = running.entry(id.clone()) {
                    let stop = vacant.insert(Shutdown::default()).clone();
                    let (instance, hold) = (Arc::clone(self), Arc::clone(&hold));
                    following.spawn(async move { instance.follow_chain(hold, id, stop).await });
                }
            }
            tokio::select! {
                changed = listing.changed() => if changed.is_err() { stop.wait().await },
                Some(ended) = following.join_next() => drop(running.remove(&or_panic(ended))),
                () = stop.wait() => {}
            }
        }
        running.values().for_each(Shutdown::trigger);
        while let Some(ended) = following.join_next().await {
            self.requests.forget_chain(&or_panic(ended));
        }
        tracing::debug!(event = "journal.released", partition = partition.index, "partition let go");
    }

    /// Takes a partition of the journal, however often that needs to be tried; none when it is lost meanwhile.
    async fn take_partition(&self, partition: &Partition, stop: &Shutdown) -> Option<Arc<Hold>> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let chains: Vec<String> = chains_of(&self.catalog.listing().borrow(), partition).into_keys().collect();
            // A partition with a chain of the catalog does not wait for those that only may hold an unlisted one.
            let _turn = if chains.is_empty() { self.empty_turns.acquire().await.ok() } else { None };
            let taking = Hold::take(&self.log, &self.membership, partition, &chains, &self.requests);
            let failed = tokio::select! {
                taken = taking => match taken {
                    Ok(hold) => return Some(Arc::new(hold)),
                    Err(failed) => failed,
                },
                () = stop.wait() => return None,
            };
            let wait = backoff.next();
            tracing::warn!(
                event = "journal.waiting", partition = partition.index, error = %failed, cause = %failed.source,
                "a partition of the journal cannot be taken yet"
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.wait() => return None,
            }
        }
    }
}

/// The chains of a listing whose journal lies in a partition.
fn chains_of(listing: &Listing, partition: &Partition) -> BTreeMap<String, Entry> {
    let ours = listing.iter().filter(|(id, _)| topics::JOURNAL.partition_of(id.as_bytes()) == *partition);
    ours.map(|(id, entry)| (id.clone(), entry.clone())).collect()
}
