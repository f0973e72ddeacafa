//! The hub: what was read from the log lately, who listens, and how a snapshot joins the changes after it.
//!
//! **Invariant:** one lock orders everything. A subscription is entered in the very moment in which the changes read so
//! far are folded into its snapshot, so each change is in the snapshot or delivered after it, never both, never neither.

pub(crate) mod change;
pub(crate) mod mailbox;
pub(crate) mod pump;
mod resume;
mod rings;
mod subscription;

pub(crate) use change::{ChainChange, MetricsChange, TradeChange, WalletChange};
pub(crate) use mailbox::{Mailbox, Outgoing};
pub(crate) use resume::{Place, Wanted};
pub(crate) use rings::{Before, Starts};
pub(crate) use subscription::{Refused, Subscription, Want};

use crate::token;
use crate::views::{ChainView, WatchView};
use api_domain::{Filter, Folded, Move, TradeRow, UserState, WalletState, Who, caught_up};
use rings::{Live, MOST_TRADE_BYTES, MOST_TRADES, advance, nexts, since, with};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape::Partition;
use tape_log::completeness::CompletenessAudit;
use tape_log::record::chain_of;
use tape_log::{Stored, topics};
use wire::v1::progress::ChainProgressed;

/// How long states are kept, for those who come back.
const STATES_FOR_MS: u64 = 300_000;
/// Most changes that one who comes back is told one by one; beyond, a new snapshot is shorter.
const MOST_RESUMED: usize = mailbox::MOST_WAITING / 2;

/// What the stream serves from.
pub(crate) struct Hub {
    inner: Mutex<Inner>,
    poison: AtomicU64,
    delivered: AtomicU64,
    missed: AtomicU64,
}

#[derive(Default)]
struct Inner {
    live: Option<Live>,
    chains: BTreeMap<String, ChainView>,
    readers: HashMap<u64, Listener>,
    reader_number: u64,
    folded: Folded,
    watch: CompletenessAudit,
    /// Dead letters by the chain of their key.
    letters: HashMap<String, u64>,
}

impl Inner {
    /// What must be zero of a chain.
    fn watched(&self, chain: &str) -> WatchView {
        let tally = self.watch.of_chain(chain);
        let dead_lettered = self.letters.get(chain).copied().unwrap_or(0);
        WatchView { lost: tally.lost, doubled: tally.doubled, gap: tally.gap, dead_lettered }
    }
}

struct Listener {
    mailbox: Arc<Mailbox>,
    subscriptions: Vec<Subscription>,
}

/// How the stream is, for people and probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pulse {
    pub(crate) started: bool,
    pub(crate) last_arrival_ms: u64,
    pub(crate) last_record_ms: u64,
    pub(crate) unfolded: u64,
    pub(crate) poison: u64,
    pub(crate) readers: usize,
    pub(crate) delivered: u64,
    pub(crate) missed: u64,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            poison: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// Where to read from, once that is known; a hub that has started continues where it was.
    pub(crate) fn start(&self, starts: &Starts) -> Starts {
        let mut inner = self.lock();
        let Inner { live, watch, letters, .. } = &mut *inner;
        let live = live.get_or_insert_with(|| Live::starting_at(starts));
        let trades = nexts(&live.trades);
        topics::TRADES.partitions().zip(&trades).for_each(|(partition, from)| watch.begin(&partition, *from));
        letters.clear();
        Starts { trades, metrics: nexts(&live.metrics), wallets: nexts(&live.wallets) }
    }

    /// Counts records that were read before anything is made of them.
    pub(crate) fn saw(&self, partition: &Partition, records: &[Stored], next: u64) {
        let mut inner = self.lock();
        if *partition.topic == *topics::TRADES.name {
            inner.watch.take_records(partition, records.iter().map(|record| (&*record.key, record.position)), next);
        } else if topics::DEAD_LETTERS.iter().any(|topic| *partition.topic == *topic.name) {
            for record in records {
                *inner.letters.entry(chain_of(&record.key).into_owned()).or_default() += 1;
            }
        }
    }

    /// Whether [`Hub::start`] has been called.
    pub(crate) fn started(&self) -> bool {
        self.lock().live.is_some()
    }

    /// Notes up to where a partition was read, and how old that was.
    pub(crate) fn advance(&self, partition: &Partition, next: u64, now_ms: u64, record_ms: u64) {
        let mut inner = self.lock();
        let Some(live) = &mut inner.live else { return };
        live.last_arrival_ms = now_ms;
        live.last_record_ms = record_ms;
        let number = partition.index as usize;
        if *partition.topic == *topics::TRADES.name {
            advance(&mut live.trades, number, next);
        } else if *partition.topic == *topics::METRICS_UPDATED.name {
            advance(&mut live.metrics, number, next);
        } else if *partition.topic == *topics::PORTFOLIO_UPDATED.name {
            advance(&mut live.wallets, number, next);
        }
    }

    /// Counts a record that could not be read.
    pub(crate) fn count_poison(&self) {
        self.poison.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what a slow reader missed.
    pub(crate) fn count_missed(&self, missed: u64) {
        self.missed.fetch_add(missed, Ordering::Relaxed);
    }

    /// A trade came or went.
    pub(crate) fn trade(
        &self,
        partition: u32,
        position: u64,
        at_ms: u64,
        compose: impl FnOnce(&str, u64) -> TradeChange,
    ) {
        let mut inner = self.lock();
        let Inner { live: Some(live), readers, .. } = &mut *inner else { return };
        let at = token::at(b't', with(&live.trades, partition, position + 1));
        let number = live.arrival();
        let Some(recent) = live.trades.get_mut(partition as usize) else { return };
        let change = Arc::new(compose(&at, number));
        if !recent.push(position, at_ms, Arc::clone(&change)) {
            return;
        }
        live.trade_bytes += change.size();
        while live.trade_bytes > MOST_TRADE_BYTES || recent.len() > MOST_TRADES {
            let Some(oldest) = recent.forget_oldest() else { break };
            live.trade_bytes -= oldest.size();
        }
        for reader in readers.values() {
            if reader.subscriptions.iter().any(|one| one.wants_trade(partition, position, &change)) {
                reader.mailbox.change(Outgoing::Text(change.text()));
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A user's metrics changed.
    pub(crate) fn metrics(
        &self,
        partition: u32,
        position: u64,
        at_ms: u64,
        compose: impl FnOnce(String, u64) -> MetricsChange,
    ) {
        let mut inner = self.lock();
        let Inner { live: Some(live), readers, .. } = &mut *inner else { return };
        let at = token::at(b'm', with(&live.metrics, partition, position + 1));
        let number = live.arrival();
        let Some(recent) = live.metrics.get_mut(partition as usize) else { return };
        let change = Arc::new(compose(at, number));
        if recent.push(position, at_ms, Arc::clone(&change)) {
            recent.forget_spent(at_ms.saturating_sub(STATES_FOR_MS), u64::MAX);
            for reader in readers.values() {
                if reader.subscriptions.iter().any(|one| one.wants_metrics(&change)) {
                    reader.mailbox.state(Outgoing::Metrics(Arc::clone(&change)));
                }
            }
        }
    }

    /// A wallet changed.
    pub(crate) fn wallet(
        &self,
        partition: u32,
        position: u64,
        at_ms: u64,
        compose: impl FnOnce(String, u64) -> WalletChange,
    ) {
        let mut inner = self.lock();
        let Inner { live: Some(live), readers, .. } = &mut *inner else { return };
        let at = token::at(b'p', with(&live.wallets, partition, position + 1));
        let number = live.arrival();
        let Some(recent) = live.wallets.get_mut(partition as usize) else { return };
        let change = Arc::new(compose(at, number));
        if recent.push(position, at_ms, Arc::clone(&change)) {
            recent.forget_spent(at_ms.saturating_sub(STATES_FOR_MS), u64::MAX);
            for reader in readers.values() {
                if reader.subscriptions.iter().any(|one| one.wants_wallet(&change)) {
                    reader.mailbox.state(Outgoing::Wallet(Arc::clone(&change)));
                }
            }
        }
    }

    /// A chain moved.
    pub(crate) fn chain(&self, position: u64, progress: ChainProgressed) {
        let mut inner = self.lock();
        inner.watch.take_progress(&progress);
        let watched = inner.watched(&progress.chain);
        let Inner { live: Some(live), chains, readers, .. } = &mut *inner else { return };
        if position < live.progress {
            return;
        }
        live.progress = position + 1;
        let view = ChainView { watch: watched, ..progress.into() };
        let change = Arc::new(ChainChange::new(&view, &token::at(b'c', [live.progress].into_iter())));
        chains.insert(view.chain.clone(), view);
        for reader in readers.values() {
            if reader.subscriptions.iter().any(Subscription::wants_chains) {
                reader.mailbox.state(Outgoing::Chain(Arc::clone(&change)));
            }
        }
    }

    /// Every chain as it is now.
    pub(crate) fn chains(&self) -> Vec<ChainView> {
        let inner = self.lock();
        inner.chains.values().map(|view| ChainView { watch: inner.watched(&view.chain), ..view.clone() }).collect()
    }

    /// Notes how far metrics has come, and forgets what no snapshot can need any more.
    pub(crate) fn note_folded(&self, folded: Folded, before_ms: u64) {
        let mut inner = self.lock();
        let Inner { live: Some(live), folded: known, .. } = &mut *inner else { return };
        for (partition, recent) in (0_u32..).zip(&mut live.trades) {
            while let Some(spent) = recent.forget_spent(before_ms, folded.next(partition)) {
                live.trade_bytes -= spent.size();
            }
        }
        *known = folded;
    }

    /// How the stream is.
    pub(crate) fn pulse(&self) -> Pulse {
        let inner = self.lock();
        let behind = |live: &Live| -> u64 {
            let each = (0_u32..).zip(&live.trades);
            each.map(|(partition, recent)| recent.next().saturating_sub(inner.folded.next(partition))).sum()
        };
        Pulse {
            started: inner.live.is_some(),
            last_arrival_ms: inner.live.as_ref().map_or(0, |live| live.last_arrival_ms),
            last_record_ms: inner.live.as_ref().map_or(0, |live| live.last_record_ms),
            unfolded: inner.live.as_ref().map_or(0, behind),
            poison: self.poison.load(Ordering::Relaxed),
            readers: inner.readers.len(),
            delivered: self.delivered.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
        }
    }

    /// A new reader's number.
    pub(crate) fn attach(&self, mailbox: &Arc<Mailbox>) -> u64 {
        let mut inner = self.lock();
        inner.reader_number += 1;
        let number = inner.reader_number;
        inner.readers.insert(number, Listener { mailbox: Arc::clone(mailbox), subscriptions: vec![] });
        number
    }

    /// Forgets a reader.
    pub(crate) fn detach(&self, reader: u64) {
        self.lock().readers.remove(&reader);
    }

    /// Where metrics' messages are read to: taken before a snapshot, given back with it.
    pub(crate) fn before_metrics(&self) -> Result<Before, Refused> {
        self.lock().live.as_ref().map(|live| Before(nexts(&live.metrics))).ok_or(Refused::Starting)
    }

    /// Where portfolio's messages are read to: taken before a snapshot, given back with it.
    pub(crate) fn before_wallets(&self) -> Result<Before, Refused> {
        self.lock().live.as_ref().map(|live| Before(nexts(&live.wallets))).ok_or(Refused::Starting)
    }

    /// Enters a subscription to trades; `compose` makes its snapshot of the trades, newest first, and the place.
    pub(crate) fn subscribe_trades(
        &self,
        reader: u64,
        id: &str,
        (filter, limit): (Filter, usize),
        (folded, rows): (&Folded, Vec<TradeRow>),
        compose: impl FnOnce(&[&str], &str) -> Outgoing,
    ) -> Result<(), Refused> {
        let mut inner = self.lock();
        let Inner { live, readers, .. } = &mut *inner;
        let live = live.as_ref().ok_or(Refused::Starting)?;
        let (from, after) = live.trades_since(folded, &filter)?;
        let moves =
            after.iter().map(|change| Move { key: change.key.clone(), fate: change.fate, shown: change.payload() });
        let rows_shown = rows.iter().map(|row| (row.key.clone(), row.payload.as_str()));
        let shown: Vec<&str> = caught_up(rows_shown, moves, limit).into_iter().map(|(_, shown)| shown).collect();
        let snapshot = compose(&shown, &token::at(b't', from.iter().copied()));
        enter(readers, reader, Subscription { id: id.to_owned(), want: Want::Trades { filter, from } }, [snapshot], [])
    }

    /// Enters a subscription to a user's metrics; `compose` makes its snapshot.
    pub(crate) fn subscribe_metrics(
        &self,
        reader: u64,
        id: &str,
        who: Who,
        (before, state): (&Before, &UserState),
        compose: impl FnOnce(&str) -> Outgoing,
    ) -> Result<(), Refused> {
        let mut inner = self.lock();
        let Inner { live, readers, .. } = &mut *inner;
        let live = live.as_ref().ok_or(Refused::Starting)?;
        let want = Subscription { id: id.to_owned(), want: Want::Metrics { who, folded: state.folded.clone() } };
        let since = since(&live.metrics, before)?;
        let missed = since.into_iter().filter(|change| want.wants_metrics(change)).map(Outgoing::Metrics);
        let missed: Vec<Outgoing> = missed.collect();
        let snapshot = compose(&token::at(b'm', before.0.iter().copied()));
        enter(readers, reader, want, [snapshot], missed)
    }

    /// Enters a subscription to a user's balances; `compose` makes its snapshot.
    pub(crate) fn subscribe_wallets(
        &self,
        reader: u64,
        id: &str,
        who: Who,
        (before, state): (&Before, &WalletState),
        compose: impl FnOnce(&str) -> Outgoing,
    ) -> Result<(), Refused> {
        let mut inner = self.lock();
        let Inner { live, readers, .. } = &mut *inner;
        let live = live.as_ref().ok_or(Refused::Starting)?;
        let taken = state.wallets.iter().filter_map(|wallet| Some((wallet.chain.clone(), wallet.taken_at?))).collect();
        let want = Subscription { id: id.to_owned(), want: Want::Wallets { who, taken } };
        let since = since(&live.wallets, before)?;
        let missed: Vec<Outgoing> =
            since.into_iter().filter(|change| want.wants_wallet(change)).map(Outgoing::Wallet).collect();
        let snapshot = compose(&token::at(b'p', before.0.iter().copied()));
        enter(readers, reader, want, [snapshot], missed)
    }

    /// Enters a subscription to the chains; `compose` makes its snapshot.
    pub(crate) fn subscribe_chains(
        &self,
        reader: u64,
        id: &str,
        compose: impl FnOnce(Vec<&ChainView>, &str) -> Outgoing,
    ) -> Result<(), Refused> {
        let mut inner = self.lock();
        let Inner { live, readers, chains, .. } = &mut *inner;
        let live = live.as_ref().ok_or(Refused::Starting)?;
        let snapshot = compose(chains.values().collect(), &token::at(b'c', [live.progress].into_iter()));
        enter(readers, reader, Subscription { id: id.to_owned(), want: Want::Chains }, [snapshot], [])
    }

    /// Enters a subscription of one who was told everything below a place, on whatever instance: what came since follows,
    /// in the order in which it came. False when what is kept does not reach back so far.
    pub(crate) fn resume(&self, reader: u64, id: &str, want: &Wanted, place: &Place) -> Result<bool, Refused> {
        let mut inner = self.lock();
        let Inner { live, readers, .. } = &mut *inner;
        let live = live.as_ref().ok_or(Refused::Starting)?;
        let Some((want, missed)) = live.missed(want, place) else { return Ok(false) };
        if missed.len() > MOST_RESUMED {
            return Ok(false);
        }
        enter(readers, reader, Subscription { id: id.to_owned(), want }, [place.answer(id)], [])?;
        let Some(listener) = readers.get(&reader) else { return Err(Refused::Gone) };
        for (_, message) in missed {
            match message {
                Outgoing::Text(_) => listener.mailbox.change(message),
                state => listener.mailbox.state(state),
            }
        }
        Ok(true)
    }

    /// Ends a subscription; false when there is none of that name.
    pub(crate) fn unsubscribe(&self, reader: u64, id: &str) -> bool {
        let mut inner = self.lock();
        let Some(listener) = inner.readers.get_mut(&reader) else { return false };
        let before = listener.subscriptions.len();
        listener.subscriptions.retain(|one| one.id != id);
        listener.subscriptions.len() < before
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn enter(
    readers: &mut HashMap<u64, Listener>,
    reader: u64,
    subscription: Subscription,
    replies: impl IntoIterator<Item = Outgoing>,
    states: impl IntoIterator<Item = Outgoing>,
) -> Result<(), Refused> {
    let listener = readers.get_mut(&reader).ok_or(Refused::Gone)?;
    listener.subscriptions.retain(|one| one.id != subscription.id);
    if listener.subscriptions.len() >= Subscription::MOST {
        return Err(Refused::TooMany);
    }
    listener.subscriptions.push(subscription);
    replies.into_iter().for_each(|reply| listener.mailbox.reply(reply));
    states.into_iter().for_each(|state| listener.mailbox.state(state));
    Ok(())
}
