//! The store in memory: the simplest implementation of the ports, held to the same tests as the databases.

use super::{Outgoing, TableCounts, UpdateMessage};
use num_bigint::BigInt;
use portfolio_domain::{
    AssetNet, Balance, Cents, Committed, Drift, Failure, Holdings, Job, KnownBefore, KnownDecoration, Ledger, LeftOut,
    Postponement, Queue, Refresh, Replaced, ShownSnapshot, Step, Taken, VolumeRanking, Wallet, drift_from_nets,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape::{Partition, Raw, Unavailable};
use tape_log::guard::{KnownPartition, NotedPartition, TapeMemory};

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore(Mutex<StoredState>);

#[derive(Default)]
struct StoredState {
    positions: HashMap<Partition, u64>,
    /// The tape and the first position of each partition.
    tapes: HashMap<Partition, (String, u64)>,
    wallets: HashSet<Wallet>,
    live: HashSet<String>,
    nets: BTreeMap<(Wallet, String), AssetNet>,
    volumes: HashMap<Wallet, Cents>,
    queue: BTreeMap<Wallet, QueueEntry>,
    /// When providers were asked for wallets last.
    asked: HashMap<Wallet, u64>,
    /// By network: the greater, the later it had its turn.
    turns: HashMap<Arc<str>, u64>,
    /// By wallet and provider, with the time of the snapshot.
    balances: BTreeMap<(Wallet, String), (u64, Vec<Balance>)>,
    /// The provider of each wallet's newest snapshot, and what was left out of it.
    newest: HashMap<Wallet, (String, Option<LeftOut>)>,
    drift: HashMap<Wallet, Vec<Drift>>,
    outbox: BTreeMap<i64, UpdateMessage>,
    /// The number that a lease or a message got last.
    last_number: i64,
}

struct QueueEntry {
    last_trade_at: u64,
    last_trade_height: u64,
    late: u32,
    due_at: u64,
    generation: u64,
    attempts: u32,
    lease: i64,
    leased_until: u64,
}

impl StoredState {
    fn nets_of_wallet(&self, wallet: &Wallet) -> Vec<AssetNet> {
        self.nets.iter().filter(|((owner, _), _)| owner == wallet).map(|(_, net)| net.clone()).collect()
    }
}

impl TapeMemory for MemoryStore {
    async fn known_partitions(&self) -> Result<Vec<KnownPartition>, Unavailable> {
        let state = self.state();
        let partitions: HashSet<&Partition> = state.positions.keys().chain(state.tapes.keys()).collect();
        let known = |partition: &Partition| KnownPartition {
            partition: partition.clone(),
            tape: state.tapes.get(partition).map(|(tape, _)| tape.clone()),
            first: state.tapes.get(partition).map_or(0, |(_, first)| *first),
            next: state.positions.get(partition).copied(),
        };
        Ok(partitions.into_iter().map(known).collect())
    }

    async fn note_partitions(&self, noted: &[NotedPartition]) -> Result<(), Unavailable> {
        self.adopt_partitions(noted, &[]).await
    }

    async fn adopt_partitions(&self, noted: &[NotedPartition], unread: &[Partition]) -> Result<(), Unavailable> {
        let mut state = self.state();
        for NotedPartition { partition, tape, first } in noted {
            state.tapes.insert(partition.clone(), (tape.to_string(), *first));
        }
        state.positions.retain(|partition, _| !unread.contains(partition));
        Ok(())
    }
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, StoredState> {
        // Every method below leaves the state consistent, even where it panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::unused_async, reason = "the signature of the other stores")]
    pub(super) async fn outgoing(&self, limit: u32) -> Result<Vec<Outgoing>, Unavailable> {
        let state = self.state();
        let oldest = state.outbox.iter().take(limit as usize);
        Ok(oldest.map(|(&id, message)| Outgoing { id, message: message.clone() }).collect())
    }

    #[expect(clippy::unused_async, reason = "the signature of the other stores")]
    pub(super) async fn count_tables(&self) -> Result<TableCounts, Unavailable> {
        let state = self.state();
        let drifting = state.drift.values().flatten().filter(|drift| drift.amount() != BigInt::ZERO).count();
        Ok(TableCounts { queued: state.queue.len() as u64, drifting: drifting as u64 })
    }

    #[expect(clippy::unused_async, reason = "the signature of the other stores")]
    pub(super) async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        self.state().outbox.retain(|id, _| !ids.contains(id));
        Ok(())
    }
}

impl Ledger for MemoryStore {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        Ok(self.state().positions.get(partition).copied())
    }

    async fn known_before(&self, wallets: &[Wallet], trades: &[String]) -> Result<KnownBefore, Unavailable> {
        let state = self.state();
        Ok(KnownBefore {
            tracked: wallets.iter().filter(|wallet| state.wallets.contains(wallet)).cloned().collect(),
            live: trades.iter().filter(|trade| state.live.contains(*trade)).cloned().collect(),
            ..KnownBefore::default()
        })
    }

    async fn volume_ranking(&self, wallets: &[Wallet], limit: u32) -> Result<VolumeRanking, Unavailable> {
        let state = self.state();
        let volumes = wallets.iter().filter_map(|wallet| Some((wallet.clone(), *state.volumes.get(wallet)?)));
        let mut leaders: Vec<_> = state.volumes.iter().map(|(wallet, cents)| (wallet.clone(), *cents)).collect();
        leaders.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        leaders.truncate(limit as usize);
        Ok(VolumeRanking { volumes: volumes.collect(), leaders })
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        let mut state = self.state();
        let same_index = state.positions.iter().filter(|(partition, _)| partition.index == step.partition.index);
        if !step.builds_on(same_index.map(|(partition, next)| (partition.topic.to_string(), *next)).collect()) {
            return Ok(Committed::Moved);
        }
        state.positions.insert(step.partition.clone(), step.next);
        state.enqueue_wallets(step);
        state.store_trades(step);
        Ok(Committed::Done { dropped: state.drop_oldest(step.max_queued) })
    }
}

impl StoredState {
    fn enqueue_wallets(&mut self, step: &Step) {
        for touched in &step.facts.touched {
            self.wallets.insert(touched.wallet.clone());
            self.turns.entry(Arc::clone(&touched.wallet.chain)).or_default();
            let entry = self.queue.entry(touched.wallet.clone()).or_insert(QueueEntry {
                last_trade_at: 0,
                last_trade_height: 0,
                late: 0,
                due_at: step.due_at,
                generation: 0,
                attempts: 0,
                lease: 0,
                leased_until: 0,
            });
            entry.last_trade_at = entry.last_trade_at.max(touched.last_trade_at);
            entry.last_trade_height = entry.last_trade_height.max(touched.last_trade_height);
            if entry.late > 0 {
                (entry.late, entry.due_at) = (0, entry.due_at.min(step.due_at));
            }
            entry.generation += 1;
        }
    }

    fn store_trades(&mut self, step: &Step) {
        self.volumes.extend(step.facts.volumes.iter().cloned());
        self.live.extend(step.facts.arrived.iter().cloned());
        self.live.retain(|trade| !step.facts.gone.contains(trade));
        for change in &step.facts.nets {
            let key = (change.wallet.clone(), change.asset.clone());
            let empty = AssetNet { asset: change.asset.clone(), symbol: None, decimals: None, raw: BigInt::ZERO };
            let net = self.nets.entry(key).or_insert(empty);
            net.raw += &change.delta;
            net.symbol = change.symbol.clone().or(net.symbol.take());
            net.decimals = change.decimals.or(net.decimals);
        }
    }

    fn drop_oldest(&mut self, max_queued: u64) -> u64 {
        let mut dropped = 0;
        while self.queue.len() as u64 > max_queued {
            let oldest = self.queue.iter().min_by_key(|(wallet, entry)| (entry.last_trade_at, *wallet));
            let Some(oldest) = oldest.map(|(wallet, _)| wallet.clone()) else { break };
            self.queue.remove(&oldest);
            dropped += 1;
        }
        dropped
    }

    fn leased_to(&mut self, job: &Job) -> Option<&mut QueueEntry> {
        self.queue.get_mut(&job.wallet).filter(|entry| entry.lease == job.lease)
    }

    fn next_number(&mut self) -> i64 {
        self.last_number += 1;
        self.last_number
    }
}

impl Queue for MemoryStore {
    async fn take(&self, now: u64, lease_ms: u64, resting: &[Arc<str>]) -> Result<Taken, Unavailable> {
        let mut state = self.state();
        let lease = state.next_number();
        let StoredState { queue, turns, asked, .. } = &mut *state;
        let waiting = queue.iter_mut().filter(|(wallet, _)| !resting.contains(&wallet.chain));
        let waiting: Vec<_> =
            waiting.map(|(wallet, entry)| (entry.due_at.max(entry.leased_until), wallet, entry)).collect();
        let next_due = waiting.iter().map(|(due_at, ..)| *due_at).min();
        let place = |wallet: &Wallet, entry: &QueueEntry| {
            let (turn, asked_at) = (turns.get(&wallet.chain).copied(), asked.get(wallet).copied());
            let last = (asked_at, Reverse(entry.last_trade_at));
            (turn, Arc::clone(&wallet.chain), asked_at.is_some(), entry.attempts > 0, last)
        };
        let due = waiting.into_iter().filter(|(due_at, ..)| *due_at <= now);
        let Some((_, wallet, entry)) = due.min_by_key(|(_, wallet, entry)| place(wallet, entry)) else {
            return Ok(Taken::Idle { next_due });
        };
        entry.lease = lease;
        entry.leased_until = now + lease_ms;
        let QueueEntry { generation, attempts, last_trade_height, late, .. } = *entry;
        let job = Job { wallet: wallet.clone(), lease, generation, attempts, last_trade_height, late };
        let turn = turns.values().max().copied().unwrap_or(0) + 1;
        turns.insert(Arc::clone(&job.wallet.chain), turn);
        Ok(Taken::Job(job))
    }

    async fn postpone(&self, job: &Job, to: &Postponement) -> Result<(), Unavailable> {
        let mut state = self.state();
        let Some(entry) = state.leased_to(job) else { return Ok(()) };
        entry.due_at = to.due_at;
        entry.attempts = to.attempts;
        entry.late = to.late;
        entry.lease = 0;
        entry.leased_until = 0;
        state.asked.extend(to.asked_at.map(|at| (job.wallet.clone(), at)));
        Ok(())
    }

    async fn abandon(&self, job: &Job, _: Failure) -> Result<(), Unavailable> {
        let mut state = self.state();
        if state.leased_to(job).is_some() {
            state.queue.remove(&job.wallet);
        }
        Ok(())
    }
}

impl Holdings for MemoryStore {
    async fn shown(&self, wallet: &Wallet) -> Result<ShownSnapshot, Unavailable> {
        let state = self.state();
        let Some((provider, left_out)) = state.newest.get(wallet) else { return Ok(ShownSnapshot::default()) };
        let of_provider = (wallet.clone(), provider.clone());
        let balances = state.balances.get(&of_provider).map(|(_, rows)| rows.clone()).unwrap_or_default();
        let of_wallet = state.balances.iter().filter(|((owner, _), _)| owner == wallet);
        let mut by_time: Vec<_> = of_wallet.map(|((_, provider), (at, rows))| (Reverse(at), provider, rows)).collect();
        by_time.sort_by_key(|(at, provider, _)| (*at, *provider));
        let known = |(_, provider, rows): (_, &String, &Vec<Balance>)| {
            let known = |row: &Balance| {
                let (provider, asset) = (provider.clone(), row.asset.clone());
                KnownDecoration { provider, asset, decoration: row.decoration.clone() }
            };
            rows.iter().map(known).collect::<Vec<_>>()
        };
        let decorations = by_time.into_iter().flat_map(known).collect();
        Ok(ShownSnapshot { balances, left_out: left_out.clone(), decorations })
    }

    async fn balances_from(&self, wallet: &Wallet, provider: &str) -> Result<Vec<Balance>, Unavailable> {
        let of_provider = (wallet.clone(), provider.to_owned());
        Ok(self.state().balances.get(&of_provider).map(|(_, rows)| rows.clone()).unwrap_or_default())
    }

    async fn replace(&self, refresh: &Refresh) -> Result<Replaced, Unavailable> {
        let mut state = self.state();
        let wallet = &refresh.job.wallet;
        let Some(entry) = state.leased_to(&refresh.job) else { return Ok(Replaced::Lost) };
        let is_traded = entry.generation != refresh.job.generation;
        match if is_traded { Some(refresh.again_at) } else { refresh.late_again_at } {
            None => _ = state.queue.remove(wallet),
            Some(due_at) => {
                entry.due_at = due_at;
                entry.late = if is_traded { 0 } else { refresh.job.late + 1 };
                entry.attempts = 0;
                entry.lease = 0;
                entry.leased_until = 0;
            }
        }
        let (taken_at, rows) = state.balances.entry((wallet.clone(), refresh.provider.to_owned())).or_default();
        *taken_at = refresh.taken_at;
        let mut after: BTreeMap<_, _> =
            rows.drain(..).map(|row| (row.asset.clone(), Balance { raw: Raw::ZERO, kept: false, ..row })).collect();
        after.extend(refresh.snapshot.balances().map(|balance| (balance.asset.clone(), balance.clone())));
        *rows = after.into_values().collect();
        state.asked.insert(wallet.clone(), refresh.taken_at);
        let newest = (refresh.provider.to_owned(), refresh.snapshot.left_out().cloned());
        state.newest.insert(wallet.clone(), newest);
        let drift = drift_from_nets(&refresh.snapshot, &state.nets_of_wallet(wallet));
        state.drift.insert(wallet.clone(), drift);
        for message in UpdateMessage::from_refresh(refresh) {
            let id = state.next_number();
            state.outbox.insert(id, message);
        }
        Ok(Replaced::Done)
    }

    async fn drift(&self, wallet: &Wallet) -> Result<Vec<Drift>, Unavailable> {
        Ok(self.state().drift.get(wallet).cloned().unwrap_or_default())
    }

    async fn nets(&self, wallet: &Wallet) -> Result<Vec<AssetNet>, Unavailable> {
        Ok(self.state().nets_of_wallet(wallet))
    }
}
