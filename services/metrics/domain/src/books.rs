//! One book in a batch: new trades are folded onto the newest holding; where one goes, or comes late, the book is folded
//! anew from a checkpoint. Pure.

use crate::account::Book;
use crate::entry::{Entry, Lot, SideOf};
use crate::holding::{Holding, Method, Realized, Sale};
use crate::hours::Hours;
use crate::ports::{Changed, Effect, Effects};
use crate::tails::Tail;
use std::collections::BTreeSet;
use tape::Place;

/// What comes into a book and what leaves it.
#[derive(Debug, Default)]
pub(crate) struct Change<'a> {
    /// Ids of the trades that leave.
    going: BTreeSet<&'a str>,
    /// Trades that come.
    coming: Vec<Coming<'a>>,
    /// What came and left: nothing but its decoration stays.
    passing: Vec<(&'a Lot, Place)>,
}

/// A trade that comes into a book, by one of its sides, and the number of the move that brings it.
#[derive(Debug)]
pub(crate) struct Coming<'a> {
    pub(crate) at: usize,
    pub(crate) entry: &'a Entry,
    pub(crate) side: SideOf,
}

/// Where a fold leaves what it did beside the book.
pub(crate) struct Noted<'a, 'b> {
    /// Effects of the moves, by their numbers.
    pub(crate) effects: &'a mut [Effects],
    /// Stored trades whose effect is another now.
    pub(crate) changed: &'a mut Vec<Changed>,
    /// The hours of the user.
    pub(crate) hours: &'a mut Hours<'b>,
}

/// What a trade of a book that is folded anew was before.
enum Before<'a> {
    /// Stored, with this effect.
    Stored(Option<&'a Effect>),
    /// Not there: it comes by this move.
    Coming(usize),
}

impl<'a> Change<'a> {
    /// A stored trade leaves.
    pub(crate) fn goes(&mut self, entry: &'a Entry) {
        self.going.insert(&entry.order.id);
    }

    /// A trade comes.
    pub(crate) fn comes(&mut self, coming: Coming<'a>) {
        self.coming.push(coming);
    }

    /// A trade came and left.
    pub(crate) fn passes(&mut self, lot: &'a Lot, entry: &Entry) {
        self.passing.push((lot, entry.order.place));
    }

    /// Makes the change; says by how much more the book realizes now. A tail is given where the book must be folded anew.
    pub(crate) fn fold(
        mut self,
        method: Method,
        (asset, book): (&str, &mut Book),
        tail: Option<Tail>,
        noted: &mut Noted<'_, '_>,
    ) -> Realized {
        self.coming.sort_by(|a, b| a.entry.order.cmp(&b.entry.order));
        let coming = self.coming.iter().map(|one| (one.entry.lot(one.side), one.entry.order.place));
        coming.chain(self.passing.iter().copied()).for_each(|(lot, place)| book.decorate(lot, place));
        let difference = match tail {
            Some(tail) => self.refold(method, (asset, book), tail, noted),
            None => self.append(method, book, noted),
        };
        book.realized.add(&difference);
        difference
    }

    /// Folds new trades onto the newest holding.
    fn append(self, method: Method, book: &mut Book, noted: &mut Noted<'_, '_>) -> Realized {
        let mut realized = Realized::default();
        for Coming { at, entry, side } in self.coming {
            book.trades += 1;
            let effect = step(method, &mut book.holding, book.trades, (side, entry));
            if side == SideOf::Sold {
                realized.add(&effect.realized);
                noted.hours.at(entry).realized.add(&effect.realized);
            }
            noted.note(at, side, effect);
        }
        realized
    }

    /// Folds the book anew from a checkpoint.
    fn refold(
        self,
        method: Method,
        (asset, book): (&str, &mut Book),
        tail: Tail,
        noted: &mut Noted<'_, '_>,
    ) -> Realized {
        let mut difference = Realized::default();
        let (mut holding, mut trades) = (tail.checkpoint, tail.before);
        let mut line: Vec<(&Entry, SideOf, Before<'_>)> = vec![];
        for stored in &tail.trades {
            let Some(side) = stored.entry.side_in(asset) else { continue };
            let was = stored.effects.of(side);
            if let Some(was) = was {
                difference.sub(&was.realized);
                noted.hours.at(&stored.entry).realized.sub(&was.realized);
            }
            if !self.going.contains(&*stored.entry.order.id) {
                line.push((&stored.entry, side, Before::Stored(was)));
            }
        }
        line.extend(self.coming.iter().map(|coming| (coming.entry, coming.side, Before::Coming(coming.at))));
        line.sort_by(|a, b| a.0.order.cmp(&b.0.order));
        for (entry, side, before) in line {
            trades += 1;
            let effect = step(method, &mut holding, trades, (side, entry));
            difference.add(&effect.realized);
            noted.hours.at(entry).realized.add(&effect.realized);
            match before {
                Before::Coming(at) => noted.note(at, side, effect),
                Before::Stored(was) if was != Some(&effect) => {
                    noted.changed.push(Changed { key: entry.key(), side, effect });
                }
                Before::Stored(_) => {}
            }
        }
        (book.holding, book.trades) = (holding, trades);
        difference
    }
}

impl Noted<'_, '_> {
    /// Notes what a move did to one side.
    fn note(&mut self, at: usize, side: SideOf, effect: Effect) {
        if let Some(effects) = self.effects.get_mut(at) {
            effects.note(side, effect);
        }
    }
}

/// What one trade does to a holding; with it, the book is made of so many.
fn step(method: Method, holding: &mut Holding, trades: u64, (side, entry): (SideOf, &Entry)) -> Effect {
    let (raw, worth) = (&entry.lot(side).raw, entry.notional.as_ref());
    let sale = match side {
        SideOf::Sold => holding.sell(method, raw, worth),
        SideOf::Bought => {
            holding.buy(method, &entry.order.id, raw, worth);
            Sale::default()
        }
    };
    let checkpoint = is_checkpoint(holding.parcels.len(), &entry.order.id);
    let after = if checkpoint { holding.clone() } else { holding.without_parcels() };
    Effect { realized: sale.realized, taken: sale.taken, after, trades, checkpoint }
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
