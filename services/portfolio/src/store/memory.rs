//! The store in memory: the ports' meaning in the fewest words, held to the same suite as the databases.

use super::{Message, Outgoing};
use num_bigint::BigInt;
use portfolio_domain::{
    Balance, Cents, Committed, Drift, Holdings, Job, Known, Ledger, Net, Queue, Refresh, Replaced, Standings, Step,
    Taken, Wallet, drift,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tape::{Partition, Raw, Unavailable};

/// A store that is gone with the process.
#[derive(Default)]
pub struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    positions: HashMap<Partition, u64>,
    wallets: HashSet<Wallet>,
    live: HashSet<String>,
    nets: BTreeMap<(Wallet, String), Net>,
    volumes: HashMap<Wallet, Cents>,
    queue: BTreeMap<Wallet, Waiting>,
    balances: BTreeMap<(Wallet, String), Vec<Balance>>,
    newest: HashMap<Wallet, String>,
    drift: HashMap<Wallet, Vec<Drift>>,
    outbox: BTreeMap<i64, Message>,
    /// The number last given to a lease or a message.
    last: i64,
}

struct Waiting {
    last_trade_at: u64,
    due_at: u64,
    generation: u64,
    attempts: u32,
    lease: i64,
    leased_until: u64,
}

impl State {
    fn nets(&self, wallet: &Wallet) -> Vec<Net> {
        self.nets.iter().filter(|((of, _), _)| of == wallet).map(|(_, net)| net.clone()).collect()
    }
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every method below leaves the state whole, even where it panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::unused_async, reason = "as the other stores have it")]
    pub(super) async fn outgoing(&self, most: u32) -> Result<Vec<Outgoing>, Unavailable> {
        let state = self.state();
        let oldest = state.outbox.iter().take(most as usize);
        Ok(oldest.map(|(&id, message)| Outgoing { id, message: message.clone() }).collect())
    }

    #[expect(clippy::unused_async, reason = "as the other stores have it")]
    pub(super) async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        self.state().outbox.retain(|id, _| !ids.contains(id));
        Ok(())
    }
}

impl Ledger for Memory {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        Ok(self.state().positions.get(partition).copied())
    }

    async fn known(&self, wallets: &[Wallet], trades: &[String]) -> Result<Known, Unavailable> {
        let state = self.state();
        Ok(Known {
            tracked: wallets.iter().filter(|wallet| state.wallets.contains(wallet)).cloned().collect(),
            live: trades.iter().filter(|trade| state.live.contains(*trade)).cloned().collect(),
            ..Known::default()
        })
    }

    async fn standings(&self, wallets: &[Wallet], most: u32) -> Result<Standings, Unavailable> {
        let state = self.state();
        let volumes = wallets.iter().filter_map(|wallet| Some((wallet.clone(), *state.volumes.get(wallet)?)));
        let mut leaders: Vec<_> = state.volumes.iter().map(|(wallet, cents)| (wallet.clone(), *cents)).collect();
        leaders.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        leaders.truncate(most as usize);
        Ok(Standings { volumes: volumes.collect(), leaders })
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        let mut state = self.state();
        let of_number = state.positions.iter().filter(|(partition, _)| partition.index == step.partition.index);
        if !step.stands_on(of_number.map(|(partition, next)| (partition.topic.to_string(), *next)).collect()) {
            return Ok(Committed::Moved);
        }
        state.positions.insert(step.partition.clone(), step.next);
        state.keep(step);
        Ok(Committed::Done { dropped: state.drop_oldest(step.queue_max) })
    }
}

impl State {
    fn keep(&mut self, step: &Step) {
        for touch in &step.facts.touched {
            self.wallets.insert(touch.wallet.clone());
            let waiting = self.queue.entry(touch.wallet.clone()).or_insert(Waiting {
                last_trade_at: 0,
                due_at: step.due_at,
                generation: 0,
                attempts: 0,
                lease: 0,
                leased_until: 0,
            });
            waiting.last_trade_at = waiting.last_trade_at.max(touch.last_trade_at);
            waiting.generation += 1;
        }
        self.volumes.extend(step.facts.volumes.iter().cloned());
        self.live.extend(step.facts.arrived.iter().cloned());
        self.live.retain(|trade| !step.facts.gone.contains(trade));
        for change in &step.facts.nets {
            let key = (change.wallet.clone(), change.asset.clone());
            let empty = Net { asset: change.asset.clone(), symbol: None, decimals: None, raw: BigInt::ZERO };
            let net = self.nets.entry(key).or_insert(empty);
            net.raw += &change.delta;
            net.symbol = change.symbol.clone().or(net.symbol.take());
            net.decimals = change.decimals.or(net.decimals);
        }
    }

    fn drop_oldest(&mut self, most: u64) -> u64 {
        let mut dropped = 0;
        while self.queue.len() as u64 > most {
            let oldest = self.queue.iter().min_by_key(|(wallet, waiting)| (waiting.last_trade_at, *wallet));
            let Some(oldest) = oldest.map(|(wallet, _)| wallet.clone()) else { break };
            self.queue.remove(&oldest);
            dropped += 1;
        }
        dropped
    }

    fn held(&mut self, job: &Job) -> Option<&mut Waiting> {
        self.queue.get_mut(&job.wallet).filter(|waiting| waiting.lease == job.lease)
    }

    fn number(&mut self) -> i64 {
        self.last += 1;
        self.last
    }
}

impl Queue for Memory {
    async fn take(&self, now: u64, lease_ms: u64) -> Result<Taken, Unavailable> {
        let mut state = self.state();
        let lease = state.number();
        let due = state.queue.iter_mut().filter(|(_, waiting)| waiting.due_at.max(waiting.leased_until) <= now);
        if let Some((wallet, waiting)) = due.max_by_key(|(_, waiting)| waiting.last_trade_at) {
            waiting.lease = lease;
            waiting.leased_until = now + lease_ms;
            let wallet = wallet.clone();
            return Ok(Taken::Job(Job { wallet, lease, generation: waiting.generation, attempts: waiting.attempts }));
        }
        let next_due = state.queue.values().map(|waiting| waiting.due_at.max(waiting.leased_until)).min();
        Ok(Taken::Idle { next_due })
    }

    async fn postpone(&self, job: &Job, due_at: u64, attempts: u32) -> Result<(), Unavailable> {
        if let Some(waiting) = self.state().held(job) {
            waiting.due_at = due_at;
            waiting.attempts = attempts;
            waiting.lease = 0;
            waiting.leased_until = 0;
        }
        Ok(())
    }

    async fn abandon(&self, job: &Job) -> Result<(), Unavailable> {
        let mut state = self.state();
        if state.held(job).is_some() {
            state.queue.remove(&job.wallet);
        }
        Ok(())
    }
}

impl Holdings for Memory {
    async fn shown(&self, wallet: &Wallet) -> Result<Vec<Balance>, Unavailable> {
        let state = self.state();
        let newest =
            state.newest.get(wallet).and_then(|provider| state.balances.get(&(wallet.clone(), provider.clone())));
        Ok(newest.cloned().unwrap_or_default())
    }

    async fn balances(&self, wallet: &Wallet, provider: &str) -> Result<Vec<Balance>, Unavailable> {
        Ok(self.state().balances.get(&(wallet.clone(), provider.to_owned())).cloned().unwrap_or_default())
    }

    async fn replace(&self, refresh: &Refresh) -> Result<Replaced, Unavailable> {
        let mut state = self.state();
        let wallet = &refresh.job.wallet;
        let Some(waiting) = state.held(&refresh.job) else { return Ok(Replaced::Lost) };
        if waiting.generation == refresh.job.generation {
            state.queue.remove(wallet);
        } else {
            waiting.due_at = refresh.again_at;
            waiting.attempts = 0;
            waiting.lease = 0;
            waiting.leased_until = 0;
        }
        let rows = state.balances.entry((wallet.clone(), refresh.provider.to_owned())).or_default();
        let mut after: BTreeMap<_, _> =
            rows.drain(..).map(|row| (row.asset.clone(), Balance { raw: Raw::ZERO, ..row })).collect();
        after.extend(refresh.snapshot.balances().map(|balance| (balance.asset.clone(), balance.clone())));
        *rows = after.into_values().collect();
        state.newest.insert(wallet.clone(), refresh.provider.to_owned());
        let drifted = drift(&refresh.snapshot, &state.nets(wallet));
        state.drift.insert(wallet.clone(), drifted);
        for message in Message::about(refresh) {
            let id = state.number();
            state.outbox.insert(id, message);
        }
        Ok(Replaced::Done)
    }

    async fn drift(&self, wallet: &Wallet) -> Result<Vec<Drift>, Unavailable> {
        Ok(self.state().drift.get(wallet).cloned().unwrap_or_default())
    }

    async fn nets(&self, wallet: &Wallet) -> Result<Vec<Net>, Unavailable> {
        Ok(self.state().nets(wallet))
    }
}
