//! The mock node: serves the mock chain over HTTP, with branches, finality and faults drawn from a seed.
//!
//! ```no_run
//! # async fn f() -> anyhow::Result<()> {
//! let node = nodes::mock::Node::new(nodes::mock::Script { seed: 7, ..Default::default() });
//! let (address, _server) = node.serve("127.0.0.1:0".parse()?, nodes::mock::Faults::none()).await?;
//! node.grow(10);            // ten blocks
//! node.fork(3, 4);          // the newest three are replaced by four others
//! let truth = node.truth(); // what a perfect reader knows
//! # Ok(()) }
//! ```

mod branches;
mod faults;
mod server;

pub use faults::{ALL_FAULTS, Fault, Faults};
pub use server::Server;

use branches::{Branches, LeftBranches};
use mock_plugin::node::{Blocks, Head, Id, MockBlock, Swap};
use mock_plugin::{MockChain, Random, Settings};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a chain grows.
#[derive(Clone, Debug)]
pub struct Script {
    /// Another seed gives another chain and other branches.
    pub seed: u64,
    /// Trades in each block.
    pub trades_per_block: u32,
    /// How many trade.
    pub users: u64,
    /// Blocks until a block is final.
    pub finality: u64,
    /// One block in so many leaves a branch; 0 is never.
    pub reorg_one_in: u64,
    /// Most blocks that are left at once; below finality.
    pub reorg_depth: u64,
}

impl Default for Script {
    fn default() -> Self {
        Self { seed: 1, trades_per_block: 3, users: 50, finality: 70, reorg_one_in: 0, reorg_depth: 64 }
    }
}

/// A chain that grows on command. Clones share it.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    script: Script,
    settings: Settings,
    state: Mutex<ChainState>,
}

#[derive(Clone)]
struct ChainState {
    branches: Branches,
    finalized: u64,
    next_branch: u64,
    /// The blocks that were left last: a script may come back to them.
    left: Option<LeftBranches>,
    random: u64,
    /// The chain as it was some blocks ago, for heads that lag.
    earlier: VecDeque<(u64, Branches)>,
}

/// Earlier views kept for heads that lag.
const EARLIER: usize = 12;

impl Node {
    /// A chain with its first block.
    pub fn new(script: Script) -> Self {
        let Script { seed, trades_per_block, users, finality, .. } = script;
        let settings = Settings { seed, trades_per_block, users, finality, ..Settings::default() };
        let state = ChainState {
            branches: Branches::first(),
            finalized: 0,
            next_branch: 1,
            left: None,
            random: seed,
            earlier: VecDeque::new(),
        };
        Self(Arc::new(Inner { script, settings, state: Mutex::new(state) }))
    }

    /// Serves the chain, with these faults, until the server is dropped. One chain may be served at several addresses.
    pub async fn serve(&self, address: SocketAddr, faults: Faults) -> std::io::Result<(SocketAddr, Server)> {
        server::serve(self.clone(), address, faults).await
    }

    /// Adds blocks, without leaving any.
    pub fn grow(&self, blocks: u64) {
        let mut state = self.state();
        // Only the newest views are kept, so what comes before them is added at once.
        let at_once = blocks.saturating_sub(EARLIER as u64);
        state.branches.grow(at_once);
        state.settle(self.0.script.finality);
        for _ in at_once..blocks {
            state.remember();
            state.branches.grow(1);
            state.settle(self.0.script.finality);
        }
    }

    /// Leaves the newest blocks for a new branch of that length, which must not be shorter. Never below finality; answers
    /// how many were left.
    pub fn fork(&self, depth: u64, length: u64) -> u64 {
        let mut state = self.state();
        let branch = state.next_branch;
        state.next_branch += 1;
        state.leave(depth, |_| branch, length, self.0.script.finality)
    }

    /// Comes back to the blocks that were left last, as far as they go, and one block beyond what there is now.
    pub fn return_to_left(&self) -> u64 {
        let mut state = self.state();
        let Some(left) = state.left.clone() else { return 0 };
        let first = left.first;
        if first <= state.finalized || first > state.latest() {
            return 0;
        }
        let (depth, length) = (state.latest() + 1 - first, state.latest() + 2 - first);
        state.leave(depth, |height| left.at(height), length, self.0.script.finality)
    }

    /// The next moment of the script: mostly one block more, sometimes another branch, sometimes the one before.
    pub fn tick(&self) {
        let (draw, depth) = {
            let mut state = self.state();
            state.random = state.random.wrapping_add(1);
            let mut random = Random::from_words(&[self.0.script.seed, 77, state.random]);
            let script = &self.0.script;
            let draw = if script.reorg_one_in == 0 { 1 } else { random.below(script.reorg_one_in * 2) };
            // Mostly shallow, as on real chains.
            let deepest = if random.below(4) == 0 { script.reorg_depth } else { script.reorg_depth.min(4) };
            (draw, 1 + random.below(deepest.max(1)))
        };
        match draw {
            0 if self.return_to_left() > 0 => {}
            0 => drop(self.fork(depth, depth + 1)),
            draw if draw < 2 && self.0.script.reorg_one_in != 0 => drop(self.fork(depth, depth + 1)),
            _ => self.grow(1),
        }
    }

    /// A fork below what was called final: no honest node does this.
    pub fn break_finality(&self, depth: u64) {
        let mut state = self.state();
        state.finalized = state.finalized.min(state.latest().saturating_sub(depth + 1));
        let branch = state.next_branch;
        state.next_branch += 1;
        state.leave(depth, |_| branch, depth + 1, u64::MAX);
        state.settle(self.0.script.finality);
    }

    /// The height of the newest block.
    pub fn latest(&self) -> u64 {
        self.state().latest()
    }

    /// Every block of the winning branch with its trades, from the first on.
    pub fn truth(&self) -> Vec<MockBlock> {
        let state = self.state().clone();
        (0..=state.latest()).filter_map(|height| self.block(&state.branches, height)).collect()
    }

    fn head(&self, lag: usize) -> Head {
        let state = self.state();
        let now = (state.finalized, state.branches.clone());
        let (finalized, branches) = if lag == 0 {
            now
        } else {
            let at = state.earlier.len().saturating_sub(lag);
            state.earlier.get(at).cloned().unwrap_or(now)
        };
        drop(state);
        let latest = branches.latest();
        let id = |height: u64| Id { height, hash: self.hash(&branches, height) };
        Head { network: format!("mock/{}", self.0.script.seed), latest: id(latest), finalized: Some(id(finalized)) }
    }

    fn blocks(&self, first: u64, last: u64) -> Blocks {
        let branches = self.state().branches.clone();
        Blocks { blocks: (first..=last).map_while(|height| self.block(&branches, height)).collect() }
    }

    fn block(&self, branches: &Branches, height: u64) -> Option<MockBlock> {
        let branch = branches.at(height)?;
        let trades = self.swaps(height, branch);
        let parent = height.checked_sub(1).map(|below| Id { height: below, hash: self.hash(branches, below) });
        let hash = MockBlock::hash_of(self.0.script.seed, height, branch, &trades);
        let timestamp_ms = self.0.settings.timestamp_ms(height);
        Some(MockBlock { id: Id { height, hash }, parent, timestamp_ms, trades })
    }

    fn hash(&self, branches: &Branches, height: u64) -> String {
        let branch = branches.at(height).unwrap_or(0);
        MockBlock::hash_of(self.0.script.seed, height, branch, &self.swaps(height, branch))
    }

    fn swaps(&self, height: u64, branch: u64) -> Vec<Swap> {
        MockChain::swaps(&self.0.settings, height, branch)
    }

    fn state(&self) -> MutexGuard<'_, ChainState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChainState {
    fn latest(&self) -> u64 {
        self.branches.latest()
    }

    fn remember(&mut self) {
        self.earlier.push_back((self.finalized, self.branches.clone()));
        if self.earlier.len() > EARLIER {
            self.earlier.pop_front();
        }
    }

    fn settle(&mut self, finality: u64) {
        self.finalized = self.finalized.max(self.latest().saturating_sub(finality));
    }

    fn leave(&mut self, depth: u64, branch: impl Fn(u64) -> u64, length: u64, finality: u64) -> u64 {
        self.remember();
        let depth = depth.min(self.latest() - self.finalized);
        let first = self.latest() + 1 - depth;
        self.left = self.branches.leave(first);
        for height in first..first + length {
            self.branches.push(branch(height));
        }
        self.settle(finality);
        depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copying every height's branch for each new block would take longer than anybody waits for a test.
    #[test]
    fn a_long_chain_is_there_at_once() {
        let node = Node::new(Script::default());
        node.grow(3_000_000);
        node.fork(2, 3);
        assert_eq!(node.head(0).finalized.unwrap().height, 3_000_001 - 70);
        assert_eq!(node.head(5).latest.height, 2_999_996);
        let served = node.blocks(2_999_998, 3_000_005).blocks;
        assert_eq!(
            served.iter().map(|block| block.id.height).collect::<Vec<_>>(),
            [2_999_998, 2_999_999, 3_000_000, 3_000_001]
        );
        assert!(served.windows(2).all(|pair| pair[1].parent.as_ref() == Some(&pair[0].id)));
    }
}
