//! Which chains this instance holds: instances share the journal by its group, and a chain belongs to the holder of its partition.
//!
//! **Invariant:** a chain is written only under a [`Hold`] of its partition; when a partition is lost, its chains end before it is
//! let go. Should they not end in time, fencing keeps them from writing.

use crate::catalog::{Catalog, Entry, Listing};
use crate::chainfile::ChainFile;
use crate::in_force::{About, InForce, Waiting};
use crate::plugin::Engine;
use crate::requests::Requests;
use crate::source::{Evidence, Source};
use crate::tape::{Hold, LogTape};
use crate::wake;
use environment::{Backoff, Shutdown};
use ingest_domain::follow::Witness;
use ingest_domain::{Ask, Clock, End, Plan, follow, park};
use rand::Rng;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tape::{Detector, Partition, Start, Unavailable};
use tape_log::{Arrival, Log, Membership, Reader, topics};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use wire::v1::journal;

/// The group that shares the journal.
const GROUP: &str = "ingest";
/// Partitions without a chain of ours that are looked through at once.
const IDLE_AT_ONCE: usize = 4;
/// Changes in one step, and about how many bytes: with their journal entries they stay below 10,000 records and 16 MiB.
const STEP_CHANGES: usize = 4_000;
const STEP_BYTES: usize = 6 << 20;

/// What every held partition needs.
struct Instance {
    engine: Engine,
    log: Log,
    membership: Membership,
    catalog: Catalog,
    requests: Requests,
    idle: Semaphore,
}

/// Holds the partitions that the group assigns to this instance and follows their chains, until the process is to stop.
pub async fn hold(engine: Engine, log: Log, catalog: Catalog, shutdown: Shutdown) -> Result<(), Unavailable> {
    let mut reader = log.member(GROUP, &topics::JOURNAL, journal::is_request_key).await?;
    let (membership, requests, idle) = (reader.membership(), Requests::default(), Semaphore::new(IDLE_AT_ONCE));
    let instance = Arc::new(Instance { engine, log, membership, catalog, requests, idle });
    let mut held = Held { instance, stops: HashMap::new(), again: HashSet::new(), tasks: JoinSet::new() };
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while !shutdown.requested() {
        tokio::select! {
            arrival = reader.next() => match arrival {
                Ok(arrival) => {
                    backoff.reset();
                    held.take_in(&mut reader, arrival).await?;
                }
                Err(e) => {
                    tracing::warn!(error = %e, cause = %e.source, "the ingestor waits for its group");
                    tokio::time::sleep(backoff.next()).await;
                }
            },
            Some(ended) = held.tasks.join_next() => held.let_go(&mut reader, ended),
            () = shutdown.wait() => {}
        }
    }
    held.stops.values().for_each(Shutdown::trigger);
    held.again.clear();
    while let Some(ended) = held.tasks.join_next().await {
        held.let_go(&mut reader, ended);
    }
    Ok(())
}

/// The partitions in this instance's hands, each with a task of its own.
struct Held {
    instance: Arc<Instance>,
    stops: HashMap<Partition, Shutdown>,
    /// Gained again before they were let go.
    again: HashSet<Partition>,
    tasks: JoinSet<Partition>,
}

impl Held {
    async fn take_in(&mut self, reader: &mut Reader, arrival: Arrival) -> Result<(), Unavailable> {
        match arrival {
            Arrival::Gained(partition) => {
                reader.seek(&partition, Start::Beginning).await?;
                if self.stops.contains_key(&partition) {
                    self.again.insert(partition);
                } else {
                    self.keep(partition);
                }
            }
            Arrival::Lost(partition) => {
                self.again.remove(&partition);
                match self.stops.get(&partition) {
                    Some(stop) => stop.trigger(),
                    None => reader.let_go(&partition),
                }
            }
            Arrival::Records { records, .. } => {
                for record in records.iter().filter(|record| journal::is_request_key(&record.key)) {
                    // What cannot be read is named when the partition is taken.
                    let _ = self.instance.requests.note(record);
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, partition: Partition) {
        let stop = Shutdown::default();
        self.stops.insert(partition.clone(), stop.clone());
        let instance = Arc::clone(&self.instance);
        self.tasks.spawn(async move {
            instance.keep(&partition, &stop).await;
            partition
        });
    }

    fn let_go(&mut self, reader: &mut Reader, ended: Result<Partition, tokio::task::JoinError>) {
        let partition = match ended {
            Ok(partition) => partition,
            // A panic is a bug of ours; the process must not go on half dead, and its supervisor starts it again.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        self.stops.remove(&partition);
        reader.let_go(&partition);
        if self.again.remove(&partition) {
            self.keep(partition);
        }
    }
}

impl Instance {
    /// Follows the chains of a partition until it is lost.
    async fn keep(self: &Arc<Self>, partition: &Partition, stop: &Shutdown) {
        let Some(hold) = self.take(partition, stop).await else { return };
        let mut listing = self.catalog.listing();
        let mut running: HashMap<String, Shutdown> = HashMap::new();
        let mut following: JoinSet<String> = JoinSet::new();
        let mut orphans: Vec<String> = hold.journalled().to_vec();
        while !stop.requested() {
            let listed = chains_of(&listing.borrow_and_update(), partition);
            for (_, stop) in running.iter().filter(|(id, _)| !listed.contains_key(*id)) {
                stop.trigger();
            }
            for chain in std::mem::take(&mut orphans).into_iter().filter(|chain| !listed.contains_key(chain)) {
                let (instance, hold) = (Arc::clone(self), Arc::clone(&hold));
                following.spawn(async move { instance.park_orphan(&hold, chain).await });
            }
            for id in listed.into_keys() {
                if let std::collections::hash_map::Entry::Vacant(vacant) = running.entry(id.clone()) {
                    let stop = vacant.insert(Shutdown::default()).clone();
                    let (instance, hold) = (Arc::clone(self), Arc::clone(&hold));
                    following.spawn(async move { instance.follow(hold, id, stop).await });
                }
            }
            tokio::select! {
                changed = listing.changed() => if changed.is_err() { stop.wait().await },
                Some(ended) = following.join_next() => drop(running.remove(&finished(ended))),
                () = stop.wait() => {}
            }
        }
        running.values().for_each(Shutdown::trigger);
        while let Some(ended) = following.join_next().await {
            self.requests.forget(&finished(ended));
        }
        tracing::debug!(partition = partition.index, "partition let go");
    }

    /// Takes a partition of the journal; none when it is lost meanwhile.
    async fn take(&self, partition: &Partition, stop: &Shutdown) -> Option<Arc<Hold>> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let chains: Vec<String> = chains_of(&self.catalog.listing().borrow(), partition).into_keys().collect();
            // What belongs to a chain of ours does not wait for what only might hold one.
            let _turn = if chains.is_empty() { self.idle.acquire().await.ok() } else { None };
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
                partition = partition.index, error = %failed, cause = %failed.source,
                "a partition of the journal cannot be taken yet"
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.wait() => return None,
            }
        }
    }

    /// Follows one chain until it is taken away; parked, it waits until its entry changes or something is asked that may
    /// cure it.
    async fn follow(&self, hold: Arc<Hold>, id: String, stop: Shutdown) -> String {
        let subscription = self.catalog.subscribe(&id);
        let mut source = Source::new(&self.engine, subscription.clone(), Evidence::on(self.log.clone()));
        let tape = LogTape::following(hold, source.in_force());
        let world = World { stop: stop.clone(), bell: Arc::default() };
        let waking = wake::listen(self.engine.clone(), subscription.clone(), Arc::clone(&world.bell));
        let _waking = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(waking));
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
        while let Some(entry) = subscription.current().filter(|_| !stop.requested()) {
            let generation = entry.generation;
            tracing::info!(chain.id = id, plugin.version = entry.detector.version, generation, "following");
            match follow(&mut source, &tape, &world, &Journalist, &plan(&entry.file)).await {
                End::Stopped => tracing::info!(chain.id = id, "stopped"),
                End::Parked(why) => {
                    tracing::error!(chain.id = id, %why, "chain parked");
                    tokio::select! {
                        () = subscription.changed(generation) => {}
                        () = self.rewind_asked(&id) => {}
                        () = stop.wait() => {}
                    }
                }
                End::Lost => {
                    let again = backoff.next();
                    tracing::warn!(
                        chain.id = id,
                        again_ms = again.as_millis(),
                        "fenced: another writer took the chain"
                    );
                    world.pause(u64::try_from(again.as_millis()).unwrap_or(u64::MAX)).await;
                }
            }
        }
        id
    }

    /// Waits until a rewind is asked for.
    async fn rewind_asked(&self, chain: &str) {
        let mut news = self.requests.news();
        let is_asked = || self.requests.of(chain).iter().any(|request| matches!(request.ask, Ask::Rewind { .. }));
        while !is_asked() {
            if news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A chain of the journal that no chain file names.
    async fn park_orphan(&self, hold: &Arc<Hold>, chain: String) -> String {
        let why =
            "no file in CHAINS_DIR of the instance that holds the chain names it; put it there, or leave it parked";
        tracing::warn!(chain.id = chain, why, "chain parked");
        let about = About {
            detector: unknown(),
            display: BTreeMap::new(),
            providers: BTreeMap::new(),
            waiting: Waiting::default(),
        };
        let tape = LogTape::following(Arc::clone(hold), InForce::new(about));
        if let Err(failed) = park(&tape, &chain, why).await {
            tracing::warn!(chain.id = chain, error = %failed, cause = %failed.source, "what parks the chain is not on the tape");
        }
        chain
    }
}

fn finished(ended: Result<String, tokio::task::JoinError>) -> String {
    match ended {
        Ok(chain) => chain,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn unknown() -> Detector {
    Detector { plugin: "none".to_owned(), version: "0".to_owned(), digest: String::new() }
}

/// The chains of a listing whose journal lies in a partition.
fn chains_of(listing: &Listing, partition: &Partition) -> BTreeMap<String, Entry> {
    let ours = listing.iter().filter(|(id, _)| topics::JOURNAL.partition_of(id.as_bytes()) == *partition);
    ours.map(|(id, entry)| (id.clone(), entry.clone())).collect()
}

/// How a chain file is followed.
fn plan(chain: &ChainFile) -> Plan {
    Plan {
        chain: chain.id.clone(),
        beginning: chain.start,
        span: chain.limits.span,
        poll_ms: chain.poll_ms,
        step_changes: STEP_CHANGES,
        step_bytes: STEP_BYTES,
    }
}

/// Milliseconds between looks at the head, whoever rings.
const LEAST_REST_MS: u64 = 10;

/// The machine's clock, the wish to stop, and what a node rings when something is new.
struct World {
    stop: Shutdown,
    bell: Arc<Notify>,
}

impl Clock for World {
    fn now_ms(&self) -> u64 {
        environment::now_ms()
    }

    fn draw(&self, bound: u64) -> u64 {
        rand::rng().random_range(0..=bound)
    }

    async fn pause(&self, ms: u64) {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = self.stop.wait() => {}
        }
    }

    async fn rest(&self, ms: u64) {
        // A node that rings without end is not asked without end.
        self.pause(ms.min(LEAST_REST_MS)).await;
        tokio::select! {
            () = self.pause(ms.saturating_sub(LEAST_REST_MS)) => {}
            () = self.bell.notified() => {}
        }
    }

    fn stopping(&self) -> bool {
        self.stop.requested()
    }
}

/// Logs what is waited out.
struct Journalist;

impl Witness for Journalist {
    fn waits(&self, chain: &str, why: &str, ms: u64) {
        tracing::warn!(chain.id = chain, why, again_ms = ms, "the chain waits");
    }

    fn reorged(&self, chain: &str, ancestor: u64, blocks: usize) {
        tracing::info!(chain.id = chain, block.height = ancestor, blocks, "left a branch");
    }

    fn rewound(&self, chain: &str, to: u64, blocks: usize) {
        tracing::warn!(chain.id = chain, block.height = to, blocks, "rewinding as asked");
    }
}
