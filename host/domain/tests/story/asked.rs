//! What is asked of a chain's owner: the past is filled in once, and a rewind takes back what stands above, while live goes on.

use crate::world::{asked, covered, expected_from, settled, views};
use ingest_domain::{Ask, Beginning, End};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn the_past_is_filled_in_while_live_goes_on_and_never_twice() {
    let views = views(30, &[(2, 5), (1, 4)], 8);
    let last = views.last().unwrap().clone();
    let asks = [(0, Ask::Backfill { from: 3, to: 9 }), (1, Ask::Backfill { from: 0, to: 21 })];
    let (end, memory) = asked(Beginning::Height(15), views, 0, &asks);
    assert_eq!(end, End::Stopped);
    let kept = memory.0.lock().unwrap();
    let live: BTreeSet<String> = settled(&kept.events).into_keys().collect();
    assert_eq!(live, expected_from(0, &last).into_iter().collect());
    assert_eq!(covered(&kept), (0..=last.latest()).collect::<Vec<_>>());
    assert!(kept.asked.is_empty(), "both are struck off");
    let (from, origin) = (kept.cursor.as_ref().unwrap().since, kept.cursor.as_ref().unwrap().origin);
    assert_eq!((from, origin), (15, 15), "live history is not backfill's");
}

#[test]
fn what_is_not_final_yet_is_waited_for() {
    let mut views = views(20, &[], 10);
    views.push(views[0].clone());
    let asks = [(0, Ask::Backfill { from: 8, to: 19 })];
    let (_, memory) = asked(Beginning::Height(20), views, 0, &asks);
    let kept = memory.0.lock().unwrap();
    assert_eq!(covered(&kept), [8, 9, 10, 20]);
    assert_eq!(kept.asked.len(), 1, "11 to 19 are still to come");
}

#[test]
fn a_rewind_cures_a_chain_that_left_its_branch_below_finality() {
    let mut views = views(20, &[], 5);
    let mut other = views[0].clone();
    other.branches = (0..=25).map(|height| (height, u64::from(height > 10))).collect();
    other.finalized = Some(20);
    views.push(other.clone());
    views.push(other.clone());
    let asks = [(2, Ask::Rewind { to: 10 })];
    let (end, memory) = asked(Beginning::Height(0), views, 0, &asks);
    assert_eq!(end, End::Stopped);
    let kept = memory.0.lock().unwrap();
    assert!(kept.parked.is_some(), "it was parked before it was cured");
    assert_eq!(
        settled(&kept.events).into_keys().collect::<BTreeSet<_>>(),
        expected_from(0, &other).into_iter().collect()
    );
    assert_eq!(covered(&kept), (0..=25).collect::<Vec<_>>());
}

#[test]
fn other_code_covers_from_where_it_took_over() {
    let mut views = views(12, &[(0, 6), (0, 5)], 4);
    views[1].code = "b";
    views[2].code = "b";
    let (_, memory) = asked(Beginning::Height(0), views, 0, &[]);
    let kept = memory.0.lock().unwrap();
    let ranges: Vec<_> = kept.ranges.values().map(|range| (range.from, range.to, &*range.digest)).collect();
    assert_eq!(ranges, [(0, 12, "a")]);
    let cursor = kept.cursor.as_ref().unwrap();
    assert_eq!((cursor.since, cursor.through, &*cursor.digest), (13, 23, "b"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is asked, reorganised, swapped and left unanswered by the tape: what is live are the trades of the
    /// covered heights on the winning branch, and no height is covered twice.
    #[test]
    fn any_history_with_requests_ends_as_its_winning_branch(
        length in 10_u64..25,
        start in 0_u64..12,
        forks in prop::collection::vec((0_u64..7, 1_u64..9), 0..5),
        codes in prop::collection::vec(0_usize..3, 7),
        asks in prop::collection::vec((0_usize..5, any::<bool>(), 0_u64..24, 0_u64..12), 0..5),
        silent_every in prop::sample::select(vec![0_u64, 2, 3, 5]),
    ) {
        // The chain ends higher than it ever was: a branch that only ends earlier cannot be told from a node that lags.
        let mut views = views(length, &[forks, vec![(0, 26)]].concat(), 8);
        for (view, code) in views.iter_mut().zip(&codes) {
            view.code = ["a", "b", "c"][*code];
        }
        let last = views.last().unwrap().clone();
        views.push(last.clone());
        let asks: Vec<(usize, Ask)> = asks
            .into_iter()
            .map(|(view, back, at, length)| {
                let ask = if back { Ask::Rewind { to: at } } else { Ask::Backfill { from: at, to: at + length } };
                (view.min(views.len() - 1), ask)
            })
            .collect();
        let (end, memory) = asked(Beginning::Height(start), views, silent_every, &asks);
        prop_assert_eq!(end, End::Stopped);
        let kept = memory.0.lock().unwrap();
        let covered = covered(&kept);
        let live: BTreeSet<String> = settled(&kept.events).into_keys().collect();
        let expected: BTreeSet<String> = covered
            .iter()
            .filter_map(|height| last.block(*height))
            .flat_map(|block| block.trades)
            .map(|trade| trade.id())
            .collect();
        prop_assert_eq!(live, expected);
        prop_assert_eq!(kept.cursor.as_ref().unwrap().through, last.latest());
        let rewinds = kept.asked.iter().filter(|(_, request)| matches!(request.ask, Ask::Rewind { .. })).count();
        prop_assert_eq!(rewinds, 0);
    }
}
