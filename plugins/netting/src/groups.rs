//! Groups: legs that share an asset, directly or through other legs.

use crate::Leg;

/// The legs connected by their assets, as indices; groups stand in the order of their first legs.
pub(crate) fn groups<'l, L: Leg>(legs: &'l [L]) -> Vec<Vec<usize>> {
    let mut assets: Vec<L::Asset<'l>> = legs.iter().flat_map(|leg| [leg.sold().0, leg.bought().0]).collect();
    assets.sort_unstable();
    assets.dedup();
    let place = |asset: L::Asset<'l>| assets.binary_search(&asset).unwrap_or_default();
    let mut parents: Vec<usize> = (0..assets.len()).collect();
    for leg in legs {
        let (one, two) = (root(&mut parents, place(leg.sold().0)), root(&mut parents, place(leg.bought().0)));
        parents[one.max(two)] = one.min(two);
    }
    let mut groups: Vec<(usize, Vec<usize>)> = vec![];
    for (at, leg) in legs.iter().enumerate() {
        let root = root(&mut parents, place(leg.sold().0));
        match groups.iter_mut().find(|(of, _)| *of == root) {
            Some((_, group)) => group.push(at),
            None => groups.push((root, vec![at])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The representative of an asset's group (union-find with path halving).
fn root(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}
