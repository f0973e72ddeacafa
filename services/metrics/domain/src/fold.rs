//! The fold: what a batch changes about users, positions and the effects of the trades around it. Pure.
//!
//! It goes user by user, so that users are not looked up for each trade. A trade above everything that its user ever
//! stored is folded onto the newest holding. A book from which a trade is removed, or to which one is added below that,
//! is folded again from the checkpoint before it, once per batch, and with it every book that takes a basis over from it.
//! Totals change by the difference of the effects, so no calculation is ever reversed.

use crate::account::{Book, User};
use crate::books::{FoldOutput, UserFold};
use crate::changes::{RequestedChange, ResolvedChange};
use crate::entry::{BookKey, Entry, TradeKey, TradeOrder, UserKey};
use crate::hours::{Hours, fee_deltas};
use crate::ports::{Accounts, BookFacts, Effects, TradeRow};
use crate::rules::BookRules;
use crate::tails::{BookToRefold, FirstRefolded, Tail};
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
    rules: BookRules,
    accounts: HashMap<UserKey, Account>,
}

/// One user, with those of its positions that were needed, by asset.
#[derive(Debug, Default)]
struct Account {
    user: User,
    books: BTreeMap<Arc<str>, Book>,
}

impl Ledger {
    /// An empty ledger for books with these rules.
    pub(crate) fn new(rules: BookRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Applies the rules of the books to a trade that was decoded without them.
    pub(crate) fn apply_rules(&self, entry: &mut Entry) {
        self.rules.apply(entry);
    }

    /// Forgets everything; it is loaded again as needed.
    pub(crate) fn forget(&mut self) {
        self.accounts.clear();
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

    /// The first trades from which books must be folded again: those that are removed, and those that are added below
    /// what is stored.
    pub(crate) fn first_refolded(&self, changes: &[ResolvedChange]) -> FirstRefolded {
        let removed = changes.iter().filter_map(ResolvedChange::removed).map(|previous| &previous.entry);
        let possibly_stored = changes.iter().filter(|change| change.possibly_stored);
        let below = possibly_stored.filter_map(ResolvedChange::added).filter(|entry| self.may_be_stored(entry));
        let mut firsts = FirstRefolded::default();
        for entry in removed.chain(below) {
            entry.sides().for_each(|(_, lot)| firsts.note(entry, &lot.asset));
        }
        firsts
    }

    /// Which of these books must be loaded before their tails can be.
    pub(crate) fn unknown_books(&self, books: &[(BookKey, (TradeOrder, u64))]) -> Vec<BookKey> {
        let known = |key: &BookKey| self.accounts.get(&key.user).is_some_and(|one| one.books.contains_key(&key.asset));
        books.iter().map(|(key, _)| key).filter(|key| !known(key)).cloned().collect()
    }

    /// What a store is asked for the tails of these books.
    pub(crate) fn books_to_refold(&self, books: Vec<(BookKey, (TradeOrder, u64))>) -> Vec<BookToRefold> {
        let to_refold = |(book, (first, time_ms)): (BookKey, (TradeOrder, u64))| {
            let account = self.accounts.get(&book.user);
            let trades = account.and_then(|account| account.books.get(&book.asset)).map_or(0, |book| book.trades);
            BookToRefold { book, first, time_ms, trades }
        };
        books.into_iter().map(to_refold).collect()
    }

    /// Folds the changes; `tails` are those of the books that are folded again.
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
        let mut tails = tails_by_user(tails);
        for (key, mine) in by_user(&changes) {
            let Account { user, books } = self.accounts.entry(key.clone()).or_default();
            let mut hours = Hours::from_changes(key, &mine);
            let tails = tails.remove(key).unwrap_or_default();
            let mut fold = UserFold::begin(self.rules.method, books, &mine, &tails, &mut hours);
            let mut output =
                FoldOutput { effects: &mut effects, changed: &mut facts.changed_effects, hours: &mut hours };
            user.totals.realized.add(&fold.fold(&mut output));
            fold.finish(key, books, &mut facts.books);
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

/// The tails of each user, by asset.
fn tails_by_user(tails: Vec<(BookKey, Tail)>) -> HashMap<UserKey, Vec<(Arc<str>, Tail)>> {
    let mut users: HashMap<UserKey, Vec<(Arc<str>, Tail)>> = HashMap::new();
    for (BookKey { user, asset }, tail) in tails {
        users.entry(user).or_default().push((asset, tail));
    }
    users
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
