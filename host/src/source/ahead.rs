//! Scans ahead: while a chain is far below its final head, the spans after the one that is asked for are scanned at the same
//! time, each in an instance of its own, and handed over in order.
//!
//! **Invariant:** what was scanned ahead is what a scan would give: by the same version with the same settings, of heights that
//! are final, and whole. Anything else is dropped and scanned in the ordinary way, with its retries and its policy.
//!
//! How many spans are scanned ahead follows from the waiting: twice as many while the next one is not ready when it is asked for,
//! half as many after one that failed, and after an endpoint has said that it is asked too often.

use ingest_domain::Scanned;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use tokio_util::task::AbortOnDropHandle;

/// Trades that may wait ahead; no span is begun while there are more.
const MAX_TRADES_AHEAD: usize = 50_000;

/// Walks that are told apart: what is new, and the past that is filled in by turns with it.
const MAX_WALKS: usize = 2;

/// Bounds of what is scanned ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Spans at most.
    pub(super) spans: usize,
    /// The height that is final.
    pub(super) finalized: Option<u64>,
    /// Whether an endpoint has said since the last plan that it is asked too often.
    pub(super) is_limited: bool,
}

/// The spans that are scanned ahead.
#[derive(Default)]
pub(super) struct Ahead {
    /// The one that was used last stands last.
    walks: Vec<Walk>,
}

/// Spans that follow each other.
struct Walk {
    /// The height that is asked for next.
    next: u64,
    /// How many spans are to be scanned ahead.
    depth: usize,
    /// Whether the span that was taken last had to be waited for.
    was_waited_for: bool,
    spans: VecDeque<Span>,
}

struct Span {
    first: u64,
    last: u64,
    scan: AbortOnDropHandle<Option<Scanned>>,
    /// How many trades it has, once it is scanned; none where that failed.
    trades: Arc<OnceLock<Option<usize>>>,
}

impl Ahead {
    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.walks.clear();
    }

    /// Whether anything is scanned ahead.
    pub(super) fn is_busy(&self) -> bool {
        self.walks.iter().any(|walk| !walk.spans.is_empty())
    }

    /// Whether the span that begins at a height is there.
    pub(super) fn is_ready(&self, first: u64) -> bool {
        let next = self.walks.iter().find_map(|walk| walk.spans.front().filter(|span| span.first == first));
        next.is_some_and(|span| span.trades.get().is_some_and(Option::is_some))
    }

    /// The span that begins at a height, of at most these heights, if it was scanned ahead; waits where it is not yet there.
    pub(super) async fn take(&mut self, first: u64, last: u64) -> Option<Scanned> {
        let walk = self.walk_at(first);
        let span = walk.spans.pop_front()?;
        if span.first != first || span.last > last {
            walk.spans.clear();
            return None;
        }
        walk.was_waited_for = span.trades.get().is_none();
        let scanned = span.scan.await.ok().flatten();
        if scanned.is_none() {
            walk.spans.clear();
            walk.depth /= 2;
            walk.was_waited_for = false;
        }
        scanned
    }

    /// Begins to scan what follows a span that went from one height through another.
    pub(super) fn plan(
        &mut self,
        (first, through): (u64, u64),
        width: u64,
        bounds: Bounds,
        mut begin: impl FnMut(u64, u64) -> AbortOnDropHandle<Option<Scanned>>,
    ) {
        let walk = self.walk_at(first);
        walk.next = through.saturating_add(1);
        if walk.spans.front().is_some_and(|span| span.first != walk.next) {
            walk.spans.clear();
        }
        // Waiting for an endpoint that is asked too often is no reason to ask it more.
        match (bounds.is_limited, std::mem::take(&mut walk.was_waited_for)) {
            (true, _) => walk.depth = walk.depth.div_ceil(2),
            (false, true) => walk.depth *= 2,
            (false, false) => {}
        }
        walk.depth = walk.depth.min(bounds.spans);
        while walk.spans.len() < walk.depth && walk.trades() < MAX_TRADES_AHEAD {
            let first = walk.spans.back().map_or(walk.next, |span| span.last + 1);
            let last = first.saturating_add(width.max(1) - 1);
            if bounds.finalized.is_none_or(|finalized| last > finalized) {
                break;
            }
            let trades = Arc::<OnceLock<_>>::default();
            let scan = count(begin(first, last), Arc::clone(&trades));
            walk.spans.push_back(Span { first, last, scan, trades });
        }
        // The first span that follows another begins with one ahead.
        walk.depth = walk.depth.max(1);
    }

    /// The walk that asks for this height next, or a new one in place of that which was used least lately.
    fn walk_at(&mut self, next: u64) -> &mut Walk {
        let at = self.walks.iter().position(|walk| walk.next == next);
        let walk = match at {
            Some(at) => self.walks.remove(at),
            None => Walk { next, depth: 0, was_waited_for: false, spans: VecDeque::new() },
        };
        if self.walks.len() == MAX_WALKS {
            self.walks.remove(0);
        }
        self.walks.push(walk);
        let last = self.walks.len() - 1;
        &mut self.walks[last]
    }
}

impl Walk {
    fn trades(&self) -> usize {
        self.spans.iter().filter_map(|span| span.trades.get().copied().flatten()).sum()
    }
}

/// Tells how many trades a scan has found as soon as it ends.
fn count(
    scan: AbortOnDropHandle<Option<Scanned>>,
    trades: Arc<OnceLock<Option<usize>>>,
) -> AbortOnDropHandle<Option<Scanned>> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let scanned = scan.await.ok().flatten();
        let count = |scanned: &Scanned| scanned.blocks.iter().map(|block| block.trades.len()).sum();
        let _ = trades.set(scanned.as_ref().map(count));
        scanned
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::sync::Mutex;

    const BOUNDS: Bounds = Bounds { spans: 4, finalized: Some(1_000), is_limited: false };

    fn scanned(last: u64) -> Scanned {
        Scanned { blocks: vec![], through: last, digest: "d".into() }
    }

    fn spawn(scan: impl Future<Output = Option<Scanned>> + Send + 'static) -> AbortOnDropHandle<Option<Scanned>> {
        AbortOnDropHandle::new(tokio::spawn(scan))
    }

    /// Plans with scans that end at once; returns the spans that were begun.
    fn plan(ahead: &mut Ahead, span: (u64, u64), bounds: Bounds) -> Vec<(u64, u64)> {
        let begun = Mutex::new(vec![]);
        ahead.plan(span, 10, bounds, |first, last| {
            begun.lock().unwrap().push((first, last));
            spawn(ready(Some(scanned(last))))
        });
        begun.into_inner().unwrap()
    }

    #[tokio::test]
    async fn spans_come_in_order_and_more_are_begun_while_the_next_has_to_be_waited_for() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.take(0, 9).await, None);
        assert_eq!(plan(&mut ahead, (0, 9), BOUNDS), [], "one span alone follows nothing");
        assert_eq!(ahead.take(10, 19).await, None);
        assert_eq!(plan(&mut ahead, (10, 19), BOUNDS), [(20, 29)]);
        assert_eq!(ahead.take(20, 29).await, Some(scanned(29)), "it was not ready: twice as many");
        assert_eq!(plan(&mut ahead, (20, 29), BOUNDS), [(30, 39), (40, 49)]);
        while !(ahead.is_ready(30)) {
            tokio::task::yield_now().await;
        }
        assert_eq!(ahead.take(30, 39).await, Some(scanned(39)), "it was ready: as many");
        assert_eq!(plan(&mut ahead, (30, 39), BOUNDS), [(50, 59)]);
        assert!(!ahead.is_ready(30) && ahead.is_busy());
    }

    async fn with_two_ahead() -> Ahead {
        let mut ahead = Ahead::default();
        for first in [0, 10] {
            ahead.take(first, first + 9).await;
            plan(&mut ahead, (first, first + 9), BOUNDS);
        }
        assert!(ahead.take(20, 29).await.is_some());
        assert_eq!(plan(&mut ahead, (20, 29), BOUNDS).len(), 2);
        ahead
    }

    #[tokio::test]
    async fn an_endpoint_that_is_asked_too_often_is_asked_for_half_as_much() {
        let mut ahead = with_two_ahead().await;
        assert!(ahead.take(30, 39).await.is_some());
        assert_eq!(plan(&mut ahead, (30, 39), BOUNDS), [(50, 59), (60, 69), (70, 79)], "four ahead");
        let limited = Bounds { is_limited: true, ..BOUNDS };
        for (first, begun) in [(40, 0), (50, 0), (60, 0), (70, 1), (80, 1)] {
            assert!(ahead.take(first, first + 9).await.is_some(), "nothing is dropped");
            assert_eq!(plan(&mut ahead, (first, first + 9), limited).len(), begun, "{first}");
        }
        assert!(ahead.take(90, 99).await.is_some());
        assert_eq!(plan(&mut ahead, (90, 99), BOUNDS).len(), 2, "more again");
    }

    #[tokio::test]
    async fn what_does_not_fit_is_dropped() {
        let mut narrower = with_two_ahead().await;
        assert_eq!(narrower.take(30, 34).await, None, "fewer heights are asked for");
        assert!(!narrower.is_busy());
        let mut short = with_two_ahead().await;
        assert!(short.take(30, 39).await.is_some());
        assert_eq!(plan(&mut short, (30, 35), BOUNDS)[0], (36, 45), "the span ended early");
        let mut wider = with_two_ahead().await;
        assert_eq!(wider.take(30, 50).await, Some(scanned(39)), "more heights are asked for");
    }

    #[tokio::test]
    async fn after_a_failure_everything_is_dropped_and_half_as_many_are_begun() {
        let mut ahead = Ahead::default();
        for first in [0, 10] {
            ahead.take(first, first + 9).await;
            ahead.plan((first, first + 9), 10, BOUNDS, |_, _| spawn(ready(None)));
        }
        assert!(!ahead.is_ready(20));
        assert_eq!(ahead.take(20, 29).await, None);
        assert!(!ahead.is_busy());
        assert_eq!(plan(&mut ahead, (20, 29), BOUNDS), []);
    }

    #[tokio::test]
    async fn nothing_is_begun_beyond_what_is_final_or_beyond_the_bound() {
        for (bounds, begun) in [
            (Bounds { finalized: None, ..BOUNDS }, 0),
            (Bounds { finalized: Some(28), ..BOUNDS }, 0),
            (Bounds { finalized: Some(29), ..BOUNDS }, 1),
            (Bounds { spans: 0, ..BOUNDS }, 0),
        ] {
            let mut ahead = Ahead::default();
            plan(&mut ahead, (0, 9), bounds);
            ahead.take(10, 19).await;
            assert_eq!(plan(&mut ahead, (10, 19), bounds).len(), begun, "{bounds:?}");
        }
    }

    #[tokio::test]
    async fn two_walks_do_not_disturb_each_other_and_a_third_takes_the_place_of_the_oldest() {
        let mut ahead = with_two_ahead().await;
        plan(&mut ahead, (500, 509), BOUNDS);
        assert!(ahead.take(30, 39).await.is_some());
        plan(&mut ahead, (30, 39), BOUNDS);
        ahead.take(510, 519).await;
        assert_eq!(plan(&mut ahead, (510, 519), BOUNDS), [(520, 529)]);
        plan(&mut ahead, (800, 809), BOUNDS);
        assert_eq!(ahead.take(40, 49).await, None);
        assert!(ahead.walks.len() <= MAX_WALKS);
    }

    #[tokio::test]
    async fn what_is_dropped_is_not_scanned_on() {
        let (mut ahead, alive) = (Ahead::default(), Arc::new(()));
        for first in [0, 10] {
            ahead.take(first, first + 9).await;
            let alive = Arc::clone(&alive);
            ahead.plan((first, first + 9), 10, BOUNDS, move |_, _| {
                let alive = Arc::clone(&alive);
                spawn(async move {
                    pending::<()>().await;
                    drop(alive);
                    None
                })
            });
        }
        assert_eq!(Arc::strong_count(&alive), 2);
        ahead.clear();
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
