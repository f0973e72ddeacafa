//! The fold: what a batch's moves change about users, positions and the effects of trades around them. Pure.
//!
//! A trade that stands after everything its user ever stored is folded onto the newest holding. A book in which a trade
//! goes, or comes below that, is folded anew from the checkpoint before it, once per batch; totals move by the
//! difference of the effects, so nothing is ever un-computed.

use crate::account::{Book, User};
use crate::entry::{BookKey, Entry, Lot, Order, TradeKey, UserKey};
use crate::holding::{Holding, Method, Realized, Sale};
use crate::hours::{Hours, fee_moves};
use crate::ports::{Changed, Effect, Effects, Facts, Heads, Put, Tail};
use crate::wishes::{Move, Wish};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tape::Share;

/// A side of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SideOf {
    /// What was given.
    Sold,
    /// What was got.
    Bought,
}

/// What was read, and where the reading of everything else of its number stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The share that was read.
    pub share: Share,
    /// Where its reading stood; none if it had never been read.
    pub from: Option<u64>,
    /// Where it stands afterwards.
    pub next: u64,
    /// Where its companions stand, in the order of their logs.
    pub beside: Vec<(Share, u64)>,
    /// Down to which block time trades are kept.
    pub cut_ms: u64,
    /// Events that came too late to be folded, per chain.
    pub late: Vec<(Arc<str>, u64)>,
}

/// The users and positions of one number as they stand, as far as they were needed.
#[derive(Debug, Default)]
pub struct Ledger {
    method: Method,
    users: HashMap<UserKey, User>,
    books: HashMap<BookKey, Book>,
}

impl SideOf {
    /// Both sides: what goes before what comes.
    pub const BOTH: [Self; 2] = [Self::Sold, Self::Bought];

    /// That side of a trade.
    pub fn lot(self, entry: &Entry) -> &Lot {
        match self {
            Self::Sold => &entry.sold,
            Self::Bought => &entry.bought,
        }
    }

    /// The effect on that side.
    pub fn effect(self, effects: &Effects) -> Option<&Effect> {
        match self {
            Self::Sold => effects.sold.as_ref(),
            Self::Bought => effects.bought.as_ref(),
        }
    }

    /// Notes the effect of a move on that side.
    fn note(self, all: &mut [Effects], at: usize, effect: Effect) {
        if let Some(effects) = all.get_mut(at) {
            match self {
                Self::Sold => effects.sold = Some(effect),
                Self::Bought => effects.bought = Some(effect),
            }
        }
    }
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
        self.users.len() + self.books.len()
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which users and positions must be loaded before the wishes can be resolved and folded.
    pub fn missing(&self, wishes: &[Wish]) -> (Vec<UserKey>, Vec<BookKey>) {
        let entries = || wishes.iter().flat_map(Wish::entries);
        let users = entries().map(|entry| &entry.user).filter(|user| !self.users.contains_key(*user));
        let books = entries().flat_map(books_of).map(|(_, book)| book).filter(|book| !self.books.contains_key(book));
        let (users, books): (BTreeSet<_>, BTreeSet<_>) = (users.cloned().collect(), books.collect());
        (users.into_iter().collect(), books.into_iter().collect())
    }

    /// Remembers what was loaded; what the store left out is new and empty.
    pub fn learn(&mut self, (users, books): (Vec<UserKey>, Vec<BookKey>), heads: Heads) {
        self.users.extend(users.into_iter().map(|user| (user, User::default())));
        self.books.extend(books.into_iter().map(|book| (book, Book::default())));
        self.users.extend(heads.users);
        self.books.extend(heads.books);
    }

    /// The trades that may be stored already: they do not stand above all that their user ever stored.
    pub fn doubtful(&self, wishes: &[Wish]) -> Vec<TradeKey> {
        let doubtful = |wish: &&Wish| wish.entries().any(|entry| self.may_know(entry));
        wishes.iter().filter(doubtful).map(|wish| wish.key.clone()).collect()
    }

    /// The positions of trades that go, which no wish may have named: a replaced trade may have had other sides.
    pub fn missing_books(&self, moves: &[Move]) -> Vec<BookKey> {
        let gone = moves.iter().filter_map(Move::removed);
        let books: BTreeSet<_> = gone.flat_map(|was| books_of(&was.entry).map(|(_, book)| book)).collect();
        books.into_iter().filter(|book| !self.books.contains_key(book)).collect()
    }

    /// The books to fold anew, each from the first trade that goes, or comes below what is stored.
    pub fn late(&self, moves: &[Move]) -> Vec<(BookKey, Order)> {
        let mut late: BTreeMap<BookKey, Order> = BTreeMap::new();
        let gone = moves.iter().filter_map(Move::removed).map(|was| &was.entry);
        let below = moves.iter().filter_map(Move::added).filter(|entry| self.may_know(entry));
        for entry in gone.chain(below) {
            for (_, book) in books_of(entry) {
                let first = late.entry(book).or_insert_with(|| entry.order.clone());
                if entry.order < *first {
                    *first = entry.order.clone();
                }
            }
        }
        late.into_iter().collect()
    }

    /// Folds the moves in; `tails` are those of [`Ledger::late`].
    pub fn fold(&mut self, read: Read, moves: Vec<Move>, tails: Vec<(BookKey, Tail)>) -> Facts {
        let Read { share, from, next, beside, cut_ms, late } = read;
        let mut facts = Facts {
            share,
            from,
            next,
            beside,
            cut_ms,
            late,
            puts: vec![],
            changed: vec![],
            users: vec![],
            books: vec![],
            hours: vec![],
            fees: vec![],
        };
        let mut effects = vec![Effects::default(); moves.len()];
        let mut hours = Hours::of(&moves);
        let mut tails: HashMap<BookKey, Tail> = tails.into_iter().collect();
        let (leaving, none) = (leaving(&moves), BTreeSet::new());
        for (key, coming) in by_book(&moves) {
            let going = leaving.get(&key).unwrap_or(&none);
            let difference = match tails.remove(&key) {
                Some(tail) => self.refold(&key, tail, (going, &coming), (&mut effects, &mut facts.changed), &mut hours),
                None => self.append(&key, coming, &mut effects, &mut hours),
            };
            self.users.entry(key.user.clone()).or_default().totals.realized.add(&difference);
            facts.books.push((key, Book::default()));
        }
        self.decorate(&moves);
        for (key, book) in &mut facts.books {
            book.clone_from(self.books.entry(key.clone()).or_default());
        }
        facts.hours = hours.moved();
        facts.fees = fee_moves(&moves);
        facts.users = self.count(&moves);
        facts.puts = moves.into_iter().zip(effects).map(|(step, effects)| put(step, effects)).collect();
        facts
    }

    fn may_know(&self, entry: &Entry) -> bool {
        self.users.get(&entry.user).is_none_or(|user| user.may_know(entry.order.place))
    }

    /// Folds new trades onto the newest holding; says what they realize.
    fn append(
        &mut self,
        key: &BookKey,
        coming: Vec<Coming<'_>>,
        effects: &mut [Effects],
        hours: &mut Hours,
    ) -> Realized {
        let method = self.method;
        let book = self.books.entry(key.clone()).or_default();
        let mut realized = Realized::default();
        for Coming { at, entry, side } in coming {
            let effect = step(method, &mut book.holding, side, entry);
            if side == SideOf::Sold {
                realized.add(&effect.realized);
                hours.at(entry).realized.add(&effect.realized);
            }
            book.trades += 1;
            side.note(effects, at, effect);
        }
        book.realized.add(&realized);
        realized
    }

    /// Folds a book anew from a checkpoint; says by how much more it realizes now.
    fn refold(
        &mut self,
        key: &BookKey,
        tail: Tail,
        (going, coming): (&BTreeSet<Arc<str>>, &[Coming<'_>]),
        (effects, changed): (&mut [Effects], &mut Vec<Changed>),
        hours: &mut Hours,
    ) -> Realized {
        let method = self.method;
        let book = self.books.entry(key.clone()).or_default();
        let mut difference = Realized::default();
        let mut holding = tail.checkpoint;
        let mut line: Vec<(&Entry, SideOf, Before<'_>)> = vec![];
        for stored in &tail.trades {
            let Some(side) = side_in(&stored.entry, key) else { continue };
            let was = side.effect(&stored.effects);
            if let Some(was) = was {
                difference.sub(&was.realized);
                hours.at(&stored.entry).realized.sub(&was.realized);
            }
            if !going.contains(&stored.entry.order.id) {
                line.push((&stored.entry, side, Before::Stored(was)));
            }
        }
        book.trades = book.trades.saturating_sub(going.len() as u64) + coming.len() as u64;
        line.extend(coming.iter().map(|coming| (coming.entry, coming.side, Before::Coming(coming.at))));
        line.sort_by(|a, b| a.0.order.cmp(&b.0.order));
        for (entry, side, before) in line {
            let effect = step(method, &mut holding, side, entry);
            difference.add(&effect.realized);
            hours.at(entry).realized.add(&effect.realized);
            match before {
                Before::Coming(at) => side.note(effects, at, effect),
                Before::Stored(was) if was != Some(&effect) => changed.push(Changed { key: entry.key(), side, effect }),
                Before::Stored(_) => {}
            }
        }
        book.holding = holding;
        book.realized.add(&difference);
        difference
    }

    /// Takes the decoration of everything that was present at some moment.
    fn decorate(&mut self, moves: &[Move]) {
        for entry in moves.iter().flat_map(Move::seen) {
            for (side, key) in books_of(entry) {
                self.books.entry(key).or_default().decorate(side.lot(entry), entry.order.place);
            }
        }
    }

    /// Counts the moves in the totals of their users; returns the users touched.
    fn count(&mut self, moves: &[Move]) -> Vec<(UserKey, User)> {
        let mut touched = BTreeSet::new();
        for step in moves {
            let key = &step.entry.user;
            let user = self.users.entry(key.clone()).or_default();
            if let Some(was) = step.removed() {
                user.totals.uncount(&was.entry);
            }
            if let Some(entry) = step.added() {
                user.totals.count(entry);
            }
            step.seen().chain([&step.entry]).for_each(|entry| user.see(entry.order.place));
            touched.insert(key.clone());
        }
        let now = |key: UserKey| {
            let user = self.users.get(&key).cloned().unwrap_or_default();
            (key, user)
        };
        touched.into_iter().map(now).collect()
    }
}

/// A trade that comes into a book, by one of its sides, and the number of the move that brings it.
struct Coming<'a> {
    at: usize,
    entry: &'a Entry,
    side: SideOf,
}

/// What a trade of a book that is folded anew was before.
enum Before<'a> {
    /// Stored, with this effect.
    Stored(Option<&'a Effect>),
    /// Not there: it comes by this move.
    Coming(usize),
}

/// What one trade does to a holding.
fn step(method: Method, holding: &mut Holding, side: SideOf, entry: &Entry) -> Effect {
    let (raw, worth) = (&side.lot(entry).raw, entry.notional.as_ref());
    let sale = match side {
        SideOf::Sold => holding.sell(method, raw, worth),
        SideOf::Bought => {
            holding.buy(method, &entry.order.id, raw, worth);
            Sale::default()
        }
    };
    let checkpoint = is_checkpoint(holding.parcels.len(), &entry.order.id);
    let after = if checkpoint { holding.clone() } else { holding.without_parcels() };
    Effect { realized: sale.realized, taken: sale.taken, after, checkpoint }
}

/// Parcels kept with every trade; more are kept with one trade in so many as this fits into them, so that what is kept
/// grows with the trades and not with their square.
const FEW_PARCELS: usize = 8;

/// Whether the parcels that a trade left are kept with it: decided by the trade alone, so alike in every fold.
fn is_checkpoint(parcels: usize, id: &str) -> bool {
    let draw =
        || id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    parcels <= FEW_PARCELS || (draw() >> 16) % (parcels as u64) < FEW_PARCELS as u64
}

/// The books that a trade moves.
fn books_of(entry: &Entry) -> impl Iterator<Item = (SideOf, BookKey)> {
    SideOf::BOTH.into_iter().filter_map(|side| Some((side, entry.book(side.lot(entry))?)))
}

/// By which side a trade moves a book.
fn side_in(entry: &Entry, key: &BookKey) -> Option<SideOf> {
    SideOf::BOTH.into_iter().find(|side| entry.book(side.lot(entry)).is_some_and(|book| book == *key))
}

/// What comes into each book touched, in chain order; a book that only loses trades has nothing coming.
fn by_book(moves: &[Move]) -> BTreeMap<BookKey, Vec<Coming<'_>>> {
    let mut books: BTreeMap<BookKey, Vec<Coming<'_>>> = BTreeMap::new();
    for (at, step) in moves.iter().enumerate() {
        // What only goes, or came and went, leaves nothing coming; its books are written all the same.
        for entry in step.removed().map(|was| &was.entry).into_iter().chain(step.seen()) {
            for (_, book) in books_of(entry) {
                books.entry(book).or_default();
            }
        }
        if let Some(entry) = step.added() {
            books_of(entry).for_each(|(side, book)| books.entry(book).or_default().push(Coming { at, entry, side }));
        }
    }
    for coming in books.values_mut() {
        coming.sort_by(|a, b| a.entry.order.cmp(&b.entry.order));
    }
    books
}

/// The ids of the trades that leave each book.
fn leaving(moves: &[Move]) -> HashMap<BookKey, BTreeSet<Arc<str>>> {
    let mut leaving: HashMap<BookKey, BTreeSet<Arc<str>>> = HashMap::new();
    for was in moves.iter().filter_map(Move::removed) {
        for (_, book) in books_of(&was.entry) {
            leaving.entry(book).or_default().insert(Arc::clone(&was.entry.order.id));
        }
    }
    leaving
}

/// The row a move leaves.
fn put(step: Move, effects: Effects) -> Put {
    let Move { said, entry, live, known, .. } = step;
    Put { said, entry, live, known, effects }
}
