//! The store in memory: the rules of the port and nothing more, for tests and dry runs.

use crate::account::{Book, User};
use crate::entry::{BookKey, TradeKey, UserKey};
use crate::holding::Method;
use crate::hours::{FeeKey, FeeMove, HourKey, HourMove};
use crate::ports::{Effects, Facts, Heads, Outcome, Put, Store, Stored};
use crate::retention::{Floors, Pruned, Retention, dropped, not_final};
use crate::tails::{Late, Tail};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape::{Partition, Unavailable};

/// A store that forgets with its process.
#[derive(Debug, Default)]
pub struct Memory {
    method: Method,
    kept: Mutex<Kept>,
}

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Read positions.
    pub positions: BTreeMap<Partition, u64>,
    /// Trades, live and reverted.
    pub trades: BTreeMap<TradeKey, Stored>,
    /// Users.
    pub users: BTreeMap<UserKey, User>,
    /// Positions that ever were.
    pub books: BTreeMap<BookKey, Book>,
    /// Hours with at least one live trade.
    pub hours: BTreeMap<HourKey, HourMove>,
    /// Fees per user, platform and day.
    pub fees: BTreeMap<FeeKey, FeeMove>,
    /// Down to which block time trades are shown.
    pub cut_ms: u64,
    /// Per chain, the highest height that is shown no more, and how many events came at or below it since.
    pub floors: BTreeMap<Arc<str>, (u64, u64)>,
}

impl Memory {
    /// An empty store of books kept by a method.
    pub fn keeping(method: Method) -> Self {
        Self { method, kept: Mutex::default() }
    }

    /// A copy of all that is kept.
    pub fn kept(&self) -> Kept {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn method(&self) -> Method {
        self.method
    }

    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        Ok(self.lock().positions.get(partition).copied())
    }

    async fn floors(&self) -> Result<Floors, Unavailable> {
        let kept = self.lock();
        let heights = kept.floors.iter().map(|(chain, (height, _))| (Arc::clone(chain), *height)).collect();
        Ok(Floors { cut_ms: kept.cut_ms, heights })
    }

    async fn heads(&self, users: &[UserKey], books: &[BookKey]) -> Result<Heads, Unavailable> {
        let kept = self.lock();
        let users = users.iter().filter_map(|key| Some((key.clone(), kept.users.get(key)?.clone())));
        let books = books.iter().filter_map(|key| Some((key.clone(), kept.books.get(key)?.clone())));
        Ok(Heads { users: users.collect(), books: books.collect() })
    }

    async fn stored(&self, trades: &[TradeKey]) -> Result<Vec<Stored>, Unavailable> {
        let kept = self.lock();
        Ok(trades.iter().filter_map(|key| kept.trades.get(key).cloned()).collect())
    }

    async fn tails(&self, late: &[Late]) -> Result<Vec<Tail>, Unavailable> {
        let kept = self.lock();
        Ok(late.iter().map(|late| late.of_all(kept.book(&late.book))).collect())
    }

    async fn commit(&self, facts: &Facts) -> Result<Outcome, Unavailable> {
        let mut kept = self.lock();
        if facts.cut_ms != kept.cut_ms {
            return Ok(Outcome::Moved);
        }
        let of_number = kept.positions.iter().filter(|(partition, _)| partition.index == facts.partition.index);
        if !facts.stand_on(of_number.map(|(partition, next)| (partition.topic.to_string(), *next)).collect()) {
            return Ok(Outcome::Moved);
        }
        kept.keep(facts);
        Ok(Outcome::Committed)
    }
}

/// Nothing is dropped for real: what others drop must make no difference.
impl Retention for Memory {
    async fn prune(&self, cut_ms: u64, finalized: &BTreeMap<String, u64>) -> Result<Pruned, Unavailable> {
        let mut kept = self.lock();
        if cut_ms <= kept.cut_ms {
            return Ok(Pruned::Nothing);
        }
        let mut heights: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for entry in kept.trades.values().map(|stored| &stored.entry) {
            if dropped(cut_ms).contains(&entry.time_ms) {
                let highest = heights.entry(Arc::clone(&entry.user.chain)).or_default();
                *highest = entry.order.place.height.max(*highest);
            }
        }
        if let Some(not_final) = not_final(&heights, finalized) {
            return Ok(not_final);
        }
        kept.cut_ms = cut_ms;
        for (chain, height) in heights {
            let floor = &mut kept.floors.entry(chain).or_default().0;
            *floor = height.max(*floor);
        }
        Ok(Pruned::Done { kept: 0 })
    }
}

impl Kept {
    /// The live trades of a book.
    fn book(&self, book: &BookKey) -> Vec<Stored> {
        let of_book = |stored: &&Stored| {
            stored.live && stored.entry.user == book.user && stored.entry.side_in(&book.asset).is_some()
        };
        self.trades.values().filter(of_book).cloned().collect()
    }

    fn keep(&mut self, facts: &Facts) {
        self.positions.insert(facts.partition.clone(), facts.next);
        for (chain, count) in &facts.late {
            self.floors.entry(Arc::clone(chain)).or_default().1 += count;
        }
        for put in &facts.puts {
            self.trades.insert(put.entry.key(), row(put));
        }
        for changed in &facts.changed {
            if let Some(stored) = self.trades.get_mut(&changed.key) {
                stored.effects.note(changed.side, changed.effect.clone());
            }
        }
        self.users.extend(facts.users.iter().cloned());
        self.books.extend(facts.books.iter().cloned());
        for (key, moved) in &facts.hours {
            self.hours.entry(key.clone()).or_default().add(moved);
        }
        self.hours.retain(|_, hour| !hour.is_empty());
        for (key, moved) in &facts.fees {
            let day = self.fees.entry(key.clone()).or_default();
            day.usd += &moved.usd;
            day.trades += moved.trades;
        }
        self.fees.retain(|_, day| day.trades != 0);
    }
}

/// The row of a trade, without the decoration that no store keeps with it.
fn row(put: &Put) -> Stored {
    let mut entry = put.entry.clone();
    for lot in [&mut entry.sold, &mut entry.bought] {
        lot.symbol = None;
        lot.decimals = None;
    }
    let effects = if put.live { put.effects.clone() } else { Effects::default() };
    Stored { entry, live: put.live, effects }
}
