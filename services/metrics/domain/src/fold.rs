//! The fold: what a batch's moves change about users, positions and the effects of trades around them. Pure.
//!
//! User by user, and of each user book by book, so that neither is looked up for each trade that is folded. A trade
//! that stands after everything its user ever stored is folded onto the newest holding. A book in which a trade goes, or
//! comes below that, is folded anew from the checkpoint before it, once per batch; totals move by the difference of the
//! effects, so nothing is ever un-computed.

use crate::account::{Book, User};
use crate::books::{Change, Coming, Noted};
use crate::entry::{BookKey, Entry, TradeKey, UserKey};
use crate::holding::Method;
use crate::hours::{Hours, fee_moves};
use crate::ports::{Effects, Facts, Heads, Put};
use crate::tails::{Late, Tail};
use crate::wishes::{Move, Wish};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tape::Partition;

/// What was read, and where the reading of everything else of its number stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The partition that was read.
    pub partition: Partition,
    /// Where its reading stood; none if it had never been read.
    pub from: Option<u64>,
    /// Where it stands afterwards.
    pub next: u64,
    /// Where its companions stand, in the order of their logs.
    pub beside: Vec<(Partition, u64)>,
    /// Down to which block time trades are kept.
    pub cut_ms: u64,
    /// Events that came too late to be folded, per chain.
    pub late: Vec<(Arc<str>, u64)>,
    /// The trace of the newest record of the batch that it is of, where that names one.
    pub trace: Option<Arc<str>>,
}

/// The users and positions of one number as they stand, as far as they were needed.
#[derive(Debug, Default)]
pub struct Ledger {
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
    /// Nothing remembered yet, of books kept by a method.
    pub fn new(method: Method) -> Self {
        Self { method, ..Self::default() }
    }

    /// Forgets everything: it will be loaded anew as needed.
    pub fn forget(&mut self) {
        *self = Self::new(self.method);
    }

    /// How many users and positions are remembered.
    pub fn len(&self) -> usize {
        self.accounts.values().map(|account| 1 + account.books.len()).sum()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Which users and positions must be loaded before the wishes can be resolved and folded.
    pub fn missing(&self, wishes: &[Wish]) -> (Vec<UserKey>, Vec<BookKey>) {
        let (mut users, mut books) = (BTreeSet::new(), BTreeSet::new());
        for entry in wishes.iter().flat_map(Wish::entries) {
            let account = self.accounts.get(&entry.user);
            if account.is_none() {
                users.insert(&entry.user);
            }
            let known = |asset| account.is_some_and(|account| account.books.contains_key(asset));
            books.extend(books_of(entry).filter(|(_, asset)| !known(*asset)));
        }
        (users.into_iter().cloned().collect(), books.into_iter().map(book_key).collect())
    }

    /// Remembers what was loaded; what the store left out is new and empty.
    pub fn learn(&mut self, (users, books): (Vec<UserKey>, Vec<BookKey>), heads: Heads) {
        let users = users.into_iter().map(|user| (user, User::default()));
        for (key, user) in users.chain(heads.users) {
            self.accounts.entry(key).or_default().user = user;
        }
        let books = books.into_iter().map(|book| (book, Book::default()));
        for (BookKey { user, asset }, book) in books.chain(heads.books) {
            self.accounts.entry(user).or_default().books.insert(asset, book);
        }
    }

    /// Tells the trades that may be stored already: they do not stand above all that their user ever stored.
    pub fn doubt(&self, wishes: &mut [Wish]) -> Vec<TradeKey> {
        for wish in wishes.iter_mut() {
            let doubtful = wish.entries().any(|entry| self.may_know(entry));
            wish.doubtful = doubtful;
        }
        wishes.iter().filter(|wish| wish.doubtful).map(|wish| wish.key.clone()).collect()
    }

    /// The positions of trades that go, which no wish may have named: a replaced trade may have had other sides.
    pub fn missing_books(&self, moves: &[Move]) -> Vec<BookKey> {
        let books = moves.iter().filter_map(Move::removed).flat_map(|was| books_of(&was.entry));
        let known = |user, asset| self.accounts.get(user).is_some_and(|account| account.books.contains_key(asset));
        let missing: BTreeSet<_> = books.filter(|(user, asset)| !known(user, *asset)).collect();
        missing.into_iter().map(book_key).collect()
    }

    /// The books to fold anew, each from the first trade that goes, or comes below what is stored.
    pub fn late(&self, moves: &[Move]) -> Vec<Late> {
        let mut firsts: BTreeMap<(&UserKey, &Arc<str>), &Entry> = BTreeMap::new();
        let gone = moves.iter().filter_map(Move::removed).map(|was| &was.entry);
        let doubtful = moves.iter().filter(|step| step.doubtful);
        let below = doubtful.filter_map(Move::added).filter(|entry| self.may_know(entry));
        for entry in gone.chain(below) {
            for book in books_of(entry) {
                let first = firsts.entry(book).or_insert(entry);
                if entry.order < first.order {
                    *first = entry;
                }
            }
        }
        let late = |((user, asset), first): ((&UserKey, &Arc<str>), &Entry)| Late {
            book: book_key((user, asset)),
            first: first.order.clone(),
            time_ms: first.time_ms,
            trades: self.accounts.get(user).and_then(|account| account.books.get(asset)).map_or(0, |book| book.trades),
        };
        firsts.into_iter().map(late).collect()
    }

    /// Folds the moves in; `tails` are those of [`Ledger::late`].
    pub fn fold(&mut self, read: Read, moves: Vec<Move>, tails: Vec<(BookKey, Tail)>) -> Facts {
        let Read { partition, from, next, beside, cut_ms, late, trace } = read;
        let mut facts = Facts {
            partition,
            from,
            next,
            beside,
            cut_ms,
            late,
            trace,
            puts: vec![],
            changed: vec![],
            users: vec![],
            books: vec![],
            hours: vec![],
            fees: vec![],
        };
        let mut effects = vec![Effects::default(); moves.len()];
        let mut tails: HashMap<BookKey, Tail> = tails.into_iter().collect();
        for (key, mine) in by_user(&moves) {
            let Account { user, books } = self.accounts.entry(key.clone()).or_default();
            let mut hours = Hours::of(key, &mine);
            let mut noted = Noted { effects: &mut effects, changed: &mut facts.changed, hours: &mut hours };
            for (asset, change) in changes(&mine) {
                let key = BookKey { user: key.clone(), asset: Arc::clone(asset) };
                let book = books.entry(Arc::clone(asset)).or_default();
                let difference = change.fold(self.method, (asset, book), tails.remove(&key), &mut noted);
                user.totals.realized.add(&difference);
                facts.books.push((key, book.clone()));
            }
            count(user, &mine);
            facts.users.push((key.clone(), user.clone()));
            facts.hours.extend(hours.moved());
            facts.fees.extend(fee_moves(key, &mine));
        }
        facts.puts = moves.into_iter().zip(effects).map(|(step, effects)| put(step, effects)).collect();
        facts
    }

    fn may_know(&self, entry: &Entry) -> bool {
        self.accounts.get(&entry.user).is_none_or(|account| account.user.may_know(entry.order.place))
    }
}

/// Counts moves in the totals of their user.
fn count(user: &mut User, moves: &[(usize, &Move)]) {
    for (_, step) in moves {
        if let Some(was) = step.removed() {
            user.totals.uncount(&was.entry);
        }
        if let Some(entry) = step.added() {
            user.totals.count(entry);
        }
        step.brief().iter().chain([&step.entry]).for_each(|entry| user.see(entry.order.place));
    }
}

/// The moves of each user, in order, with their numbers.
fn by_user(moves: &[Move]) -> Vec<(&UserKey, Vec<(usize, &Move)>)> {
    let mut users: HashMap<&UserKey, Vec<(usize, &Move)>> = HashMap::new();
    for (at, step) in moves.iter().enumerate() {
        users.entry(&step.entry.user).or_default().push((at, step));
    }
    let mut users: Vec<_> = users.into_iter().collect();
    users.sort_unstable_by_key(|(user, _)| *user);
    users
}

/// What comes into each book of one user, and what leaves it.
fn changes<'a>(moves: &[(usize, &'a Move)]) -> BTreeMap<&'a Arc<str>, Change<'a>> {
    let mut books: BTreeMap<&Arc<str>, Change<'_>> = BTreeMap::new();
    for (at, step) in moves {
        if let Some(was) = step.removed() {
            was.entry.sides().for_each(|(_, lot)| books.entry(&lot.asset).or_default().goes(&was.entry));
        }
        for entry in step.brief() {
            entry.sides().for_each(|(_, lot)| books.entry(&lot.asset).or_default().passes(lot, entry));
        }
        if let Some(entry) = step.added() {
            let coming = |side| Coming { at: *at, entry, side };
            entry.sides().for_each(|(side, lot)| books.entry(&lot.asset).or_default().comes(coming(side)));
        }
    }
    books
}

/// The books that a trade moves.
fn books_of(entry: &Entry) -> impl Iterator<Item = (&UserKey, &Arc<str>)> {
    entry.sides().map(|(_, lot)| (&entry.user, &lot.asset))
}

fn book_key((user, asset): (&UserKey, &Arc<str>)) -> BookKey {
    BookKey { user: user.clone(), asset: Arc::clone(asset) }
}

/// The row a move leaves.
fn put(step: Move, effects: Effects) -> Put {
    let Move { said, entry, live, known, .. } = step;
    Put { said, entry, live, known, effects }
}
