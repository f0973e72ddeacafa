//! The hub: holds the updates that arrived lately and the readers, and joins each snapshot to the updates after it.
//!
//! A record takes one path: `follow` decodes it into an [`Incoming`], [`Hub::deliver`] makes an [`Update`] of it, keeps
//! that in the channel's ring and puts it into the mailbox of every reader with a subscription that matches.
//!
//! **Invariant:** one lock orders everything. A subscription is added at the same moment at which the updates so far
//! are joined to its snapshot, so each update is either in the snapshot or delivered after it, never both and never
//! neither.

mod channel;
mod message;
mod state;
mod update;
mod rings;
mod subscription;
mod snapshot;
mod resume;
mod mailbox;
mod follow;
mod watch_key;
mod watched;

pub(crate) use channel::Channel;
pub(crate) use follow::follow_log;
pub(crate) use mailbox::{Mailbox, Outgoing};
pub(crate) use resume::ResumePoint;
pub(crate) use snapshot::Snapshot;
use subscription::SubscriptionIds;
pub(crate) use subscription::{Matcher, Selection, Subscription, SubscriptionRefused};
pub(crate) use watch_key::WatchKey;
use watched::Watched;
pub(crate) use watched::{read_snapshot, watch_prices};

use crate::token;
use crate::views::{ChainView, WatchView};
use api_domain::{FoldedPositions, KnownChain, KnownChains, Notation, Tickers, TradedAsset};
use axum::extract::ws::Utf8Bytes;
use environment::now_ms;
use rings::{Live, StartPositions};
use snapshot::Joined;
use state::StateUpdate;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape::{Event, Partition};
use tape_log::completeness::CompletenessAudit;
use tape_log::record::chain_of;
use tape_log::{Stored, topics};
use update::{ChainUpdate, Incoming, TradeUpdate, Update};

/// Updates that a resuming client receives one by one at most; beyond that a new snapshot is shorter.
const MAX_RESUMED_UPDATES: usize = mailbox::MAX_WAITING_CHANGES / 2;

/// What the stream is served from.
pub(crate) struct Hub {
    inner: Mutex<Inner>,
    tickers: Mutex<Tickers>,
    poison: AtomicU64,
    delivered: AtomicU64,
    missed: AtomicU64,
    conflated: AtomicU64,
}

#[derive(Default)]
struct Inner {
    live: Option<Live>,
    /// The newest state of each chain.
    chains: BTreeMap<String, ChainView>,
    /// What names are checked against; empty before all that was said of chains up to the start is read.
    known_chains: Arc<KnownChains>,
    /// Where the topic of progress ended at the start.
    progress_end: u64,
    progress_read: bool,
    readers: HashMap<u64, StreamReader>,
    last_reader: u64,
    folded: FoldedPositions,
    watched: Watched,
    audit: CompletenessAudit,
    /// Dead letters by the chain of their key.
    dead_letters: HashMap<String, u64>,
}

struct StreamReader {
    mailbox: Arc<Mailbox>,
    subscriptions: Vec<Subscription>,
}

/// What an update did.
#[derive(Clone, Copy, Default)]
struct Reached {
    /// Readers that get it.
    readers: u64,
    /// Of them, those for whom it became one with a state that waited.
    conflated: u64,
}

/// How the stream is, for people and probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamHealth {
    pub(crate) started: bool,
    pub(crate) last_arrival_ms: u64,
    pub(crate) last_record_ms: u64,
    pub(crate) unfolded: u64,
    pub(crate) poison: u64,
    pub(crate) readers: usize,
    pub(crate) delivered: u64,
    pub(crate) missed: u64,
    pub(crate) conflated: u64,
}

impl StreamHealth {
    /// The log counts as read to its end when nothing arrived for so long, or when the newest record was younger than this.
    pub(crate) const CAUGHT_UP_MS: u64 = 3_000;

    /// Whether the log was read to its end by now, as far as can be seen.
    pub(crate) fn is_caught_up(&self, now_ms: u64) -> bool {
        let silent = now_ms.saturating_sub(self.last_arrival_ms) > Self::CAUGHT_UP_MS;
        self.started && (silent || self.record_age_ms() <= Self::CAUGHT_UP_MS)
    }

    /// How old the newest record was when it arrived.
    pub(crate) fn record_age_ms(&self) -> u64 {
        self.last_arrival_ms.saturating_sub(self.last_record_ms)
    }
}

/// What the hub learns from the log.
impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            tickers: Mutex::default(),
            poison: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            conflated: AtomicU64::new(0),
        }
    }

    /// Starts at these positions and returns where to read from. A hub that was started before continues where it was.
    pub(crate) fn start(&self, starts: &StartPositions) -> StartPositions {
        let mut inner = self.lock();
        let Inner { live, audit, dead_letters, progress_end, .. } = &mut *inner;
        let live = live.get_or_insert_with(|| Live::starting_at(starts));
        let next = |channel: Channel| live.ring(channel).next_positions();
        let trades = next(Channel::Trades);
        topics::TRADES.partitions().zip(&trades).for_each(|(partition, from)| audit.begin(&partition, *from));
        dead_letters.clear();
        *progress_end = starts.progress_end;
        StartPositions {
            progress_end: starts.progress_end,
            trades,
            metrics: next(Channel::Metrics),
            wallets: next(Channel::Wallets),
        }
    }

    /// Whether [`Hub::start`] has been called.
    pub(crate) fn started(&self) -> bool {
        self.lock().live.is_some()
    }

    /// Counts records as they were read, whether they can be decoded or not.
    pub(crate) fn count_records(&self, partition: &Partition, records: &[Stored], next: u64) {
        let mut inner = self.lock();
        if Channel::from_topic(&partition.topic) == Some(Channel::Trades) {
            inner.audit.take_records(partition, records.iter().map(|record| (&*record.key, record.position)), next);
        } else if topics::DEAD_LETTERS.iter().any(|topic| *partition.topic == *topic.name) {
            for record in records {
                *inner.dead_letters.entry(chain_of(&record.key).into_owned()).or_default() += 1;
            }
        }
    }

    /// Counts a record that cannot be decoded.
    pub(crate) fn count_poison(&self) {
        self.poison.fetch_add(1, Ordering::Relaxed);
    }

    /// Records up to where a partition was read, and how old that was.
    pub(crate) fn advance(&self, partition: &Partition, next: u64, now_ms: u64, record_ms: u64) {
        let mut inner = self.lock();
        let Some(live) = &mut inner.live else { return };
        live.last_arrival_ms = now_ms;
        live.last_record_ms = record_ms;
        if let Some(channel) = Channel::from_topic(&partition.topic) {
            live.advance(channel, partition.index, next);
            if channel == Channel::Chains && !inner.progress_read && next >= inner.progress_end {
                inner.progress_read = true;
                inner.note_known_chains();
            }
        }
    }

    /// Delivers a record to every reader with a subscription that matches, once.
    pub(crate) fn deliver(&self, incoming: Incoming, partition: u32, position: u64, at_ms: u64) {
        if let Incoming::Trade(event, _) = &incoming {
            self.note_tickers(event);
        }
        let mut inner = self.lock();
        let Some(update) = inner.accept(incoming, partition, position, at_ms) else { return };
        let reached = inner.deliver_to_readers(&update);
        self.conflated.fetch_add(reached.conflated, Ordering::Relaxed);
        if matches!(update, Update::Trade(_)) {
            self.delivered.fetch_add(reached.readers, Ordering::Relaxed);
        }
    }

    fn note_tickers(&self, event: &Event) {
        let mut tickers = self.tickers.lock().unwrap_or_else(PoisonError::into_inner);
        for side in [&event.trade.sold, &event.trade.bought] {
            if let Some(symbol) = &side.symbol {
                tickers.note(&event.trade.chain, &side.asset, symbol);
            }
        }
    }

    /// Records how far metrics has folded, and drops trades that no later snapshot needs.
    pub(crate) fn note_folded(&self, folded: FoldedPositions, before_ms: u64) {
        let mut inner = self.lock();
        let Some(live) = &mut inner.live else { return };
        live.ring_mut(Channel::Trades).forget_folded(&folded, before_ms);
        inner.folded = folded;
    }
}

/// What readers ask of the hub.
impl Hub {
    /// Adds a reader; its number names it from now on.
    pub(crate) fn attach(&self, mailbox: &Arc<Mailbox>) -> u64 {
        let mut inner = self.lock();
        inner.last_reader += 1;
        let number = inner.last_reader;
        inner.readers.insert(number, StreamReader { mailbox: Arc::clone(mailbox), subscriptions: vec![] });
        number
    }

    /// Removes a reader.
    pub(crate) fn detach(&self, reader: u64) {
        self.lock().readers.remove(&reader);
    }

    /// Up to where a channel's topic is read. Taken before a state is read from the database and given back with it.
    pub(crate) fn next_positions(&self, channel: Channel) -> Result<Vec<u64>, SubscriptionRefused> {
        let inner = self.lock();
        inner.live.as_ref().map(|live| live.ring(channel).next_positions()).ok_or(SubscriptionRefused::Starting)
    }

    /// Adds a subscription; its snapshot and what arrived since that was read are in the mailbox when this returns.
    pub(crate) fn subscribe(&self, reader: u64, id: &str, snapshot: Snapshot) -> Result<(), SubscriptionRefused> {
        let mut inner = self.lock();
        let live = inner.live.as_ref().ok_or(SubscriptionRefused::Starting)?;
        let Joined { matcher, next, data, missed } = live.join(snapshot, &inner.chains)?;
        if let Some(key) = matcher.watch() {
            let key = key.clone();
            if !inner.watched.has_room_for(&key) {
                return Err(SubscriptionRefused::Full);
            }
            inner.watched.forget(&key);
        }
        let channel = matcher.channel();
        let at = token::resume_token(channel.letter(), next.into_iter());
        let snapshot = message::snapshot(id, channel, &data, &at);
        inner.add(reader, Subscription::new(id, matcher), snapshot, missed)
    }

    /// Adds a subscription of a client that received everything below a point, on whatever instance: what arrived since
    /// follows in order of arrival. False when the kept updates do not reach back so far.
    pub(crate) fn resume(
        &self,
        reader: u64,
        id: &str,
        selection: &Selection,
        point: &ResumePoint,
    ) -> Result<bool, SubscriptionRefused> {
        let mut inner = self.lock();
        let live = inner.live.as_ref().ok_or(SubscriptionRefused::Starting)?;
        let matcher = selection.matcher_since(&point.next);
        let missed = live.missed_since(point, &matcher).filter(|missed| missed.len() <= MAX_RESUMED_UPDATES);
        let Some(missed) = missed else { return Ok(false) };
        let resumed = message::resumed(id, &point.at);
        inner.add(reader, Subscription::new(id, matcher), resumed, missed)?;
        Ok(true)
    }

    /// Ends a subscription; false when the reader has none of this id.
    pub(crate) fn unsubscribe(&self, reader: u64, id: &str) -> bool {
        let mut inner = self.lock();
        let Some(reader) = inner.readers.get_mut(&reader) else { return false };
        let before = reader.subscriptions.len();
        reader.subscriptions.retain(|subscription| subscription.id != id);
        reader.subscriptions.len() < before
    }

    /// Counts the changes that a slow reader missed.
    pub(crate) fn count_missed(&self, missed: u64) {
        self.missed.fetch_add(missed, Ordering::Relaxed);
    }

    /// Every chain as it is now.
    pub(crate) fn chains(&self) -> Vec<ChainView> {
        let inner = self.lock();
        let watched = |view: &ChainView| ChainView { watch: inner.watched(&view.chain), ..view.clone() };
        inner.chains.values().map(|view| watched(view).aged(now_ms())).collect()
    }

    /// The chains that are followed, to check names against.
    pub(crate) fn known_chains(&self) -> Arc<KnownChains> {
        Arc::clone(&self.lock().known_chains)
    }

    /// The assets that were traded lately under a ticker.
    pub(crate) fn assets_of_ticker(&self, ticker: &str, chain: Option<&str>) -> Vec<TradedAsset> {
        self.tickers.lock().unwrap_or_else(PoisonError::into_inner).find(ticker, chain)
    }

    /// How the stream is.
    pub(crate) fn health(&self) -> StreamHealth {
        let inner = self.lock();
        let live = inner.live.as_ref();
        StreamHealth {
            started: live.is_some(),
            last_arrival_ms: live.map_or(0, |live| live.last_arrival_ms),
            last_record_ms: live.map_or(0, |live| live.last_record_ms),
            unfolded: live.map_or(0, |live| live.unfolded(&inner.folded)),
            poison: self.poison.load(Ordering::Relaxed),
            readers: inner.readers.len(),
            delivered: self.delivered.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
            conflated: self.conflated.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Makes the update for a record and keeps it; none for a position that was read before.
    fn accept(&mut self, incoming: Incoming, partition: u32, position: u64, at_ms: u64) -> Option<Update> {
        if let Incoming::Chain(progress) = &incoming {
            self.audit.take_progress(progress);
        }
        let channel = incoming.channel();
        let live = self.live.as_mut().filter(|live| live.ring(channel).is_new(partition, position))?;
        let stamp = live.stamp(channel, partition, position);
        let update = match incoming {
            Incoming::Trade(event, text) => Update::Trade(Arc::new(TradeUpdate::new(*event, &text, &stamp))),
            Incoming::Metrics(body) => Update::Metrics(Arc::new(StateUpdate::new(*body, stamp))),
            Incoming::Wallet(body) => Update::Wallet(Arc::new(StateUpdate::new(body, stamp))),
            Incoming::Chain(progress) => {
                let view = ChainView { watch: self.watched(&progress.chain), ..ChainView::from(*progress) };
                let update = Update::Chain(Arc::new(ChainUpdate::new(&view, &stamp)));
                let named = |view: &ChainView| (view.network.clone(), view.display.get("name").cloned());
                let name = named(&view);
                let before = self.chains.insert(view.chain.clone(), view);
                if self.progress_read && before.is_none_or(|before| named(&before) != name) {
                    self.note_known_chains();
                }
                update
            }
        };
        self.live.as_mut()?.ring_mut(channel).push(partition, position, at_ms, update.clone());
        Some(update)
    }

    /// Puts an update into the mailbox of every reader with a subscription that matches.
    fn deliver_to_readers(&self, update: &Update) -> Reached {
        let mut reached = Reached::default();
        for reader in self.readers.values() {
            let matching = reader.subscriptions.iter().filter(|subscription| subscription.matcher.matches(update));
            let ids = SubscriptionIds::from_matching(matching.map(|subscription| &subscription.id_json));
            let Some(ids) = ids else { continue };
            reached.conflated += u64::from(reader.mailbox.deliver(update.clone(), ids));
            reached.readers += 1;
        }
        reached
    }

    /// Adds a subscription in the place of one with the same id, with its first message and the updates that it missed.
    fn add(
        &mut self,
        reader: u64,
        subscription: Subscription,
        first: Utf8Bytes,
        missed: Vec<Update>,
    ) -> Result<(), SubscriptionRefused> {
        let reader = self.readers.get_mut(&reader).ok_or(SubscriptionRefused::Gone)?;
        reader.subscriptions.retain(|other| other.id != subscription.id);
        if reader.subscriptions.len() >= Subscription::MAX_PER_READER {
            return Err(SubscriptionRefused::TooMany);
        }
        let ids = SubscriptionIds::One(Arc::clone(&subscription.id_json));
        reader.subscriptions.push(subscription);
        reader.mailbox.reply(first);
        for update in missed {
            reader.mailbox.deliver(update, ids.clone());
        }
        Ok(())
    }

    fn note_known_chains(&mut self) {
        let known = |view: &ChainView| KnownChain {
            id: view.chain.clone(),
            name: view.display.get("name").cloned(),
            notation: Notation::of_network(&view.network),
        };
        self.known_chains = Arc::new(KnownChains::new(self.chains.values().map(known).collect()));
    }

    /// The counts of a chain that must be zero.
    fn watched(&self, chain: &str) -> WatchView {
        let tally = self.audit.of_chain(chain);
        let dead_lettered = self.dead_letters.get(chain).copied().unwrap_or(0);
        WatchView { lost: tally.lost, doubled: tally.doubled, gap: tally.gap, dead_lettered }
    }
}
