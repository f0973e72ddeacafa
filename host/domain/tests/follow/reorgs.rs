//! Whatever branches a chain shows, the tape ends with the winning one, and every revert undoes an apply, newest first.

use crate::world::{
    expected, expected_from, followed, followed_by_plan, followed_from, live_in_order, plan, plan_of_large_steps, views,
};
use ingest_domain::{Beginning, End};
use proptest::prelude::*;
use tape::Status;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_as_its_winning_branch(
        length in 1_u64..20,
        forks in prop::collection::vec((0_u64..12, 1_u64..12), 0..6),
        silent_every in 0_u64..5,
        large_steps in any::<bool>(),
    ) {
        let views = views(length, &forks, 8);
        let last = views.last().unwrap().clone();
        let plan = if large_steps { plan_of_large_steps() } else { plan(Beginning::Height(0)) };
        let (end, memory) = followed_by_plan(&plan, views, if silent_every == 1 { 0 } else { silent_every }, &[]);
        prop_assert_eq!(end, End::Stopped);
        let content = memory.0.lock().unwrap();
        prop_assert_eq!(live_in_order(&content.events), expected(&last));
        prop_assert_eq!(content.cursor.as_ref().unwrap().through, last.latest());
    }
}

/// 41 heights are nine spans of at most five; most of them are there already when they come.
#[test]
fn what_is_there_already_goes_into_one_step() {
    let views = views(40, &[], 8);
    let (_, memory) = followed_by_plan(&plan_of_large_steps(), views.clone(), 0, &[]);
    let content = memory.0.lock().unwrap();
    assert_eq!(live_in_order(&content.events), expected(&views[0]));
    assert!(content.trade_steps < 9, "{} steps", content.trade_steps);
}

#[test]
fn a_branch_left_below_the_first_block_is_taken_back_completely() {
    let mut views = views(10, &[(8, 9)], 30);
    for view in &mut views {
        view.finalized = None;
    }
    let last = views[1].clone();
    let (end, memory) = followed_from(Beginning::Height(6), views, 0);
    assert_eq!(end, End::Stopped);
    assert_eq!(live_in_order(&memory.0.lock().unwrap().events), expected_from(6, &last));
}

#[test]
fn a_branch_left_below_finality_parks_the_chain_with_the_cure() {
    let mut views = views(20, &[], 5);
    let mut other = views[0].clone();
    other.branches = (0..=25).map(|height| (height, u64::from(height > 10))).collect();
    other.finalized = Some(20);
    views.push(other);
    let (end, memory) = followed(views, 0);
    let End::Parked(why) = end else { unreachable!("{end:?}") };
    assert!(why.contains("the-program rewind --chain c --to 10 "), "{why}");
    assert_eq!(memory.0.lock().unwrap().parked.as_ref(), Some(&why), "readers see the sentence");
}

#[test]
fn an_endpoint_of_another_network_is_refused_and_one_that_lags_is_no_reorg() {
    let mut views = views(10, &[], 5);
    let mut foreign = views[0].clone();
    foreign.network = "other";
    foreign.branches = (0..=30).map(|height| (height, 9)).collect();
    let mut lagging = views[0].clone();
    lagging.branches.retain(|height, _| *height <= 6);
    let whole = views[0].clone();
    views.extend([foreign, lagging, whole.clone()]);
    let (end, memory) = followed(views, 0);
    assert_eq!(end, End::Stopped);
    let content = memory.0.lock().unwrap();
    assert_eq!(live_in_order(&content.events), expected(&whole));
    assert!(content.events.iter().all(|(status, _)| *status != Status::Reverted), "nothing was taken back");
}

/// Whether it forks above or below finality: nothing is taken back for it, and the chain is not parked.
#[test]
fn a_branch_that_only_one_endpoint_shows_is_not_taken() {
    for fork in [3, 9] {
        let mut views = views(10, &[], 5);
        let mut wrong = views[0].clone();
        wrong.branches = (0..=14).map(|height| (height, u64::from(height > fork))).collect();
        wrong.disputed = true;
        let mut grown = views[0].clone();
        grown.branches = (0..=14).map(|height| (height, 0)).collect();
        views.extend([wrong, grown.clone()]);
        let (end, memory) = followed(views, 0);
        assert_eq!(end, End::Stopped);
        let content = memory.0.lock().unwrap();
        assert_eq!(live_in_order(&content.events), expected(&grown));
        assert!(content.events.iter().all(|(status, _)| *status != Status::Reverted), "nothing was taken back");
    }
}

/// Found by the property above: a final block published in a step before the last, then an unknown commit.
#[test]
fn what_was_published_as_final_is_never_published_again() {
    let views = views(8, &[(3, 2), (4, 3), (6, 9), (8, 1)], 8);
    let last = views.last().unwrap().clone();
    let (end, memory) = followed(views, 2);
    assert_eq!(end, End::Stopped);
    assert_eq!(live_in_order(&memory.0.lock().unwrap().events), expected(&last));
}
