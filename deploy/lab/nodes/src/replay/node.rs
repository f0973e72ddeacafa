//! The replay node's state: its blocks, the head and finality it shows, and its next faults.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::ensure;

use super::facts::{ContractFacts, Contracts};
use super::faults::{Fault, Faults};
use super::recording::{Recording, read_all};
use super::server::{self, Server};

/// A node that serves recorded blocks. Clones share everything.
#[derive(Debug, Clone)]
pub struct Node(Arc<NodeState>);

/// Clones are one node.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Node {}

/// Blocks that are made anew whenever they are asked for, since all together they would not fit into memory.
#[derive(Clone)]
pub struct MadeBlocks {
    /// First height.
    pub first: u64,
    /// Last height.
    pub last: u64,
    /// The block of a height between these.
    pub make: Arc<dyn Fn(u64) -> Recording + Send + Sync>,
}

impl std::fmt::Debug for MadeBlocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "blocks {} to {}", self.first, self.last)
    }
}

#[derive(Debug)]
struct NodeState {
    chain_id: u64,
    facts: ContractFacts,
    chain: RwLock<ShownChain>,
    faults: Mutex<Faults>,
    requests: AtomicU64,
    calls: AtomicU64,
    /// Calls by their method.
    calls_of: Mutex<HashMap<String, u64>>,
    lies: AtomicU64,
    /// Bytes of all bodies that were sent.
    sent_bytes: AtomicU64,
    has_raw_receipts: AtomicBool,
    has_gzip: AtomicBool,
}

/// The blocks, and how much of them is shown.
#[derive(Debug)]
pub(super) struct ShownChain {
    blocks: BTreeMap<u64, Arc<Recording>>,
    /// Blocks that are made when they are asked for.
    made: Option<MadeBlocks>,
    heights: HashMap<String, u64>,
    head: u64,
    /// How far finality trails the head.
    finality: u64,
}

impl Node {
    /// A node of Ethereum with every recording in a folder, its head at the highest.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        Self::load_chain(dir, 1)
    }

    /// The same for another chain.
    pub fn load_chain(dir: &Path, chain_id: u64) -> anyhow::Result<Self> {
        Self::from_recordings(chain_id, read_all(dir, chain_id)?)
    }

    /// A node of a chain with these blocks, its head at the highest.
    pub fn from_recordings(chain_id: u64, recordings: Vec<Recording>) -> anyhow::Result<Self> {
        Self::knowing(chain_id, ContractFacts::of_chain(chain_id)?, recordings)
    }

    /// A node of an invented chain that says it is this one: its headers and receipts, and what its contracts return.
    pub fn invented<'a>(
        chain_id: u64,
        blocks: impl Iterator<Item = (&'a str, &'a str)>,
        contracts: Contracts,
    ) -> anyhow::Result<Self> {
        let recordings = blocks.map(|(block, receipts)| Recording::from_answers(chain_id, block, receipts));
        Self::knowing(
            chain_id,
            ContractFacts::of_chain(chain_id)?.with(contracts),
            recordings.collect::<anyhow::Result<_>>()?,
        )
    }

    /// A node of a chain whose blocks are made when they are asked for, its head at the highest; it finds none by hash.
    pub fn making(chain_id: u64, blocks: MadeBlocks) -> anyhow::Result<Self> {
        ensure!(blocks.first <= blocks.last, "no block of chain {chain_id}");
        let node = Self::showing(chain_id, ContractFacts::of_chain(chain_id)?);
        node.write(|chain| (chain.head, chain.made) = (blocks.last, Some(blocks)));
        Ok(node)
    }

    fn knowing(chain_id: u64, facts: ContractFacts, recordings: Vec<Recording>) -> anyhow::Result<Self> {
        ensure!(!recordings.is_empty(), "no recorded block of chain {chain_id}");
        let node = Self::showing(chain_id, facts);
        for recording in recordings {
            ensure!(recording.chain_id == chain_id, "block {} is of chain {}", recording.hash, recording.chain_id);
            node.write(|chain| {
                chain.head = chain.head.max(recording.height);
                chain.insert(recording);
            });
        }
        Ok(node)
    }

    /// A node without blocks.
    fn showing(chain_id: u64, facts: ContractFacts) -> Self {
        let chain = ShownChain { blocks: BTreeMap::new(), made: None, heights: HashMap::new(), head: 0, finality: 2 };
        Self(Arc::new(NodeState {
            chain_id,
            facts,
            chain: RwLock::new(chain),
            faults: Mutex::default(),
            requests: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            calls_of: Mutex::default(),
            lies: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            has_raw_receipts: AtomicBool::new(false),
            has_gzip: AtomicBool::new(false),
        }))
    }

    /// Listens on an address (port 0 picks one) until the [`Server`] is dropped.
    pub async fn serve(&self, address: SocketAddr) -> std::io::Result<(SocketAddr, Server)> {
        self.serve_beside(address, axum::Router::new()).await
    }

    /// The same, with another node under a path of its own.
    pub async fn serve_beside(
        &self,
        address: SocketAddr,
        beside: axum::Router,
    ) -> std::io::Result<(SocketAddr, Server)> {
        server::serve(self.clone(), address, beside).await
    }

    /// Shows the blocks up to this height and no others.
    pub fn set_head(&self, height: u64) {
        self.write(|chain| chain.head = height);
    }

    /// The height of the head that is shown.
    pub fn head(&self) -> u64 {
        self.read(|chain| chain.head)
    }

    /// How many blocks `finalized` trails the head; 2 from the start. Below the first recording only the genesis is.
    pub fn set_finality(&self, blocks: u64) {
        self.write(|chain| chain.finality = blocks);
    }

    /// Adds a block, in place of another one of the same height. The head stays where it is.
    pub fn add(&self, recording: Recording) {
        self.write(|chain| chain.insert(recording));
    }

    /// What goes wrong from now on.
    pub fn faults(&self, faults: Faults) {
        *self.0.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Whether it serves `debug_getRawReceipts`; at first it does not.
    pub fn serve_raw_receipts(&self, is_served: bool) {
        self.0.has_raw_receipts.store(is_served, Ordering::Relaxed);
    }

    /// Whether it compresses answers for clients that accept gzip; at first it does not.
    pub fn serve_gzip(&self, is_served: bool) {
        self.0.has_gzip.store(is_served, Ordering::Relaxed);
    }

    /// The heights of all recordings, shown or not, lowest first.
    pub fn heights(&self) -> Vec<u64> {
        self.read(|chain| chain.blocks.keys().copied().collect())
    }

    /// HTTP requests received so far.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// JSON-RPC calls received so far: a batch of 100 counts 100.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Calls of one method received so far.
    pub fn calls_of(&self, method: &str) -> u64 {
        self.0.calls_of.lock().unwrap_or_else(PoisonError::into_inner).get(method).copied().unwrap_or(0)
    }

    /// Bytes of all bodies sent so far, compressed where they were.
    pub fn sent_bytes(&self) -> u64 {
        self.0.sent_bytes.load(Ordering::Relaxed)
    }

    /// Whole answers so far that were not the truth.
    pub fn lies(&self) -> u64 {
        self.0.lies.load(Ordering::Relaxed)
    }

    pub(super) fn chain_id(&self) -> u64 {
        self.0.chain_id
    }

    pub(super) fn facts(&self) -> &ContractFacts {
        &self.0.facts
    }

    /// The number of the next request, and what goes wrong with it.
    pub(super) fn next_fault(&self) -> (u64, Option<Fault>) {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        (number, self.fault())
    }

    fn fault(&self) -> Option<Fault> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    pub(super) fn has_raw_receipts(&self) -> bool {
        self.0.has_raw_receipts.load(Ordering::Relaxed)
    }

    pub(super) fn has_gzip(&self) -> bool {
        self.0.has_gzip.load(Ordering::Relaxed)
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.0.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_call(&self, method: &str) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        let mut calls_of = self.0.calls_of.lock().unwrap_or_else(PoisonError::into_inner);
        match calls_of.get_mut(method) {
            Some(calls) => *calls += 1,
            None => drop(calls_of.insert(method.to_owned(), 1)),
        }
    }

    pub(super) fn count_lie(&self) {
        self.0.lies.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&ShownChain) -> T) -> T {
        look(&self.0.chain.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut ShownChain)) {
        change(&mut self.0.chain.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ShownChain {
    fn insert(&mut self, recording: Recording) {
        let (height, hash) = (recording.height, recording.hash.clone());
        if let Some(loser) = self.blocks.insert(height, Arc::new(recording)) {
            self.heights.remove(&loser.hash);
        }
        self.heights.insert(hash, height);
    }

    /// The head as shown, `behind` blocks lower.
    pub(super) fn head(&self, behind: u64) -> Option<Arc<Recording>> {
        self.below(self.head.saturating_sub(behind))
    }

    /// What is called final when the head is `behind` blocks lower; none when that is below the first recording.
    pub(super) fn finalized(&self, behind: u64) -> Option<Arc<Recording>> {
        self.below(self.head.saturating_sub(behind).saturating_sub(self.finality))
    }

    pub(super) fn at(&self, height: u64, behind: u64) -> Option<Arc<Recording>> {
        (height <= self.head.saturating_sub(behind)).then(|| self.block(height)).flatten()
    }

    fn block(&self, height: u64) -> Option<Arc<Recording>> {
        let made = || {
            let made = self.made.as_ref().filter(|made| (made.first..=made.last).contains(&height))?;
            Some(Arc::new((made.make)(height)))
        };
        self.blocks.get(&height).cloned().or_else(made)
    }

    pub(super) fn by_hash(&self, hash: &str, behind: u64) -> Option<Arc<Recording>> {
        self.at(*self.heights.get(hash)?, behind)
    }

    pub(super) fn range(&self, first: u64, last: u64, behind: u64) -> Vec<Arc<Recording>> {
        let last = last.min(self.head.saturating_sub(behind));
        if first > last {
            Vec::new()
        } else {
            self.blocks.range(first..=last).map(|(_, block)| block.clone()).collect()
        }
    }

    fn below(&self, height: u64) -> Option<Arc<Recording>> {
        if let Some(made) = &self.made {
            return self.block(height.min(made.last));
        }
        self.blocks.range(..=height).next_back().map(|(_, block)| block.clone())
    }
}
