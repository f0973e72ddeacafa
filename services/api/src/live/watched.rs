//! What is watched: prices and candles, which stand in the database and on no topic. While somebody is subscribed to them they are
//! read every second, and what has changed is delivered.
//!
//! **Invariant:** whoever subscribes is told, after its snapshot, every state that differs from it. What was read before a
//! subscription was added is not delivered to it: from that moment the key counts as not known, and is told anew.

use super::Hub;
use super::message;
use super::update::Update;
use super::watch_key::{WatchKey, WatchedUpdate};
use crate::store::Store;
use crate::token;
use crate::views::{CandleState, CandleUpdate, PriceState};
use api_domain::{AssetQuery, CandleInterval, HOUR_MS, MINUTE_MS, Window};
use environment::{Shutdown, now_ms};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tape::Unavailable;

/// How often what is watched is read.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// Prices and lists of candles that are watched at once at most.
const MAX_WATCHED: usize = 200;

/// The states of a key by their number (the first minute of a candle; 0 for a price), as JSON.
type States = BTreeMap<u64, String>;

/// What is watched, and what of it was delivered.
#[derive(Default)]
pub(super) struct Watched {
    known: BTreeMap<WatchKey, Known>,
    forgotten: u64,
}

struct Known {
    /// When it was last forgotten.
    since: u64,
    delivered: Option<States>,
}

impl Watched {
    /// Whether a key may be watched.
    pub(super) fn has_room_for(&self, key: &WatchKey) -> bool {
        self.known.len() < MAX_WATCHED || self.known.contains_key(key)
    }

    /// Somebody new watches a key: whatever is read from now on is told.
    pub(super) fn forget(&mut self, key: &WatchKey) {
        self.forgotten += 1;
        self.known.insert(key.clone(), Known { since: self.forgotten, delivered: None });
    }

    /// The keys that are watched still, each with the moment since which what is read of it counts.
    pub(super) fn keep(&mut self, wanted: &BTreeSet<WatchKey>) -> Vec<(WatchKey, u64)> {
        self.known.retain(|key, _| wanted.contains(key));
        self.known.iter().map(|(key, known)| (key.clone(), known.since)).collect()
    }

    /// What of the states that were read is to be delivered. Of a key that was forgotten since it was asked for, nothing is.
    pub(super) fn changes(&mut self, key: &WatchKey, since: u64, states: States) -> States {
        let Some(known) = self.known.get_mut(key).filter(|known| known.since == since) else { return States::new() };
        let before = known.delivered.take().unwrap_or_default();
        let mut changes: States = states
            .iter()
            .filter(|(number, text)| before.get(number) != Some(text))
            .map(|(number, text)| (*number, text.clone()))
            .collect();
        if let Some(interval) = key.interval {
            // A candle among those that are compared, of which all trades were taken back.
            let first = states.keys().next().copied().unwrap_or(0);
            let gone = before.range(first..).filter(|(number, _)| !states.contains_key(number));
            changes.extend(gone.map(|(number, _)| (*number, CandleUpdate::gone(&key.asset, interval, *number))));
        }
        known.delivered = Some(states);
        changes
    }
}

/// The update for a state of what is watched.
fn update_of_state(watch: WatchKey, number: u64, state: u64, text: &str) -> Update {
    let channel = watch.channel();
    let AssetQuery { chain, asset } = &watch.asset;
    let interval = watch.interval.map_or("", CandleInterval::name);
    let key = format!("{}/{chain}/{asset}/{interval}/{state}", channel.name()).into();
    let at = token::resume_token(channel.letter(), [0].into_iter());
    let text = message::update_of_json(channel, text, &at);
    Update::Watched(Arc::new(WatchedUpdate { number, key, watch, text }))
}

/// The state at the beginning of a subscription, as JSON.
pub(crate) async fn read_snapshot(store: &Store, key: &WatchKey, candles: u32) -> Result<String, Unavailable> {
    let Some(interval) = key.interval else { return Ok(json(&price_of(store, &key.asset).await?)) };
    let (decimals, rows) = store.newest_candles(&key.asset, interval, candles).await?;
    Ok(json(&CandleState::of_asset(&key.asset, interval, decimals, rows)))
}

async fn price_of(store: &Store, asset: &AssetQuery) -> Result<PriceState, Unavailable> {
    let since = Window::Day.first_hour(now_ms()).unwrap_or_default() * (HOUR_MS / MINUTE_MS);
    Ok(PriceState::of_asset(asset, store.asset_row(asset, since).await?))
}

async fn read_states(store: &Store, key: &WatchKey) -> Result<States, Unavailable> {
    let Some(interval) = key.interval else {
        return Ok([(0, json(&price_of(store, &key.asset).await?))].into());
    };
    let compared = WatchKey::compared_candles(interval);
    let (decimals, rows) = store.newest_candles(&key.asset, interval, compared).await?;
    Ok(CandleUpdate::by_minute(&key.asset, interval, decimals, rows))
}

/// Reads what is watched, again and again until shutdown.
pub(crate) async fn watch_prices(hub: Arc<Hub>, store: Store, shutdown: Shutdown) {
    let watching = async {
        loop {
            tokio::time::sleep(READ_INTERVAL).await;
            for (key, since) in hub.watched_keys() {
                // A failure needs no report: `/ready` and every request that needs the database report it.
                let Ok(states) = read_states(&store, &key).await else { break };
                hub.deliver_watched(&key, since, states);
            }
        }
    };
    tokio::select! {
        () = watching => {}
        () = shutdown.wait() => {}
    }
}

impl Hub {
    /// What somebody watches.
    fn watched_keys(&self) -> Vec<(WatchKey, u64)> {
        let mut inner = self.lock();
        let subscriptions = inner.readers.values().flat_map(|reader| &reader.subscriptions);
        let wanted: BTreeSet<WatchKey> =
            subscriptions.filter_map(|subscription| subscription.matcher.watch().cloned()).collect();
        inner.watched.keep(&wanted)
    }

    /// Delivers what has changed to everybody who watches it.
    fn deliver_watched(&self, key: &WatchKey, since: u64, states: States) {
        let mut inner = self.lock();
        for (state, text) in inner.watched.changes(key, since, states) {
            let Some(number) = inner.live.as_mut().map(super::rings::Live::next_arrival) else { return };
            let update = update_of_state(key.clone(), number, state, &text);
            let reached = inner.deliver_to_readers(&update);
            self.conflated.fetch_add(reached.conflated, Ordering::Relaxed);
        }
    }
}

fn json(data: &impl serde::Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(interval: Option<CandleInterval>) -> WatchKey {
        WatchKey { asset: AssetQuery { chain: "mock".into(), asset: "0xa".into() }, interval }
    }

    fn states(states: &[(u64, &str)]) -> States {
        states.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
    }

    #[test]
    fn what_has_changed_is_told_once_and_anew_to_whoever_comes() {
        let (mut watched, key) = (Watched::default(), key(None));
        watched.forget(&key);
        let wanted = BTreeSet::from([key.clone()]);
        let since = watched.keep(&wanted)[0].1;
        assert_eq!(watched.changes(&key, since, states(&[(0, "1")])), states(&[(0, "1")]));
        assert_eq!(watched.changes(&key, since, states(&[(0, "1")])), States::new());
        // Somebody subscribes while the next state is being read: it is told only what is read later.
        watched.forget(&key);
        assert_eq!(watched.changes(&key, since, states(&[(0, "2")])), States::new());
        let since = watched.keep(&wanted)[0].1;
        assert_eq!(watched.changes(&key, since, states(&[(0, "2")])), states(&[(0, "2")]));
        assert!(watched.keep(&BTreeSet::new()).is_empty(), "nobody watches it any more");
    }

    #[test]
    fn a_candle_without_trades_is_gone_and_one_that_is_only_old_is_not() {
        let (mut watched, key) = (Watched::default(), key(Some(CandleInterval::Minute)));
        watched.forget(&key);
        let since = watched.keep(&BTreeSet::from([key.clone()]))[0].1;
        watched.changes(&key, since, states(&[(1, "a"), (2, "b"), (3, "c")]));
        let changes = watched.changes(&key, since, states(&[(2, "b"), (4, "d")]));
        assert_eq!(changes.keys().copied().collect::<Vec<_>>(), [3, 4]);
        assert!(changes[&3].contains("\"trades\":0") && changes[&4] == "d");
    }
}
