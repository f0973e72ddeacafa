//! One call of a venue as an exchange: who gave what to whom, who is the pool, and who trades with it.
//!
//! **Invariant:** nothing here knows one venue from another. A pool is whoever got one asset and gave another within the
//! call; the trader is the other one who did.

use crate::holders::Holders;
use crate::moves::Move;

/// What one party handed to another within the call.
#[derive(Clone, Copy, Debug)]
pub struct Edge<'h> {
    /// Who gave.
    pub from: &'h str,
    /// Who got.
    pub to: &'h str,
    /// Of what.
    pub asset: &'h str,
    /// What was given.
    pub given: u128,
    /// What was got: less, where the token keeps a fee.
    pub got: u128,
    /// Whether it moved as native SOL.
    pub is_native: bool,
}

/// Deposits for new accounts are below this.
const DEPOSIT: u64 = 10_000_000;

/// What moved between parties in a call. What a party moves between its own accounts is left out, and so are deposits for
/// new accounts.
pub fn edges<'h>(moves: &'h [&Move<'h>], holders: &'h Holders<'_, '_>, with_minting: bool) -> Vec<Edge<'h>> {
    let party = |place: Option<usize>| place.and_then(|at| holders.party(at));
    let mut edges: Vec<Edge<'h>> = Vec::with_capacity(moves.len());
    for moved in moves {
        if !with_minting && (moved.from.is_none() || moved.to.is_none()) {
            continue;
        }
        // An owner that nobody names is whoever may sign for the account; who mints gives, and what burns goes to its token.
        let nameless = |at: usize| holders.token(at).is_some_and(|holder| holder.owner.is_empty());
        let from = match moved.from {
            Some(at) if nameless(at) => party(moved.authority),
            Some(at) => holders.party(at),
            None => party(moved.authority),
        };
        let to = moved.to.map_or(Some(moved.asset), |at| holders.party(at));
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from != to {
            let (given, got) = (u128::from(moved.given), u128::from(moved.got));
            edges.push(Edge { from, to, asset: moved.asset, given, got, is_native: moved.is_native });
        }
    }
    let is_deposit = |moved: &Move<'_>| {
        moved.is_native
            && moved.given <= DEPOSIT
            && moved.to.is_some_and(|at| holders.lamports(at).0 == 0 && holders.token(at).is_none())
    };
    let deposits: Vec<(&str, u128)> = moves
        .iter()
        .filter(|moved| is_deposit(moved))
        .filter_map(|moved| Some((party(moved.to)?, u128::from(moved.given))))
        .collect();
    let gives: Vec<&str> = edges.iter().map(|edge| edge.from).collect();
    edges.retain(|edge| {
        // A new curve is a new account as well, but one that gives its tokens.
        !(edge.is_native && !gives.contains(&edge.to) && deposits.contains(&(edge.to, edge.given)))
    });
    edges
}

/// What a party gave or got of each asset, on balance.
#[derive(Clone, Debug, Default)]
pub struct Balance<'h> {
    /// Given more than got.
    pub gave: Vec<(&'h str, u128)>,
    /// Got more than given.
    pub got: Vec<(&'h str, u128)>,
}

impl<'h> Balance<'h> {
    /// Of one party.
    pub fn of(party: &str, edges: &[Edge<'h>]) -> Self {
        let mut sums: Vec<(&'h str, i128, bool)> = vec![];
        for edge in edges.iter().filter(|edge| edge.from == party || edge.to == party) {
            let raw = if edge.to == party { edge.got } else { edge.given };
            let raw = i128::try_from(raw).unwrap_or(i128::MAX);
            let signed = if edge.to == party { raw } else { -raw };
            match sums.iter_mut().find(|(asset, ..)| *asset == edge.asset) {
                Some((_, sum, only_native)) => {
                    *sum = sum.saturating_add(signed);
                    *only_native &= edge.is_native;
                }
                None => sums.push((edge.asset, signed, edge.is_native)),
            }
        }
        let mut balance = Self::default();
        for (gave, side) in [(true, &mut balance.gave), (false, &mut balance.got)] {
            let mut all: Vec<_> = sums.iter().filter(|(_, sum, _)| *sum != 0 && (*sum < 0) == gave).collect();
            // Native SOL beside a token is a fee or a deposit, not what is traded.
            if all.len() > 1 && all.iter().any(|(.., only_native)| !only_native) {
                all.retain(|(.., only_native)| !only_native);
            }
            side.extend(all.into_iter().map(|(asset, sum, _)| (*asset, sum.unsigned_abs())));
        }
        balance
    }

    /// Whether it gave something and got something else.
    pub fn is_two_sided(&self) -> bool {
        !self.gave.is_empty() && !self.got.is_empty()
    }

    /// What was exchanged, if it was one asset for another.
    pub fn exchange(&self) -> Option<(Amount<'h>, Amount<'h>)> {
        match (&self.gave[..], &self.got[..]) {
            (&[gave], &[got]) => Some((gave, got)),
            _ => None,
        }
    }
}

/// A mint and how much of it.
pub type Amount<'h> = (&'h str, u128);

/// Who is who in a call.
#[derive(Clone, Debug)]
pub struct Roles<'h> {
    /// Who trades.
    pub user: &'h str,
    /// Parties that took one asset and gave another; none where every vault is its own owner.
    pub pools: Vec<&'h str>,
}

/// What is known beside the edges.
pub trait Witness {
    /// Whether a party is known to be a pool.
    fn is_pool(&self, party: &str) -> bool;
    /// Whether a party signed the transaction.
    fn signs(&self, party: &str) -> bool;
    /// Whether a party moves something elsewhere in the transaction.
    fn acts_elsewhere(&self, party: &str) -> bool;
}

/// Tells the trader from the pools; none when nobody exchanged anything.
///
/// Of those who gave one asset and got another, the trader is the one who signed. A router trades from accounts of its
/// own, which sign for themselves: that one is busy elsewhere in the transaction too, a pool is not. Where one party gives
/// and another one gets, only the pool has two sides.
pub fn roles<'h>(edges: &[Edge<'h>], taker: Option<&'h str>, witness: &impl Witness) -> Option<Roles<'h>> {
    let mut parties: Vec<&'h str> = vec![];
    for edge in edges {
        for party in [edge.from, edge.to] {
            if !parties.contains(&party) {
                parties.push(party);
            }
        }
    }
    let two_sided: Vec<&'h str> =
        parties.iter().copied().filter(|party| Balance::of(party, edges).is_two_sided()).collect();
    let only = |candidates: Vec<&'h str>| if let [one] = candidates[..] { Some(one) } else { None };
    let may = || two_sided.iter().copied().filter(|party| !witness.is_pool(party));
    let giver = |signs: bool| {
        let mut givers = edges.iter().filter(|edge| two_sided.contains(&edge.to));
        givers.find(|edge| !two_sided.contains(&edge.from) && witness.signs(edge.from) == signs).map(|edge| edge.from)
    };
    let user = if two_sided.is_empty() {
        return None;
    } else if let Some(taker) = taker.filter(|taker| two_sided.contains(taker)) {
        taker
    } else if let Some(signer) = may().find(|party| witness.signs(party)) {
        signer
    } else if may().next().is_none() {
        giver(true).or_else(|| giver(false))?
    } else if let [one] = two_sided[..] {
        // Either a router before vaults that are their own owners, or a pool between one who gives and one who gets.
        let partner_signs = edges
            .iter()
            .any(|edge| (edge.from == one && witness.signs(edge.to)) || (edge.to == one && witness.signs(edge.from)));
        if partner_signs { giver(true).or_else(|| giver(false))? } else { one }
    } else {
        let busy = may().filter(|party| witness.acts_elsewhere(party)).collect();
        only(busy).or_else(|| edges.iter().map(|edge| edge.from).find(|from| may().any(|party| party == *from)))?
    };
    let pools = two_sided.iter().copied().filter(|party| *party != user).collect();
    Some(Roles { user, pools })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Capital letters sign, `P…` is known to be a pool, `r…` is busy elsewhere.
    struct Names;

    impl Witness for Names {
        fn is_pool(&self, party: &str) -> bool {
            party.starts_with("known")
        }
        fn signs(&self, party: &str) -> bool {
            party.starts_with(|first: char| first.is_ascii_uppercase())
        }
        fn acts_elsewhere(&self, party: &str) -> bool {
            party.starts_with("router")
        }
    }

    fn check(moves: &[(&'static str, &'static str, &'static str, u128)], expected: Option<(&str, &[&str])>) {
        let edge = |(from, to, asset, raw): &(&'static str, &'static str, &'static str, u128)| Edge {
            from,
            to,
            asset,
            given: *raw,
            got: *raw,
            is_native: *asset == "sol",
        };
        let edges: Vec<Edge<'static>> = moves.iter().map(edge).collect();
        let roles = roles(&edges, None, &Names);
        let roles = roles.as_ref().map(|roles| (roles.user, &roles.pools[..]));
        assert_eq!(roles, expected);
    }

    #[test]
    fn who_signs_trades() {
        check(&[("User", "pool", "a", 5), ("pool", "User", "b", 7)], Some(("User", &["pool"])));
        // Paid before paying, and a fee.
        check(
            &[("pool", "User", "b", 7), ("User", "pool", "a", 5), ("User", "fees", "a", 1)],
            Some(("User", &["pool"])),
        );
    }

    #[test]
    fn a_router_trades_from_accounts_of_its_own() {
        check(&[("pool", "router", "b", 7), ("router", "pool", "a", 5)], Some(("router", &["pool"])));
        check(&[("router", "vault", "a", 5), ("other vault", "router", "b", 7)], Some(("router", &[])));
        check(&[("someone", "known", "a", 5), ("known", "someone", "b", 7)], Some(("someone", &["known"])));
    }

    #[test]
    fn one_gives_and_another_gets() {
        check(&[("User", "pool", "a", 5), ("pool", "friend", "b", 7)], Some(("User", &["pool"])));
        check(&[("router", "pool", "a", 5), ("pool", "User", "b", 7)], Some(("router", &["pool"])));
    }

    #[test]
    fn two_pools_in_one_call() {
        let hops = [("User", "one", "a", 5), ("one", "two", "b", 6), ("two", "User", "c", 7)];
        check(&hops, Some(("User", &["one", "two"])));
    }

    #[test]
    fn what_is_no_exchange() {
        check(&[("User", "pool", "a", 5), ("User", "pool", "b", 7)], None);
        check(&[("pool", "User", "a", 5)], None);
        check(&[], None);
    }
}
