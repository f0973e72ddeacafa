//! Splitting: a net of more than two assets becomes one route per pair of sold and bought asset, along the legs.
//!
//! Assets are nodes, legs are pipes. What arrives at a node mixes and leaves in proportion, so each node has shares by
//! origin (which sold asset it came from) and by destination (which bought asset it becomes). A pair's part of a side
//! follows those shares; the last pair of each side takes the remainder, so that parts add up to the side exactly.
//! A leg is listed, whole, in the one pair that most of it flows through; a pair left without a leg takes one from a
//! pair with several: the leg that carries most of its own.

use crate::{Amount, Leg, Route, RouteKind};
use ruint::aliases::{U256, U512};
use std::collections::BTreeMap;

/// A share of one is 2 to this power: fine enough to give whole legs back exactly.
const SHARE_BITS: usize = 192;
/// Shares are carried along at most so many legs one behind the other; a longer chain is not followed to its end.
const MAX_LEGS_IN_CHAIN: usize = 32;
/// A net of more pairs is not split; each of its legs becomes a route.
const MAX_PAIRS: usize = 64;

/// One route per pair; none when the flows do not connect every side, so that only the legs can be given one by one.
pub(crate) fn pairs<'l, L: Leg>(
    legs: &'l [L],
    group: &[usize],
    sold: &[Amount<L::Asset<'l>>],
    bought: &[Amount<L::Asset<'l>>],
) -> Option<Vec<Route<L::Asset<'l>>>> {
    if sold.len() * bought.len() > MAX_PAIRS {
        return None;
    }
    let graph = Graph::from_legs(legs, group);
    let from = graph.shares(sold, Pipe::reversed);
    let towards = graph.shares(bought, |pipe| pipe);
    // By sold asset, then by bought asset: how much of each side the pair takes.
    let weight_sold = |i: usize, j: usize| towards[graph.node(sold[i].0)][j];
    let weight_bought = |i: usize, j: usize| from[graph.node(bought[j].0)][i];
    let is_pair = |i: usize, j: usize| !weight_sold(i, j).is_zero() && !weight_bought(i, j).is_zero();
    let (m, k) = (sold.len(), bought.len());
    let mut given = vec![vec![U256::ZERO; k]; m];
    let mut got = vec![vec![U256::ZERO; k]; m];
    for i in 0..m {
        let partners: Vec<(usize, U256)> = (0..k).filter(|j| is_pair(i, *j)).map(|j| (j, weight_sold(i, j))).collect();
        for (j, part) in apportion(sold[i].1, &partners)? {
            given[i][j] = part;
        }
    }
    for j in 0..k {
        let partners: Vec<(usize, U256)> =
            (0..m).filter(|i| is_pair(*i, j)).map(|i| (i, weight_bought(i, j))).collect();
        for (i, part) in apportion(bought[j].1, &partners)? {
            got[i][j] = part;
        }
    }
    merge_one_sided_pairs(&mut given, &mut got)?;
    let mut routes: BTreeMap<(usize, usize), Route<L::Asset<'l>>> = BTreeMap::new();
    for i in 0..m {
        for j in 0..k {
            if !given[i][j].is_zero() {
                let (sold, bought) = ((sold[i].0, given[i][j]), (bought[j].0, got[i][j]));
                routes.insert((i, j), Route { kind: RouteKind::Swap, sold, bought, legs: vec![] });
            }
        }
    }
    let through = |at: usize, (i, j): (usize, usize)| {
        let (start, end) = (graph.node(legs[at].sold().0), graph.node(legs[at].bought().0));
        U512::from(from[start][i]) * U512::from(towards[end][j])
    };
    list_legs(&mut routes, group, through)?;
    Some(routes.into_values().collect())
}

/// Gives each leg to one pair, and each pair a leg where there are enough.
fn list_legs<A>(
    routes: &mut BTreeMap<(usize, usize), Route<A>>,
    group: &[usize],
    through: impl Fn(usize, (usize, usize)) -> U512,
) -> Option<()> {
    for at in group {
        // The first of the greatest.
        let pair = routes.keys().copied().rev().max_by_key(|pair| through(*at, *pair))?;
        routes.get_mut(&pair)?.legs.push(*at);
    }
    let bare: Vec<(usize, usize)> =
        routes.iter().filter(|(_, route)| route.legs.is_empty()).map(|(pair, _)| *pair).collect();
    for pair in bare {
        let spare = routes.values().filter(|route| route.legs.len() > 1).flat_map(|route| &route.legs).copied();
        let carries = spare.map(|at| (through(at, pair), at)).filter(|(share, _)| !share.is_zero());
        let Some((_, at)) = carries.max_by_key(|(share, at)| (*share, std::cmp::Reverse(*at))) else { continue };
        for route in routes.values_mut() {
            route.legs.retain(|leg| *leg != at);
        }
        routes.get_mut(&pair)?.legs.push(at);
    }
    Some(())
}

/// Divides a whole by weights, to the nearest unit and exactly in sum; none when there are no weights.
fn apportion(whole: U256, weights: &[(usize, U256)]) -> Option<Vec<(usize, U256)>> {
    let sum: U512 = weights.iter().map(|(_, weight)| U512::from(*weight)).sum();
    let ((last, _), others) = weights.split_last()?;
    let mut left = whole;
    let mut parts = Vec::with_capacity(weights.len());
    for (at, weight) in others {
        let nearest: U512 = (U512::from(whole) * U512::from(*weight) + (sum >> 1)) / sum;
        let part: U256 = narrow(nearest.min(U512::from(left)));
        left -= part;
        parts.push((*at, part));
    }
    parts.push((*last, left));
    Some(parts)
}

/// A pair with nothing on one side is no trade: what it has on the other side goes to a pair of the same asset.
fn merge_one_sided_pairs(given: &mut [Vec<U256>], got: &mut [Vec<U256>]) -> Option<()> {
    let (m, k) = (given.len(), given[0].len());
    let has_both =
        |given: &[Vec<U256>], got: &[Vec<U256>], i: usize, j: usize| !given[i][j].is_zero() && !got[i][j].is_zero();
    for i in 0..m {
        for j in 0..k {
            if has_both(given, got, i, j) {
                continue;
            }
            let (rest_given, rest_got) = (std::mem::take(&mut given[i][j]), std::mem::take(&mut got[i][j]));
            if !rest_given.is_zero() {
                let to = (0..k).find(|to| has_both(given, got, i, *to))?;
                given[i][to] = given[i][to].saturating_add(rest_given);
            }
            if !rest_got.is_zero() {
                let to = (0..m).find(|to| has_both(given, got, *to, j))?;
                got[to][j] = got[to][j].saturating_add(rest_got);
            }
        }
    }
    Some(())
}

/// One leg between two nodes, with the amount at either end.
#[derive(Clone, Copy)]
struct Pipe {
    start: usize,
    end: usize,
    entering: U256,
    leaving: U256,
}

impl Pipe {
    fn reversed(self) -> Self {
        Self { start: self.end, end: self.start, entering: self.leaving, leaving: self.entering }
    }
}

struct Graph<A> {
    assets: Vec<A>,
    pipes: Vec<Pipe>,
}

impl<A: Copy + Ord> Graph<A> {
    fn from_legs<'l, L: Leg<Asset<'l> = A>>(legs: &'l [L], group: &[usize]) -> Self {
        let mut assets: Vec<A> = group.iter().flat_map(|at| [legs[*at].sold().0, legs[*at].bought().0]).collect();
        assets.sort_unstable();
        assets.dedup();
        let mut graph = Self { assets, pipes: vec![] };
        for at in group {
            let ((sold, entering), (bought, leaving)) = (legs[*at].sold(), legs[*at].bought());
            graph.pipes.push(Pipe { start: graph.node(sold), end: graph.node(bought), entering, leaving });
        }
        graph
    }

    fn node(&self, asset: A) -> usize {
        self.assets.binary_search(&asset).unwrap_or_default()
    }

    /// For every node, which share of what is there ends in each of `ends`, along the pipes as `view` turns them.
    fn shares(&self, ends: &[Amount<A>], view: impl Fn(Pipe) -> Pipe) -> Vec<Vec<U256>> {
        let pipes: Vec<Pipe> = self.pipes.iter().map(|pipe| view(*pipe)).collect();
        let mut totals = vec![U256::ZERO; self.assets.len()];
        for pipe in &pipes {
            totals[pipe.start] = totals[pipe.start].saturating_add(pipe.entering);
        }
        let mut fixed = vec![vec![U256::ZERO; ends.len()]; self.assets.len()];
        for (end, (asset, raw)) in ends.iter().enumerate() {
            let node = self.node(*asset);
            totals[node] = totals[node].saturating_add(*raw);
            fixed[node][end] = share(*raw, totals[node]);
        }
        let parts: Vec<U256> = pipes.iter().map(|pipe| share(pipe.entering, totals[pipe.start])).collect();
        let mut shares = fixed.clone();
        // Each round carries the shares one pipe further; without a ring the rounds are as many as assets.
        for _ in 0..self.assets.len().min(MAX_LEGS_IN_CHAIN) {
            let mut next = fixed.clone();
            for (pipe, part) in pipes.iter().zip(&parts) {
                for (sum, beyond) in next[pipe.start].iter_mut().zip(&shares[pipe.end]) {
                    *sum += narrow((U512::from(*part) * U512::from(*beyond)) >> SHARE_BITS);
                }
            }
            shares = next;
        }
        shares
    }
}

/// A part of a whole, as a share.
fn share(part: U256, whole: U256) -> U256 {
    if whole.is_zero() { U256::ZERO } else { narrow((U512::from(part) << SHARE_BITS) / U512::from(whole)) }
}

/// Narrows a number that is known to fit.
fn narrow(wide: U512) -> U256 {
    wide.saturating_to()
}
