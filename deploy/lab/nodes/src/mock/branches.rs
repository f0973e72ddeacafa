//! Which branch each height of the mock chain is on, as runs of heights: a long chain costs what its forks cost.

use std::collections::BTreeMap;

/// The branch of each height, from 0 to the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branches {
    /// The branch from each of these heights on; there is one at 0.
    runs: BTreeMap<u64, u64>,
    latest: u64,
}

impl Branches {
    /// The first block alone, on branch 0.
    pub(super) fn first() -> Self {
        Self { runs: BTreeMap::from([(0, 0)]), latest: 0 }
    }

    /// The newest height.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    /// The branch of a height; none above the newest.
    pub(super) fn at(&self, height: u64) -> Option<u64> {
        (height <= self.latest).then(|| run_at(&self.runs, height)).flatten()
    }

    /// Adds blocks on the newest block's branch.
    pub(super) fn grow(&mut self, blocks: u64) {
        self.latest += blocks;
    }

    /// Adds one block on a branch.
    pub(super) fn push(&mut self, branch: u64) {
        let is_same = self.at(self.latest) == Some(branch);
        self.latest += 1;
        if !is_same {
            self.runs.insert(self.latest, branch);
        }
    }

    /// Takes away the blocks from a height above 0 on; they, where there are any.
    pub(super) fn leave(&mut self, first: u64) -> Option<LeftBranches> {
        let branch = self.at(first)?;
        let mut runs = self.runs.split_off(&first);
        runs.insert(first, branch);
        self.latest = first.saturating_sub(1);
        Some(LeftBranches { first, runs })
    }
}

/// Blocks that the chain left.
#[derive(Clone, Debug)]
pub(super) struct LeftBranches {
    /// The lowest height of them.
    pub(super) first: u64,
    runs: BTreeMap<u64, u64>,
}

impl LeftBranches {
    /// The branch of a height, which goes on beyond the newest of them.
    pub(super) fn at(&self, height: u64) -> u64 {
        run_at(&self.runs, height).unwrap_or(0)
    }
}

fn run_at(runs: &BTreeMap<u64, u64>, height: u64) -> Option<u64> {
    runs.range(..=height).next_back().map(|(_, branch)| *branch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A list of every height's branch is the brute-force counterpart.
        #[test]
        fn runs_are_what_a_list_of_heights_is(steps in prop::collection::vec((0_u64..6, 0_u64..4, 0_u64..3), 0..40)) {
            let (mut branches, mut list) = (Branches::first(), vec![0]);
            for (depth, length, branch) in steps {
                let first = list.len() as u64 - depth.min(list.len() as u64 - 1);
                let left: Vec<u64> = list.split_off(usize::try_from(first).unwrap());
                let runs = branches.leave(first);
                prop_assert_eq!(runs.is_none(), left.is_empty());
                if let Some(runs) = runs {
                    let heights = (first..).zip(&left).map(|(height, _)| runs.at(height)).collect::<Vec<_>>();
                    prop_assert_eq!((runs.first, heights), (first, left));
                }
                for _ in 0..length {
                    branches.push(branch);
                    list.push(branch);
                }
                branches.grow(length);
                list.extend(vec![*list.last().unwrap(); usize::try_from(length).unwrap()]);
                prop_assert_eq!(branches.latest(), list.len() as u64 - 1);
                let all: Vec<Option<u64>> = (0..=branches.latest() + 1).map(|height| branches.at(height)).collect();
                let expected: Vec<Option<u64>> = list.iter().copied().map(Some).chain([None]).collect();
                prop_assert_eq!(all, expected);
            }
        }
    }
}
