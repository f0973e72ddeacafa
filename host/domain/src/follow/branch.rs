//! Handles a reorg: finds the common ancestor, takes back what stands above it, and appends the other branch.

use super::{Activity, FollowObserver, Follower, Interruption, MAX_REORG_BLOCKS, Plan, TurnError};
use crate::block::{Block, Tip};
use crate::ports::{ChainReader, Clock, Failure, Lease};
use crate::window::Relation;
use std::sync::Arc;
use tape::{BlockId, Trade};

/// The endpoint's branch as far as it was read.
struct OtherBranch {
    /// The newest height at which both branches have the same block.
    ancestor: u64,
    /// The first blocks of the other branch above it.
    fresh: Vec<Block>,
    /// Every height up to this one was read.
    through: u64,
    /// Digest of the code that scanned them.
    digest: Arc<str>,
}

impl<C: ChainReader, L: Lease, K: Clock, O: FollowObserver> Follower<'_, C, L, K, O> {
    /// Goes back to the newest block that the endpoint has too, and takes its branch from there.
    pub(super) async fn leave_branch(&mut self, tip: &Tip) -> Result<Activity, TurnError> {
        let finalized = tip.finalized.as_ref().map(|id| id.height);
        let floor = self.cursor.as_ref().and_then(|cursor| cursor.finalized.as_ref()).map(|id| id.height);
        let common = self.common_height(tip, finalized, floor).await?;
        // Nothing is final yet and all blocks that were ever appended are known: all of them can be taken back.
        let whole = self.window.oldest().filter(|_| floor.is_none() && self.window.len() < MAX_REORG_BLOCKS);
        let Some(common) = common.or_else(|| whole.map(|oldest| oldest.saturating_sub(1))) else {
            self.confirm_gone(self.window.head(), tip).await?;
            let safe = self.common_below(tip, finalized, floor).await?;
            return Err(self.below_finality(floor, safe).into());
        };
        let other = self.read_other_branch(tip, finalized, common).await?;
        if self.window.head().is_none_or(|head| head.height <= other.ancestor) {
            // All blocks that we have are on the endpoint's branch after all.
            return if other.fresh.is_empty() {
                Ok(Activity::Idle)
            } else {
                self.append(tip, vec![], other.fresh, other.through, &other.digest).await
            };
        }
        self.confirm_gone(self.window.above(other.ancestor), tip).await?;
        let reverts = self.blocks_to_revert(other.ancestor).await?;
        self.append(tip, reverts, other.fresh, other.through, &other.digest).await
    }

    /// Reads the endpoint's branch from a common height up to its first block that we do not have.
    async fn read_other_branch(
        &mut self,
        tip: &Tip,
        finalized: Option<u64>,
        common: u64,
    ) -> Result<OtherBranch, TurnError> {
        let ours = self.window.head().map_or(common, |head| head.height);
        let mut branch = self.window.clone();
        let digest = self.cursor.as_ref().map_or_else(|| Arc::from(""), |cursor| Arc::clone(&cursor.digest));
        let mut other = OtherBranch { ancestor: common, fresh: vec![], through: common, digest };
        while other.fresh.is_empty() && other.through < tip.latest.height.min(ours) {
            let first = other.through + 1;
            let last = tip.latest.height.min(other.through.saturating_add(self.span));
            let scanned = self.scan(first, last, finalized).await?;
            for block in scanned.blocks {
                if other.fresh.is_empty() && branch.holds(&block.id) {
                    other.ancestor = block.id.height;
                    continue;
                }
                if other.fresh.is_empty() {
                    branch.pop_above(other.ancestor);
                }
                if branch.relation(&block) != Relation::Extends {
                    return Err(Failure::Reorged.into());
                }
                branch.push(&block.id);
                other.fresh.push(block);
            }
            if scanned.through < first {
                return Err(Failure::NotYet(first).into());
            }
            other.through = scanned.through;
            other.digest = scanned.digest;
        }
        Ok(other)
    }

    /// Our blocks above the ancestor with their trades, newest first.
    async fn blocks_to_revert(&mut self, ancestor: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, TurnError> {
        let journalled = self.lease.journalled_above(ancestor).await.map_err(Interruption::ClaimAgain)?;
        let left = self.window.clone().pop_above(ancestor);
        self.observer.reorged(&self.plan.chain, ancestor, left.len());
        let with_trades = |id: BlockId| {
            let found = journalled.iter().find(|(block, _)| *block == id);
            let trades = found.map(|(_, trades)| trades.clone()).ok_or_else(|| {
                let Plan { chain, command, .. } = self.plan;
                Failure::Hopeless(format!(
                    "the journal holds no trades of block {id}, which must be taken back; take them back from the \
                     tape itself: {command} rewind --chain {chain} --to {ancestor}"
                ))
            })?;
            Ok((id, trades))
        };
        left.into_iter().map(with_trades).collect()
    }

    /// A height at which the endpoint has the same block as we; none if there is none down to the oldest that we know.
    async fn common_height(
        &mut self,
        tip: &Tip,
        finalized: Option<u64>,
        floor: Option<u64>,
    ) -> Result<Option<u64>, TurnError> {
        for probe in self.window.probes(floor) {
            if probe > tip.latest.height {
                continue;
            }
            let scanned = self.chain.scan(probe, probe, finalized).await?;
            if scanned.blocks.iter().any(|block| self.window.holds(&block.id)) {
                return Ok(Some(probe));
            }
        }
        Ok(None)
    }

    /// Fails while an endpoint that is as far still has a block of ours: then the one that shows another branch is
    /// wrong.
    async fn confirm_gone(&mut self, block: Option<BlockId>, tip: &Tip) -> Result<(), TurnError> {
        match block {
            Some(block) if self.chain.still_has(&block, tip).await? => Err(Failure::Reorged.into()),
            _ => Ok(()),
        }
    }

    /// The highest height known to us, final or not, at which the endpoint has the same block as we.
    async fn common_below(
        &mut self,
        tip: &Tip,
        finalized: Option<u64>,
        floor: Option<u64>,
    ) -> Result<Option<u64>, TurnError> {
        let ceiling = floor.unwrap_or(u64::MAX).min(tip.latest.height.saturating_add(1));
        let known = self.window.heights_below(ceiling);
        // The branches part once: what is common lies below what is not.
        let (mut common, mut other) = (0, known.len());
        while common < other {
            let middle = common.midpoint(other);
            let scanned = self.chain.scan(known[middle], known[middle], finalized).await?;
            if scanned.blocks.iter().any(|block| self.window.holds(&block.id)) {
                common = middle + 1;
            } else {
                other = middle;
            }
        }
        Ok(common.checked_sub(1).map(|newest| known[newest]))
    }

    /// The chain left its branch below what was final; `safe` is a height of both branches, if one is known.
    fn below_finality(&self, floor: Option<u64>, safe: Option<u64>) -> Failure {
        let Plan { chain, command, .. } = self.plan;
        let oldest = self.window.oldest().unwrap_or(0);
        let floor = floor.map_or_else(|| "the oldest block known".to_owned(), |height| format!("height {height}"));
        let (to, known) = match safe {
            Some(safe) => (safe, "the newest height known to both branches"),
            None => (oldest.saturating_sub(1), "below the oldest block known, for no block is on both branches"),
        };
        Failure::Hopeless(format!(
            "the chain left its branch below {floor}, which was final; check the endpoints, then run: \
             {command} rewind --chain {chain} --to {to} ({known})"
        ))
    }
}
