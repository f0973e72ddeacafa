//! Requests: a backfill puts each height on the tape once, and a rewind takes back what stands above, while live goes
//! on.

use crate::world::{View, covered, expected_from, followed_with_requests, live_trades, views};
use ingest_domain::{Beginning, End, Request, RequestKind};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tape::Status;

#[test]
fn a_backfill_covers_each_height_once_while_live_goes_on() {
    let views = views(30, &[(2, 5), (1, 4)], 8);
    let last = views.last().unwrap().clone();
    let requests = [(0, RequestKind::Backfill { from: 3, to: 9 }), (1, RequestKind::Backfill { from: 0, to: 21 })];
    let (end, memory) = followed_with_requests(Beginning::Height(15), views, 0, &requests);
    assert_eq!(end, End::Stopped);
    let content = memory.0.lock().unwrap();
    let live: BTreeSet<String> = live_trades(&content.events).into_keys().collect();
    assert_eq!(live, expected_from(0, &last).into_iter().collect());
    assert_eq!(covered(&content), (0..=last.latest()).collect::<Vec<_>>());
    assert!(content.requests.is_empty(), "both are fulfilled");
    let (from, origin) = (content.cursor.as_ref().unwrap().since, content.cursor.as_ref().unwrap().origin);
    assert_eq!((from, origin), (15, 15), "a backfill does not change what live has followed");
}

#[test]
fn a_backfill_waits_for_heights_that_are_not_final_yet() {
    let mut views = views(20, &[], 10);
    views.push(views[0].clone());
    let requests = [(0, RequestKind::Backfill { from: 8, to: 19 })];
    let (_, memory) = followed_with_requests(Beginning::Height(20), views, 0, &requests);
    let content = memory.0.lock().unwrap();
    assert_eq!(covered(&content), [8, 9, 10, 20]);
    assert_eq!(content.requests.len(), 1, "11 to 19 are still to come");
}

#[test]
fn a_rewind_cures_a_chain_that_left_its_branch_below_finality() {
    let mut views = views(20, &[], 5);
    let mut other = views[0].clone();
    other.branches = (0..=25).map(|height| (height, u64::from(height > 10))).collect();
    other.finalized = Some(20);
    views.push(other.clone());
    views.push(other.clone());
    let requests = [(2, RequestKind::Rewind { to: 10 })];
    let (end, memory) = followed_with_requests(Beginning::Height(0), views, 0, &requests);
    assert_eq!(end, End::Stopped);
    let content = memory.0.lock().unwrap();
    assert!(content.parked.is_some(), "it was parked before it was cured");
    assert_eq!(
        live_trades(&content.events).into_keys().collect::<BTreeSet<_>>(),
        expected_from(0, &other).into_iter().collect()
    );
    assert_eq!(covered(&content), (0..=25).collect::<Vec<_>>());
}

/// Behind the head there are heights that are final and not followed yet: these come by themselves, once.
#[test]
fn a_backfill_leaves_what_is_still_to_be_followed_to_that() {
    let views = vec![views(400, &[], 4).remove(0); 8];
    let requests = [(0, RequestKind::Backfill { from: 300, to: 302 }), (0, RequestKind::Backfill { from: 3, to: 9 })];
    let (end, memory) = followed_with_requests(Beginning::Height(10), views.clone(), 0, &requests);
    assert_eq!(end, End::Stopped);
    let content = memory.0.lock().unwrap();
    let live: BTreeSet<String> = live_trades(&content.events).into_keys().collect();
    assert_eq!(live, expected_from(3, &views[0]).into_iter().collect());
    assert_eq!(covered(&content), (3..=400).collect::<Vec<_>>());
    assert!(content.requests.is_empty(), "both are fulfilled");
}

/// A node may give less of the past at once than of what is new, which is asked for between two looks at the past.
#[test]
fn a_backfill_gets_on_where_the_past_comes_in_narrower_spans() {
    let view = views(4_000, &[], 4).remove(0);
    let views = vec![View { narrow_below: 100, ..view }; 8];
    let requests = [(0, RequestKind::Backfill { from: 3, to: 9 })];
    let (_, memory) = followed_with_requests(Beginning::Height(100), views, 0, &requests);
    let content = memory.0.lock().unwrap();
    let through = content.cursor.as_ref().unwrap().through;
    assert!((200..4_000).contains(&through), "it is still catching up: {through}");
    assert_eq!(covered(&content), (3..=9).chain(100..=through).collect::<Vec<_>>());
    assert!(content.requests.is_empty(), "it is fulfilled meanwhile");
}

/// A tape may be so long that instances are replaced before one has read it.
#[test]
fn a_rewind_reads_the_tape_only_below_the_journal() {
    for (to, tape_reads) in [(9, 1), (10, 0), (15, 0)] {
        let mut views = views(20, &[], 10);
        views.extend([views[0].clone(), views[0].clone()]);
        let requests = [(1, RequestKind::Rewind { to })];
        let (end, memory) = followed_with_requests(Beginning::Height(0), views.clone(), 0, &requests);
        assert_eq!(end, End::Stopped);
        let content = memory.0.lock().unwrap();
        assert_eq!((content.tape_reads, content.requests.len()), (tape_reads, 0), "to {to}");
        let taken_back = content.events.iter().filter(|(status, _)| *status == Status::Reverted);
        assert!(taken_back.count() > 0, "to {to}");
        let live: BTreeSet<_> = live_trades(&content.events).into_keys().collect();
        assert_eq!(live, expected_from(0, views.last().unwrap()).into_iter().collect(), "to {to}");
    }
}

#[test]
fn other_code_covers_from_where_it_took_over() {
    let mut views = views(12, &[(0, 6), (0, 5)], 4);
    views[1].code = "b";
    views[2].code = "b";
    let (_, memory) = followed_with_requests(Beginning::Height(0), views, 0, &[]);
    let content = memory.0.lock().unwrap();
    let ranges: Vec<_> = content.ranges.values().map(|range| (range.from, range.to, &*range.digest)).collect();
    assert_eq!(ranges, [(0, 12, "a")]);
    let cursor = content.cursor.as_ref().unwrap();
    assert_eq!((cursor.since, cursor.through, &*cursor.digest), (13, 23, "b"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is requested, reorganised, swapped and left unanswered by the tape: the live trades are those of the
    /// covered heights on the winning branch, and no height is covered twice.
    #[test]
    fn any_history_with_requests_ends_as_its_winning_branch(
        length in 10_u64..25,
        start in 0_u64..12,
        forks in prop::collection::vec((0_u64..7, 1_u64..9), 0..5),
        codes in prop::collection::vec(0_usize..3, 7),
        requests in prop::collection::vec((0_usize..5, any::<bool>(), 0_u64..24, 0_u64..12), 0..5),
        silent_every in prop::sample::select(vec![0_u64, 2, 3, 5]),
    ) {
        // The chain ends higher than it ever was: a branch that only ends earlier cannot be told from a node that lags.
        let mut views = views(length, &[forks, vec![(0, 26)]].concat(), 8);
        for (view, code) in views.iter_mut().zip(&codes) {
            view.code = ["a", "b", "c"][*code];
        }
        let last = views.last().unwrap().clone();
        views.push(last.clone());
        let requests: Vec<(usize, RequestKind)> = requests
            .into_iter()
            .map(|(view, back, at, length)| {
                let backfill = RequestKind::Backfill { from: at, to: at + length };
                let kind = if back { RequestKind::Rewind { to: at } } else { backfill };
                (view.min(views.len() - 1), kind)
            })
            .collect();
        let (end, memory) = followed_with_requests(Beginning::Height(start), views, silent_every, &requests);
        prop_assert_eq!(end, End::Stopped);
        let content = memory.0.lock().unwrap();
        let covered = covered(&content);
        let live: BTreeSet<String> = live_trades(&content.events).into_keys().collect();
        let expected: BTreeSet<String> = covered
            .iter()
            .filter_map(|height| last.block(*height))
            .flat_map(|block| block.trades)
            .map(|trade| trade.id())
            .collect();
        prop_assert_eq!(live, expected);
        prop_assert_eq!(content.cursor.as_ref().unwrap().through, last.latest());
        let is_rewind = |request: &Request| matches!(request.kind, RequestKind::Rewind { .. });
        let rewinds = content.requests.iter().filter(|(_, request)| is_rewind(request)).count();
        prop_assert_eq!(rewinds, 0);
    }
}
