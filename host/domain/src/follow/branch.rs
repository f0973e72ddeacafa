//! A branch is left: the common ancestor is found, what stands above it is given back, the other branch is taken.

use super::{Break, DEEP, Follower, Look, Trouble, Witness};
use crate::block::Tip;
use crate::ports::{Chain, Clock, Failure, Lease};
use crate::window::Relation;
use std::sync::Arc;
use tape::BlockId;

impl<C: Chain, L: Lease, K: Clock, W: Witness> Follower<'_, C, L, K, W> {
    /// Goes back to the newest block that the endpoint has too, and takes its branch from there.
    pub(super) async fn leave_branch(&mut self, tip: &Tip) -> Result<Look, Trouble> {
        let finalized = tip.finalized.as_ref().map(|id| id.height);
        let floor = self.cursor.as_ref().and_then(|cursor| cursor.finalized.as_ref()).map(|id| id.height);
        let common = self.common_height(tip, finalized, floor).await?;
        // Nothing is final yet and all that was ever taken is at hand: all of it can be given back.
        let whole = self.window.oldest().filter(|_| floor.is_none() && self.window.len() < DEEP);
        let Some(common) = common.or_else(|| whole.map(|oldest| oldest.saturating_sub(1))) else {
            self.demand_that_it_is_gone(self.window.head(), tip).await?;
            return Err(self.below_finality(floor).into());
        };
        let ours = self.window.head().map_or(common, |head| head.height);
        let mut branch = self.window.clone();
        let (mut ancestor, mut through, mut fresh) = (common, common, vec![]);
        let mut digest = self.cursor.as_ref().map_or_else(|| Arc::from(""), |cursor| Arc::clone(&cursor.digest));
        while fresh.is_empty() && through < tip.latest.height.min(ours) {
            let first = through + 1;
            let last = tip.latest.height.min(through.saturating_add(self.span));
            let scanned = self.chain.scan(first, last, finalized).await?;
            for block in scanned.blocks {
                if fresh.is_empty() && branch.holds(&block.id) {
                    ancestor = block.id.height;
                    continue;
                }
                if fresh.is_empty() {
                    branch.pop_above(ancestor);
                }
                if branch.relation(&block) != Relation::Extends {
                    return Err(Failure::Reorged.into());
                }
                branch.push(&block.id);
                fresh.push(block);
            }
            if scanned.through < first {
                return Err(Failure::NotYet(first).into());
            }
            through = scanned.through;
            digest = scanned.digest;
        }
        if self.window.head().is_none_or(|head| head.height <= ancestor) {
            // All that we have is on the endpoint's branch after all.
            return if fresh.is_empty() {
                Ok(Look::Idle)
            } else {
                self.append(tip, vec![], fresh, through, &digest).await
            };
        }
        self.demand_that_it_is_gone(self.window.above(ancestor), tip).await?;
        let orphans = self.lease.above(ancestor).await.map_err(Break::Claim)?;
        let mut left = self.window.clone().pop_above(ancestor);
        self.witness.reorged(&self.plan.chain, ancestor, left.len());
        let mut reverts = vec![];
        for id in left.drain(..) {
            let trades = orphans.iter().find(|(orphan, _)| *orphan == id).map(|(_, trades)| trades.clone());
            let Some(trades) = trades else {
                let why = format!("the journal holds no trades of block {id}, which must be taken back");
                return Err(Failure::Hopeless(why).into());
            };
            reverts.push((id, trades));
        }
        self.append(tip, reverts, fresh, through, &digest).await
    }

    /// A height at which the endpoint has the block that we have; none down to the oldest we know.
    async fn common_height(
        &mut self,
        tip: &Tip,
        finalized: Option<u64>,
        floor: Option<u64>,
    ) -> Result<Option<u64>, Trouble> {
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

    /// A branch is left only when nobody who is as far still has it: one endpoint that shows another is sick.
    async fn demand_that_it_is_gone(&mut self, block: Option<BlockId>, tip: &Tip) -> Result<(), Trouble> {
        match block {
            Some(block) if self.chain.still_has(&block, tip).await? => Err(Failure::Reorged.into()),
            _ => Ok(()),
        }
    }

    fn below_finality(&self, floor: Option<u64>) -> Failure {
        let chain = &self.plan.chain;
        let floor = floor.map_or_else(|| "the oldest block known".to_owned(), |height| format!("height {height}"));
        Failure::Hopeless(format!(
            "the chain left its branch below {floor}, which was final; check the endpoints, then run: \
             chain-ingestor rewind --chain {chain} --to HEIGHT"
        ))
    }
}
