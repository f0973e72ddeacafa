//! A store in memory, for tests and dry runs: it follows the rules of the port and does nothing else.

use crate::account::{Book, User};
use crate::entry::{BookKey, TradeKey, UserKey};
use crate::holding::Method;
use crate::hours::{FeeDelta, FeeKey, HourDelta, HourKey};
use crate::ports::{Accounts, BookFacts, CommitOutcome, Effects, Store, StoredTrade, TradeRow};
use crate::retention::{Floors, PruneOutcome, Retention, dropped_block_times, not_final};
use crate::rules::BookRules;
use crate::tails::{BookToRefold, Tail};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape::{Partition, Unavailable};

/// A store whose contents end with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rules: BookRules,
    state: Mutex<MemoryState>,
}

/// Everything that the store holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryState {
    /// Read positions.
    pub positions: BTreeMap<Partition, u64>,
    /// Trades, live and reverted.
    pub trades: BTreeMap<TradeKey, StoredTrade>,
    /// Users.
    pub users: BTreeMap<UserKey, User>,
    /// Positions, also those without trades.
    pub books: BTreeMap<BookKey, Book>,
    /// Hours with at least one live trade.
    pub hours: BTreeMap<HourKey, HourDelta>,
    /// Fees per user, platform and day.
    pub fees: BTreeMap<FeeKey, FeeDelta>,
    /// Trades of an earlier block time count as dropped.
    pub cut_ms: u64,
    /// Per chain, the highest dropped height, and how many events arrived at or below it since.
    pub floors: BTreeMap<Arc<str>, (u64, u64)>,
}

impl MemoryStore {
    /// An empty store for books with this cost method.
    pub fn with_method(method: Method) -> Self {
        Self::with_rules(method.into())
    }

    /// An empty store for books with these rules.
    pub fn with_rules(rules: BookRules) -> Self {
        Self { rules, state: Mutex::default() }
    }

    /// A copy of everything that the store holds.
    pub fn state(&self) -> MemoryState {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn rules(&self) -> &BookRules {
        &self.rules
    }

    async fn read_position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        Ok(self.lock().positions.get(partition).copied())
    }

    async fn read_floors(&self) -> Result<Floors, Unavailable> {
        let state = self.lock();
        let heights = state.floors.iter().map(|(chain, (height, _))| (Arc::clone(chain), *height)).collect();
        Ok(Floors { cut_ms: state.cut_ms, heights })
    }

    async fn load_accounts(&self, users: &[UserKey], books: &[BookKey]) -> Result<Accounts, Unavailable> {
        let state = self.lock();
        let users = users.iter().filter_map(|key| Some((key.clone(), state.users.get(key)?.clone())));
        let books = books.iter().filter_map(|key| Some((key.clone(), state.books.get(key)?.clone())));
        Ok(Accounts { users: users.collect(), books: books.collect() })
    }

    async fn load_trades(&self, trades: &[TradeKey]) -> Result<Vec<StoredTrade>, Unavailable> {
        let state = self.lock();
        Ok(trades.iter().filter_map(|key| state.trades.get(key).cloned()).collect())
    }

    async fn load_tails(&self, books: &[BookToRefold]) -> Result<Vec<Tail>, Unavailable> {
        let state = self.lock();
        Ok(books.iter().map(|refold| refold.tail_from_all(state.trades_of_book(&refold.book))).collect())
    }

    async fn commit(&self, facts: &BookFacts) -> Result<CommitOutcome, Unavailable> {
        let mut state = self.lock();
        if facts.cut_ms != state.cut_ms {
            return Ok(CommitOutcome::Moved);
        }
        let of_index = state.positions.iter().filter(|(partition, _)| partition.index == facts.partition.index);
        if !facts.rests_on_positions(of_index.map(|(partition, next)| (partition.topic.to_string(), *next)).collect()) {
            return Ok(CommitOutcome::Moved);
        }
        state.write(facts);
        Ok(CommitOutcome::Committed)
    }
}

/// Drops nothing in fact: in other stores, dropping must make no difference to what remains.
impl Retention for MemoryStore {
    async fn prune(&self, cut_ms: u64, finalized: &BTreeMap<String, u64>) -> Result<PruneOutcome, Unavailable> {
        let mut state = self.lock();
        if cut_ms <= state.cut_ms {
            return Ok(PruneOutcome::Nothing);
        }
        let mut heights: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for entry in state.trades.values().map(|stored| &stored.entry) {
            if dropped_block_times(cut_ms).contains(&entry.time_ms) {
                let highest = heights.entry(Arc::clone(&entry.user.chain)).or_default();
                *highest = entry.order.place.height.max(*highest);
            }
        }
        if let Some(not_final) = not_final(&heights, finalized) {
            return Ok(not_final);
        }
        state.cut_ms = cut_ms;
        for (chain, height) in heights {
            let floor = &mut state.floors.entry(chain).or_default().0;
            *floor = height.max(*floor);
        }
        Ok(PruneOutcome::Done { kept: 0 })
    }
}

impl MemoryState {
    /// The live trades of a book.
    fn trades_of_book(&self, book: &BookKey) -> Vec<StoredTrade> {
        let of_book = |stored: &&StoredTrade| {
            stored.live && stored.entry.user == book.user && stored.entry.side_in(&book.asset).is_some()
        };
        self.trades.values().filter(of_book).cloned().collect()
    }

    fn write(&mut self, facts: &BookFacts) {
        self.positions.insert(facts.partition.clone(), facts.next);
        for (chain, count) in &facts.late_events {
            self.floors.entry(Arc::clone(chain)).or_default().1 += count;
        }
        for row in &facts.trade_rows {
            self.trades.insert(row.entry.key(), stored_trade(row));
        }
        for changed in &facts.changed_effects {
            if let Some(stored) = self.trades.get_mut(&changed.key) {
                stored.effects.set(changed.side, changed.effect.clone());
            }
        }
        self.users.extend(facts.users.iter().cloned());
        self.books.extend(facts.books.iter().cloned());
        for (key, delta) in &facts.hours {
            self.hours.entry(key.clone()).or_default().add(delta);
        }
        self.hours.retain(|_, hour| !hour.is_empty());
        for (key, delta) in &facts.fees {
            let day = self.fees.entry(key.clone()).or_default();
            day.usd += &delta.usd;
            day.trades += delta.trades;
        }
        self.fees.retain(|_, day| day.trades != 0);
    }
}

/// What is stored of a row: everything except the decoration.
fn stored_trade(row: &TradeRow) -> StoredTrade {
    let mut entry = row.entry.clone();
    for lot in [&mut entry.sold, &mut entry.bought] {
        lot.symbol = None;
        lot.decimals = None;
    }
    let effects = if row.live { row.effects.clone() } else { Effects::default() };
    StoredTrade { entry, live: row.live, effects }
}
