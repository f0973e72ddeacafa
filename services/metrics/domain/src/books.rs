//! Applies a batch to the books of one user, trade by trade in chain order, because a swap without a worth hands the basis
//! of one book on to another. New trades are folded onto the newest holding; where a stored trade is removed, or one is
//! added below stored ones, the book is folded again from a checkpoint. Pure.

use crate::account::Book;
use crate::changes::ResolvedChange;
use crate::entry::{BookKey, Entry, TradeSide, UserKey};
use crate::holding::{Holding, KnownPart, Method, Realized, Sale};
use crate::hours::Hours;
use crate::ports::{ChangedEffect, Effect, Effects, StoredTrade};
use crate::tails::Tail;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Where a fold writes its results, apart from the books themselves.
pub(crate) struct FoldOutput<'a, 'b> {
    /// The effects of the resolved changes, by index.
    pub(crate) effects: &'a mut [Effects],
    /// Stored trades whose effect has changed.
    pub(crate) changed: &'a mut Vec<ChangedEffect>,
    /// The hours of the user.
    pub(crate) hours: &'a mut Hours<'b>,
}

/// The books of one user that a batch changes, and the trades to fold onto them.
pub(crate) struct UserFold<'a> {
    method: Method,
    /// By asset, the index in `books`.
    indexes: BTreeMap<&'a Arc<str>, usize>,
    books: Vec<FoldedBook>,
    trades: Vec<FoldedTrade<'a>>,
    /// By how much the realized figures of the user change.
    difference: Realized,
}

/// A book, and by how much its realized figures change.
#[derive(Default)]
struct FoldedBook {
    book: Book,
    difference: Realized,
}

/// A trade to fold, and the books that it is folded onto; none where a side is cash, or keeps its stored effect.
struct FoldedTrade<'a> {
    entry: &'a Entry,
    origin: Origin<'a>,
    sold: Option<usize>,
    bought: Option<usize>,
}

/// Where a trade that is folded comes from.
#[derive(Clone, Copy)]
enum Origin<'a> {
    /// It is stored, with these effects.
    Stored(&'a Effects),
    /// The resolved change with this index adds it.
    Added(usize),
}

impl<'a> UserFold<'a> {
    /// Takes the books that the changes touch from `books`; those to be folded again begin at the checkpoints of `tails`.
    pub(crate) fn begin(
        method: Method,
        books: &mut BTreeMap<Arc<str>, Book>,
        changes: &[(usize, &'a ResolvedChange)],
        tails: &'a [(Arc<str>, Tail)],
        hours: &mut Hours<'_>,
    ) -> Self {
        let (indexes, trades) = (BTreeMap::new(), Vec::with_capacity(changes.len()));
        let mut fold = Self { method, indexes, books: vec![], trades, difference: Realized::default() };
        for (at, change) in changes {
            if let Some(entry) = change.added() {
                let mut side = |side| entry.has_position(side).then(|| fold.decorated(books, entry, side));
                let (sold, bought) = (side(TradeSide::Sold), side(TradeSide::Bought));
                fold.trades.push(FoldedTrade { entry, origin: Origin::Added(*at), sold, bought });
            }
            // Of what was applied and reverted within the batch, the decoration stays.
            for entry in change.transient() {
                entry.sides().for_each(|(side, _)| {
                    fold.decorated(books, entry, side);
                });
            }
        }
        fold.add_tails(books, changes, tails, hours);
        fold.trades.sort_by(|a, b| a.entry.order.cmp(&b.entry.order));
        fold
    }

    /// The index of a book.
    fn index(&mut self, books: &mut BTreeMap<Arc<str>, Book>, asset: &'a Arc<str>) -> usize {
        *self.indexes.entry(asset).or_insert_with(|| {
            let book = books.entry(Arc::clone(asset)).or_default();
            self.books.push(FoldedBook { book: std::mem::take(book), difference: Realized::default() });
            self.books.len() - 1
        })
    }

    /// The index of the book of one side of a trade, which may decorate it.
    fn decorated(&mut self, books: &mut BTreeMap<Arc<str>, Book>, entry: &'a Entry, side: TradeSide) -> usize {
        let lot = entry.lot(side);
        let at = self.index(books, &lot.asset);
        self.books[at].book.decorate(lot, entry.order.place);
        at
    }

    /// Sets the books of the tails back to their checkpoints, and adds the trades after them that stay.
    fn add_tails(
        &mut self,
        books: &mut BTreeMap<Arc<str>, Book>,
        changes: &[(usize, &ResolvedChange)],
        tails: &'a [(Arc<str>, Tail)],
        hours: &mut Hours<'_>,
    ) {
        if tails.is_empty() {
            return;
        }
        let removed = changes.iter().filter_map(|(_, change)| change.removed());
        let removed: BTreeSet<&str> = removed.map(|previous| &*previous.entry.order.id).collect();
        // A trade whose two books are both folded again is in two tails, and folded once.
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (asset, tail) in tails {
            let at = self.index(books, asset);
            let FoldedBook { book, difference } = &mut self.books[at];
            (book.holding, book.trades) = (tail.checkpoint.clone(), tail.trades_before);
            for stored in &tail.trades {
                let Some(side) = stored.entry.side_in(asset) else { continue };
                if let Some(old_effect) = stored.effects.on_side(side) {
                    difference.sub(&old_effect.realized);
                    hours.at(&stored.entry).realized.sub(&old_effect.realized);
                }
                if side == TradeSide::Bought {
                    book.bought -= stored.known_purchase().quantity;
                }
                if removed.contains(&*stored.entry.order.id) {
                    continue;
                }
                let index = *known.entry(&stored.entry.order.id).or_insert_with(|| {
                    let origin = Origin::Stored(&stored.effects);
                    self.trades.push(FoldedTrade { entry: &stored.entry, origin, sold: None, bought: None });
                    self.trades.len() - 1
                });
                *self.trades[index].on_side(side) = Some(at);
            }
        }
    }

    /// Folds the trades and returns by how much the realized figures of the user change.
    pub(crate) fn fold(&mut self, output: &mut FoldOutput<'_, '_>) -> Realized {
        for trade in std::mem::take(&mut self.trades) {
            self.fold_trade(&trade, output);
        }
        for FoldedBook { book, difference } in &mut self.books {
            book.realized.add(difference);
            self.difference.add(difference);
        }
        std::mem::take(&mut self.difference)
    }

    fn fold_trade(&mut self, trade: &FoldedTrade<'_>, output: &mut FoldOutput<'_, '_>) {
        let entry = trade.entry;
        let hands_on = entry.hands_basis_on();
        let mut released = if hands_on { trade.origin.released() } else { KnownPart::default() };
        if let Some(at) = trade.sold {
            let FoldedBook { book, difference } = &mut self.books[at];
            let effect = sell(self.method, book, entry);
            if hands_on {
                released = effect.released.clone();
            }
            if effect.realized != Realized::default() {
                difference.add(&effect.realized);
                output.hours.at(entry).realized.add(&effect.realized);
            }
            output.set_effect(trade, TradeSide::Sold, effect);
        }
        if let Some(at) = trade.bought {
            let effect = buy(self.method, &mut self.books[at].book, entry, &released);
            output.set_effect(trade, TradeSide::Bought, effect);
        }
    }

    /// Gives the books back, and returns a copy of each under its key, ordered by asset.
    pub(crate) fn finish(self, user: &UserKey, books: &mut BTreeMap<Arc<str>, Book>, facts: &mut Vec<(BookKey, Book)>) {
        let mut folded: Vec<Option<Book>> = self.books.into_iter().map(|folded| Some(folded.book)).collect();
        for (asset, at) in self.indexes {
            let Some(book) = folded.get_mut(at).and_then(Option::take) else { continue };
            facts.push((BookKey { user: user.clone(), asset: Arc::clone(asset) }, book.clone()));
            books.insert(Arc::clone(asset), book);
        }
    }
}

impl FoldedTrade<'_> {
    fn on_side(&mut self, side: TradeSide) -> &mut Option<usize> {
        match side {
            TradeSide::Sold => &mut self.sold,
            TradeSide::Bought => &mut self.bought,
        }
    }
}

impl Origin<'_> {
    /// What a stored sale released; of an added trade that is not known before its sale is folded.
    fn released(&self) -> KnownPart {
        match self {
            Self::Stored(effects) => effects.released(),
            Self::Added(_) => KnownPart::default(),
        }
    }
}

impl StoredTrade {
    /// The known part of its purchase, as it was folded.
    fn known_purchase(&self) -> KnownPart {
        self.entry.known_purchase(&self.effects.released())
    }
}

impl Effects {
    /// What its sale released.
    fn released(&self) -> KnownPart {
        self.sold.as_ref().map(|effect| effect.released.clone()).unwrap_or_default()
    }
}

impl FoldOutput<'_, '_> {
    /// Writes the effect of a trade on one side.
    fn set_effect(&mut self, trade: &FoldedTrade<'_>, side: TradeSide, effect: Effect) {
        match trade.origin {
            Origin::Added(at) => {
                if let Some(effects) = self.effects.get_mut(at) {
                    effects.set(side, effect);
                }
            }
            Origin::Stored(old) if old.on_side(side) != Some(&effect) => {
                self.changed.push(ChangedEffect { key: trade.entry.key(), side, effect });
            }
            Origin::Stored(_) => {}
        }
    }
}

/// Applies the sale of a trade to the book of what it sold.
fn sell(method: Method, book: &mut Book, entry: &Entry) -> Effect {
    book.trades += 1;
    let Sale { mut realized, taken, known } = book.holding.sell(method, &entry.sold.raw, entry.notional.as_ref());
    let released = if entry.notional.is_none() { known } else { KnownPart::default() };
    if !entry.hands_basis_on() {
        realized.basis_without_proceeds = released.basis.clone();
    }
    let (after, checkpoint) = after(&book.holding, entry);
    Effect { realized, taken, released, after, trades: book.trades, checkpoint }
}

/// Applies the purchase of a trade to the book of what it bought.
fn buy(method: Method, book: &mut Book, entry: &Entry, released: &KnownPart) -> Effect {
    book.trades += 1;
    let raw = &entry.bought.raw;
    if let Some(worth) = &entry.notional {
        book.holding.buy_known(method, &entry.order.id, raw, worth);
        book.bought += raw;
    } else {
        let known = entry.known_purchase(released);
        book.holding.buy(method, &entry.order.id, raw, &known);
        book.bought += known.quantity;
    }
    let (after, checkpoint) = after(&book.holding, entry);
    let (realized, taken, released) = (Realized::default(), vec![], KnownPart::default());
    Effect { realized, taken, released, after, trades: book.trades, checkpoint }
}

/// What is stored of a holding after a trade, and whether a fold can continue from it.
fn after(holding: &Holding, entry: &Entry) -> (Holding, bool) {
    let checkpoint = is_checkpoint(holding.parcels.len(), &entry.order.id);
    (if checkpoint { holding.clone() } else { holding.without_parcels() }, checkpoint)
}

/// Up to this many open parcels are stored with every trade. A longer list of n parcels is stored with one trade in
/// n / `PARCELS_KEPT_WITH_EVERY_TRADE`, so that what is stored grows with the number of trades and not with its square.
const PARCELS_KEPT_WITH_EVERY_TRADE: usize = 8;

/// Whether the parcels that are open after a trade are stored with it. The trade's id alone decides, so every fold
/// decides alike.
fn is_checkpoint(parcels: usize, id: &str) -> bool {
    let draw =
        || id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    parcels <= PARCELS_KEPT_WITH_EVERY_TRADE || (draw() >> 16) % (parcels as u64) < PARCELS_KEPT_WITH_EVERY_TRADE as u64
}
