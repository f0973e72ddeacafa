//! Applies a batch to one book. New trades are folded onto the newest holding; where a stored trade is removed, or one
//! is added below stored ones, the book is folded again from a checkpoint. Pure.

use crate::account::Book;
use crate::entry::{Entry, Lot, TradeSide};
use crate::holding::{Holding, Method, Realized, Sale};
use crate::hours::Hours;
use crate::ports::{ChangedEffect, Effect, Effects};
use crate::tails::Tail;
use std::collections::BTreeSet;
use tape::Place;

/// The trades that a batch adds to a book and removes from it.
#[derive(Debug, Default)]
pub(crate) struct BookChange<'a> {
    /// Ids of the trades to remove.
    removed: BTreeSet<&'a str>,
    /// Trades to add.
    added: Vec<AddedTrade<'a>>,
    /// Trades that were applied and reverted within the batch: only their decoration stays.
    transient: Vec<(&'a Lot, Place)>,
}

/// A trade that is added to a book by one of its sides.
#[derive(Debug)]
pub(crate) struct AddedTrade<'a> {
    /// The index of the resolved change that adds it.
    pub(crate) at: usize,
    pub(crate) entry: &'a Entry,
    pub(crate) side: TradeSide,
}

/// Where a fold writes its results, apart from the book itself.
pub(crate) struct FoldOutput<'a, 'b> {
    /// The effects of the resolved changes, by index.
    pub(crate) effects: &'a mut [Effects],
    /// Stored trades whose effect has changed.
    pub(crate) changed: &'a mut Vec<ChangedEffect>,
    /// The hours of the user.
    pub(crate) hours: &'a mut Hours<'b>,
}

/// Where a trade of a book that is folded again comes from.
enum Origin<'a> {
    /// It is stored, with this effect.
    Stored(Option<&'a Effect>),
    /// The resolved change with this index adds it.
    Added(usize),
}

impl<'a> BookChange<'a> {
    /// Removes a stored trade.
    pub(crate) fn remove(&mut self, entry: &'a Entry) {
        self.removed.insert(&entry.order.id);
    }

    /// Adds a trade.
    pub(crate) fn add(&mut self, added: AddedTrade<'a>) {
        self.added.push(added);
    }

    /// Notes a trade that was applied and reverted within the batch.
    pub(crate) fn add_transient(&mut self, lot: &'a Lot, entry: &Entry) {
        self.transient.push((lot, entry.order.place));
    }

    /// Applies the change and returns by how much the realized figures of the book change. `tail` is given where the
    /// book must be folded again.
    pub(crate) fn fold(
        mut self,
        method: Method,
        (asset, book): (&str, &mut Book),
        tail: Option<Tail>,
        output: &mut FoldOutput<'_, '_>,
    ) -> Realized {
        self.added.sort_by(|a, b| a.entry.order.cmp(&b.entry.order));
        let added = self.added.iter().map(|one| (one.entry.lot(one.side), one.entry.order.place));
        added.chain(self.transient.iter().copied()).for_each(|(lot, place)| book.decorate(lot, place));
        let difference = match tail {
            Some(tail) => self.refold(method, (asset, book), tail, output),
            None => self.append(method, book, output),
        };
        book.realized.add(&difference);
        difference
    }

    /// Folds new trades onto the newest holding.
    fn append(self, method: Method, book: &mut Book, output: &mut FoldOutput<'_, '_>) -> Realized {
        let mut realized = Realized::default();
        for AddedTrade { at, entry, side } in self.added {
            book.trades += 1;
            let effect = apply_trade(method, &mut book.holding, book.trades, (side, entry));
            if side == TradeSide::Sold {
                realized.add(&effect.realized);
                output.hours.at(entry).realized.add(&effect.realized);
            }
            output.set_effect(at, side, effect);
        }
        realized
    }

    /// Folds the book again from a checkpoint.
    fn refold(
        self,
        method: Method,
        (asset, book): (&str, &mut Book),
        tail: Tail,
        output: &mut FoldOutput<'_, '_>,
    ) -> Realized {
        let mut difference = Realized::default();
        let (mut holding, mut trades) = (tail.checkpoint, tail.trades_before);
        let mut sequence: Vec<(&Entry, TradeSide, Origin<'_>)> = vec![];
        for stored in &tail.trades {
            let Some(side) = stored.entry.side_in(asset) else { continue };
            let old_effect = stored.effects.on_side(side);
            if let Some(old_effect) = old_effect {
                difference.sub(&old_effect.realized);
                output.hours.at(&stored.entry).realized.sub(&old_effect.realized);
            }
            if !self.removed.contains(&*stored.entry.order.id) {
                sequence.push((&stored.entry, side, Origin::Stored(old_effect)));
            }
        }
        sequence.extend(self.added.iter().map(|added| (added.entry, added.side, Origin::Added(added.at))));
        sequence.sort_by(|a, b| a.0.order.cmp(&b.0.order));
        for (entry, side, origin) in sequence {
            trades += 1;
            let effect = apply_trade(method, &mut holding, trades, (side, entry));
            difference.add(&effect.realized);
            output.hours.at(entry).realized.add(&effect.realized);
            match origin {
                Origin::Added(at) => output.set_effect(at, side, effect),
                Origin::Stored(old_effect) if old_effect != Some(&effect) => {
                    output.changed.push(ChangedEffect { key: entry.key(), side, effect });
                }
                Origin::Stored(_) => {}
            }
        }
        (book.holding, book.trades) = (holding, trades);
        difference
    }
}

impl FoldOutput<'_, '_> {
    /// Writes the effect of a resolved change on one side.
    fn set_effect(&mut self, at: usize, side: TradeSide, effect: Effect) {
        if let Some(effects) = self.effects.get_mut(at) {
            effects.set(side, effect);
        }
    }
}

/// Applies one trade to a holding; `trades` is the number of trades in the book including this one.
fn apply_trade(method: Method, holding: &mut Holding, trades: u64, (side, entry): (TradeSide, &Entry)) -> Effect {
    let (raw, worth) = (&entry.lot(side).raw, entry.notional.as_ref());
    let sale = match side {
        TradeSide::Sold => holding.sell(method, raw, worth),
        TradeSide::Bought => {
            holding.buy(method, &entry.order.id, raw, worth);
            Sale::default()
        }
    };
    let checkpoint = is_checkpoint(holding.parcels.len(), &entry.order.id);
    let after = if checkpoint { holding.clone() } else { holding.without_parcels() };
    Effect { realized: sale.realized, taken: sale.taken, after, trades, checkpoint }
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
