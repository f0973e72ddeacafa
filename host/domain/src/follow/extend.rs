//! Extends the branch: scans the next span, gathers what is there already behind it, and appends it all as one step.

use super::{Activity, FollowObserver, Follower, TurnError};
use crate::block::{Block, Tip};
use crate::ports::{ChainReader, Clock, Failure, Lease};
use crate::window::{Relation, Window};
use std::sync::Arc;

/// What a scan says about the branch that is followed.
enum NextSpan {
    /// It goes on.
    Continues(Span),
    /// Its first block stands on another one.
    Breaks,
}

/// The blocks of a span that continue the branch.
struct Span {
    fresh: Vec<Block>,
    through: u64,
    digest: Arc<str>,
    /// The branch with them.
    branch: Window,
    /// Whether the whole span was scanned.
    is_whole: bool,
}

impl Span {
    fn trades(&self) -> usize {
        self.fresh.iter().map(|block| block.trades.len()).sum()
    }
}

impl<C: ChainReader, L: Lease, K: Clock, O: FollowObserver> Follower<'_, C, L, K, O> {
    /// Appends the next span, and in the same step what is there already of those after it.
    pub(super) async fn extend(&mut self, tip: &Tip, first: u64) -> Result<Activity, TurnError> {
        let mut gathered = match self.scan_span(tip, first, self.window.clone()).await? {
            NextSpan::Continues(span) => span,
            NextSpan::Breaks => return self.leave_branch(tip).await,
        };
        if gathered.through < first && gathered.fresh.is_empty() {
            return Err(Failure::NotYet(first).into());
        }
        while gathered.is_whole && !self.is_narrowed && gathered.trades() < self.plan.step_changes {
            let first = gathered.through + 1;
            if first > tip.latest.height || !self.chain.has_ready(first) {
                break;
            }
            let NextSpan::Continues(next) = self.scan_span(tip, first, gathered.branch.clone()).await? else { break };
            if next.digest != gathered.digest {
                let Span { fresh, through, digest, .. } = gathered;
                self.append(tip, vec![], fresh, through, &digest).await?;
                gathered = next;
                break;
            }
            gathered.fresh.extend(next.fresh);
            gathered = Span { fresh: gathered.fresh, ..next };
        }
        let Span { fresh, through, digest, .. } = gathered;
        self.append(tip, vec![], fresh, through, &digest).await
    }

    /// The next span on a branch.
    async fn scan_span(&mut self, tip: &Tip, first: u64, mut branch: Window) -> Result<NextSpan, TurnError> {
        let last = tip.latest.height.min(first.saturating_add(self.span - 1));
        let finalized = tip.finalized.as_ref().map(|id| id.height);
        let scanned = self.scan(first, last, finalized).await?;
        let mut fresh: Vec<Block> = vec![];
        for block in scanned.blocks {
            match branch.relation(&block) {
                Relation::Known => {}
                Relation::Extends => {
                    branch.push(&block.id);
                    fresh.push(block);
                }
                Relation::Breaks if fresh.is_empty() => return Ok(NextSpan::Breaks),
                // The endpoint changed its branch within one answer: the blocks that fit are kept, the rest is read
                // again.
                Relation::Breaks => {
                    let through = fresh.last().map_or(0, |block| block.id.height);
                    let digest = scanned.digest;
                    return Ok(NextSpan::Continues(Span { fresh, through, digest, branch, is_whole: false }));
                }
            }
        }
        let is_whole = scanned.through == last;
        Ok(NextSpan::Continues(Span { fresh, through: scanned.through, digest: scanned.digest, branch, is_whole }))
    }
}
