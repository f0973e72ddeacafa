//! The fold: what a batch changes about users, positions and the effects of the trades around it. Pure.
//!
//! It goes user by user, and for each user book by book, so that neither is looked up for each trade. A trade above
//! everything that its user ever stored is folded onto the newest holding. A book from which a trade is removed, or to
//! which one is added below that, is folded again from the checkpoint before it, once per batch. Totals change by the
//! difference of the effects, so no calculation is ever reversed.

use crate::account::{Book, User};
use crate::books::{AddedTrade, BookChange, FoldOutput};
use crate::changes::{RequestedChange, ResolvedChange};
use crate::entry::{BookKey, Entry, TradeKey, UserKey};
use crate::holding::Method;
use crate::hours::{Hours, fee_deltas};
use crate::ports::{Accounts, BookFacts, Effects, TradeRow};
use crate::tails::{BookToRefold, Tail};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tape::Partition;

/// Where a batch was read, and the read positions that its fold is based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchOrigin {
    /// The partition that the batch was read from.
    pub(crate) partition: Partition,
    /// Its read position before the batch; none if it had never been read.
    pub(crate) from: Option<u64>,
    /// Its read position afterwards.
    pub(crate) next: u64,
    /// The read positions of the partitions of other topics with the same index, in the order of their topics.
    pub(crate) companions: Vec<(Partition, u64)>,
    /// Trades of an earlier block time were dropped.
    pub(crate) cut_ms: u64,
    /// How many events arrived too late to be folded, per chain.
    pub(crate) late_events: Vec<(Arc<str>, u64)>,
    /// The trace of the newest record of the batch, where that names one.
    pub(crate) trace: Option<Arc<str>>,
}

/// The users and positions of one partition index as last committed, as far as they were needed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    method: Method,
    accounts: HashMap<UserKey, Account>,
}

/// One user, with those of its positions that were needed, by asset.
#[derive(Debug, Default)]
struct Account {
    user: User,
    books: BTreeMap<Arc<str>, Book>,
}

impl Ledger {
    /// An empty ledger for books with this cost method.
    pub(crate) fn new(method: Method) -> Self {
        Self { method, ..Self::default() }
    }

    /// Forgets everything; it is loaded again as needed.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.method);
    }

    /// How many users and positions are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.accounts.values().map(|account| 1 + account.books.len()).sum()
    }

    /// Which users and positions must be loaded before the requested changes can be resolved and folded.
    pub(crate) fn missing(&self, requested: &[RequestedChange]) -> (Vec<UserKey>, Vec<BookKey>) {
        let (mut users, mut books) = (BTreeSet::new(), BTreeSet::new());
        for entry in requested.iter().flat_map(RequestedChange::entries) {
            let account = self.accounts.get(&entry.user);
            if account.is_none() {
                users.insert(&entry.user);
            }
            let known = |asset| account.is_some_and(|account| account.books.contains_key(asset));
            books.extend(books_of(entry).filter(|(_, asset)| !known(*asset)));
        }
        (users.into_iter().cloned().collect(), books.into_iter().map(book_key).collect())
    }

    /// Remembers what was loaded; whatever the store did not return is new and empty.
    pub(crate) fn remember(&mut self, (users, books): (Vec<UserKey>, Vec<BookKey>), accounts: Accounts) {
        let users = users.into_iter().map(|user| (user, User::default()));
        for (key, user) in users.chain(accounts.users) {
            self.accounts.entry(key).or_default().user = user;
        }
        let books = books.into_iter().map(|book| (book, Book::default()));
        for (BookKey { user, asset }, book) in books.chain(accounts.books) {
            self.accounts.entry(user).or_default().books.insert(asset, book);
        }
    }

    /// Marks and returns the trades that may be stored already: those that are not above everything their user ever
    /// stored.
    pub(crate) fn mark_possibly_stored(&self, requested: &mut [RequestedChange]) -> Vec<TradeKey> {
        for change in requested.iter_mut() {
            let possibly_stored = change.entries().any(|entry| self.may_be_stored(entry));
            change.possibly_stored = possibly_stored;
        }
        requested.iter().filter(|change| change.possibly_stored).map(|change| change.key.clone()).collect()
    }

    /// The positions of removed trades that still must be loaded: a replaced trade may have had other assets than the
    /// new one.
    pub(crate) fn missing_books(&self, changes: &[ResolvedChange]) -> Vec<BookKey> {
        let books = changes.iter().filter_map(ResolvedChange::removed).flat_map(|previous| books_of(&previous.entry));
        let known = |user, asset| self.accounts.get(user).is_some_and(|account| account.books.contains_key(asset));
        let missing: BTreeSet<_> = books.filter(|(user, asset)| !known(user, *asset)).collect();
        missing.into_iter().map(book_key).collect()
    }

    /// The books to fold again, each from the first trade that is removed, or added below what is stored.
    pub(crate) fn books_to_refold(&self, changes: &[ResolvedChange]) -> Vec<BookToRefold> {
        let mut firsts: BTreeMap<(&UserKey, &Arc<str>), &Entry> = BTreeMap::new();
        let removed = changes.iter().filter_map(ResolvedChange::removed).map(|previous| &previous.entry);
        let possibly_stored = changes.iter().filter(|change| change.possibly_stored);
        let below = possibly_stored.filter_map(ResolvedChange::added).filter(|entry| self.may_be_stored(entry));
        for entry in removed.chain(below) {
            for book in books_of(entry) {
                let first = firsts.entry(book).or_insert(entry);
                if entry.order < first.order {
                    *first = entry;
                }
            }
        }
        let to_refold = |((user, asset), first): ((&UserKey, &Arc<str>), &Entry)| BookToRefold {
            book: book_key((user, asset)),
            first: first.order.clone(),
            time_ms: first.time_ms,
            trades: self.accounts.get(user).and_then(|account| account.books.get(asset)).map_or(0, |book| book.trades),
        };
        firsts.into_iter().map(to_refold).collect()
    }

    /// Folds the changes; `tails` are those of the books from [`Ledger::books_to_refold`].
    pub(crate) fn fold(
        &mut self,
        origin: BatchOrigin,
        changes: Vec<ResolvedChange>,
        tails: Vec<(BookKey, Tail)>,
    ) -> BookFacts {
        let BatchOrigin { partition, from, next, companions, cut_ms, late_events, trace } = origin;
        let mut facts = BookFacts {
            partition,
            from,
            next,
            companions,
            cut_ms,
            late_events,
            trace,
            trade_rows: vec![],
            changed_effects: vec![],
            users: vec![],
            books: vec![],
            hours: vec![],
            fees: vec![],
        };
        let mut effects = vec![Effects::default(); changes.len()];
        let mut tails: HashMap<BookKey, Tail> = tails.into_iter().collect();
        for (key, mine) in by_user(&changes) {
            let Account { user, books } = self.accounts.entry(key.clone()).or_default();
            let mut hours = Hours::from_changes(key, &mine);
            let mut output =
                FoldOutput { effects: &mut effects, changed: &mut facts.changed_effects, hours: &mut hours };
            for (asset, change) in book_changes(&mine) {
                let key = BookKey { user: key.clone(), asset: Arc::clone(asset) };
                let book = books.entry(Arc::clone(asset)).or_default();
                let difference = change.fold(self.method, (asset, book), tails.remove(&key), &mut output);
                user.totals.realized.add(&difference);
                facts.books.push((key, book.clone()));
            }
            update_totals(user, &mine);
            facts.users.push((key.clone(), user.clone()));
            facts.hours.extend(hours.into_deltas());
            facts.fees.extend(fee_deltas(key, &mine));
        }
        facts.trade_rows =
            changes.into_iter().zip(effects).map(|(change, effects)| trade_row(change, effects)).collect();
        facts
    }

    fn may_be_stored(&self, entry: &Entry) -> bool {
        self.accounts.get(&entry.user).is_none_or(|account| account.user.may_be_stored(entry.order.place))
    }
}

/// Updates the totals of a user.
fn update_totals(user: &mut User, changes: &[(usize, &ResolvedChange)]) {
    for (_, change) in changes {
        if let Some(previous) = change.removed() {
            user.totals.remove_trade(&previous.entry);
        }
        if let Some(entry) = change.added() {
            user.totals.add_trade(entry);
        }
        change.transient().iter().chain([&change.entry]).for_each(|entry| user.mark_seen(entry.order.place));
    }
}

/// The changes of each user, in order, with their indexes.
fn by_user(changes: &[ResolvedChange]) -> Vec<(&UserKey, Vec<(usize, &ResolvedChange)>)> {
    let mut users: HashMap<&UserKey, Vec<(usize, &ResolvedChange)>> = HashMap::new();
    for (at, change) in changes.iter().enumerate() {
        users.entry(&change.entry.user).or_default().push((at, change));
    }
    let mut users: Vec<_> = users.into_iter().collect();
    users.sort_unstable_by_key(|(user, _)| *user);
    users
}

/// The changes of each book of one user.
fn book_changes<'a>(changes: &[(usize, &'a ResolvedChange)]) -> BTreeMap<&'a Arc<str>, BookChange<'a>> {
    let mut books: BTreeMap<&Arc<str>, BookChange<'_>> = BTreeMap::new();
    for (at, change) in changes {
        if let Some(previous) = change.removed() {
            previous.entry.sides().for_each(|(_, lot)| books.entry(&lot.asset).or_default().remove(&previous.entry));
        }
        for entry in change.transient() {
            entry.sides().for_each(|(_, lot)| books.entry(&lot.asset).or_default().add_transient(lot, entry));
        }
        if let Some(entry) = change.added() {
            let added = |side| AddedTrade { at: *at, entry, side };
            entry.sides().for_each(|(side, lot)| books.entry(&lot.asset).or_default().add(added(side)));
        }
    }
    books
}

/// The books that a trade belongs to.
fn books_of(entry: &Entry) -> impl Iterator<Item = (&UserKey, &Arc<str>)> {
    entry.sides().map(|(_, lot)| (&entry.user, &lot.asset))
}

fn book_key((user, asset): (&UserKey, &Arc<str>)) -> BookKey {
    BookKey { user: user.clone(), asset: Arc::clone(asset) }
}

/// The row that a change leaves.
fn trade_row(change: ResolvedChange, effects: Effects) -> TradeRow {
    let ResolvedChange { details, entry, live, has_row, .. } = change;
    TradeRow { details, entry, live, has_row, effects }
}
