//! The parties of one call of a venue: who gave what to whom, who is the pool, and who trades with it.
//!
//! **Invariant:** nothing here knows one venue from another. A pool is whoever got one asset and gave another within the
//! call; the trader is the other party that did.

use crate::accounts::Accounts;
use crate::transfers::Transfer;

/// A transfer from one party to another within the call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartyTransfer<'h> {
    /// The party that gave.
    pub(crate) from: &'h str,
    /// The party that got.
    pub(crate) to: &'h str,
    /// The token's mint, or SOL.
    pub(crate) asset: &'h str,
    /// What was given.
    pub(crate) sent: u128,
    /// What was got: less, where the token keeps a fee.
    pub(crate) received: u128,
    /// Whether it moved as native SOL.
    pub(crate) is_native: bool,
}

/// A native transfer of at most so much to a new account is a deposit: rent for an account of usual size is less.
const MAX_DEPOSIT_LAMPORTS: u64 = 10_000_000;

/// The transfers of a call by party. Left out are transfers between accounts of the same party, and deposits for new
/// accounts.
pub(crate) fn party_transfers<'h>(
    transfers: &'h [&Transfer<'h>],
    accounts: &'h Accounts<'_, '_>,
    with_minting: bool,
) -> Vec<PartyTransfer<'h>> {
    let party = |account: Option<usize>| account.and_then(|at| accounts.party(at));
    let mut between: Vec<PartyTransfer<'h>> = Vec::with_capacity(transfers.len());
    for transfer in transfers {
        if !with_minting && (transfer.from.is_none() || transfer.to.is_none()) {
            continue;
        }
        // Where the owner is unknown, the party is whoever may sign for the account. Who mints gives; what burns goes to
        // the mint.
        let is_ownerless = |at: usize| accounts.token_account(at).is_some_and(|account| account.owner.is_empty());
        let from = match transfer.from {
            Some(at) if is_ownerless(at) => party(transfer.authority),
            Some(at) => accounts.party(at),
            None => party(transfer.authority),
        };
        let to = transfer.to.map_or(Some(transfer.asset), |at| accounts.party(at));
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from != to {
            let (sent, received) = (u128::from(transfer.sent), u128::from(transfer.received));
            between.push(PartyTransfer {
                from,
                to,
                asset: transfer.asset,
                sent,
                received,
                is_native: transfer.is_native,
            });
        }
    }
    let is_deposit = |transfer: &Transfer<'_>| {
        transfer.is_native
            && transfer.sent <= MAX_DEPOSIT_LAMPORTS
            && transfer.to.is_some_and(|at| accounts.lamports(at).0 == 0 && accounts.token_account(at).is_none())
    };
    let deposits: Vec<(&str, u128)> = transfers
        .iter()
        .filter(|transfer| is_deposit(transfer))
        .filter_map(|transfer| Some((party(transfer.to)?, u128::from(transfer.sent))))
        .collect();
    let givers: Vec<&str> = between.iter().map(|transfer| transfer.from).collect();
    between.retain(|it| {
        // A new bonding curve is a new account as well, but one that gives its tokens.
        !(it.is_native && !givers.contains(&it.to) && deposits.contains(&(it.to, it.sent)))
    });
    between
}

/// What a party gave or got of each asset within the call, on balance.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartyNet<'h> {
    /// Assets of which it gave more than it got.
    pub(crate) gave: Vec<MintAmount<'h>>,
    /// Assets of which it got more than it gave.
    pub(crate) got: Vec<MintAmount<'h>>,
}

/// A mint and an amount of it.
pub(crate) type MintAmount<'h> = (&'h str, u128);

impl<'h> PartyNet<'h> {
    /// Sums up the transfers of one party.
    pub(crate) fn of_party(party: &str, transfers: &[PartyTransfer<'h>]) -> Self {
        let mut sums: Vec<(&'h str, i128, bool)> = vec![];
        for transfer in transfers.iter().filter(|it| it.from == party || it.to == party) {
            let raw = if transfer.to == party { transfer.received } else { transfer.sent };
            let raw = i128::try_from(raw).unwrap_or(i128::MAX);
            let signed = if transfer.to == party { raw } else { -raw };
            match sums.iter_mut().find(|(asset, ..)| *asset == transfer.asset) {
                Some((_, sum, only_native)) => {
                    *sum = sum.saturating_add(signed);
                    *only_native &= transfer.is_native;
                }
                None => sums.push((transfer.asset, signed, transfer.is_native)),
            }
        }
        let mut net = Self::default();
        for (gave, side) in [(true, &mut net.gave), (false, &mut net.got)] {
            let mut all: Vec<_> = sums.iter().filter(|(_, sum, _)| *sum != 0 && (*sum < 0) == gave).collect();
            // Native SOL beside a token is a fee or a deposit, not what is traded.
            if all.len() > 1 && all.iter().any(|(.., only_native)| !only_native) {
                all.retain(|(.., only_native)| !only_native);
            }
            side.extend(all.into_iter().map(|(asset, sum, _)| (*asset, sum.unsigned_abs())));
        }
        net
    }

    /// Whether the party gave something and got something else.
    pub(crate) fn is_two_sided(&self) -> bool {
        !self.gave.is_empty() && !self.got.is_empty()
    }

    /// What it gave and what it got, if that was one asset for another.
    pub(crate) fn one_for_one(&self) -> Option<(MintAmount<'h>, MintAmount<'h>)> {
        match (&self.gave[..], &self.got[..]) {
            (&[gave], &[got]) => Some((gave, got)),
            _ => None,
        }
    }
}

/// The trader and the pools of a call.
#[derive(Clone, Debug)]
pub(crate) struct Roles<'h> {
    /// The party that trades.
    pub(crate) user: &'h str,
    /// Parties that took one asset and gave another; none where every vault is its own owner.
    pub(crate) pools: Vec<&'h str>,
}

/// What is known of parties beside the transfers of the call.
pub(crate) trait KnownParties {
    /// Whether a party is known to be a pool.
    fn is_pool(&self, party: &str) -> bool;
    /// Whether a party signed the transaction.
    fn signs(&self, party: &str) -> bool;
    /// Whether a party gives or gets something elsewhere in the transaction.
    fn acts_elsewhere(&self, party: &str) -> bool;
}

/// Tells the trader from the pools; none when no party gave one asset and got another.
///
/// Of the parties that did, the trader is the one that signed. A router trades from accounts of its own, which sign for
/// themselves: it acts elsewhere in the transaction too, a pool does not. Where one party gives and another one gets, only
/// the pool has two sides.
pub(crate) fn roles<'h>(
    transfers: &[PartyTransfer<'h>],
    taker: Option<&'h str>,
    known: &impl KnownParties,
) -> Option<Roles<'h>> {
    let mut parties: Vec<&'h str> = vec![];
    for transfer in transfers {
        for party in [transfer.from, transfer.to] {
            if !parties.contains(&party) {
                parties.push(party);
            }
        }
    }
    let two_sided: Vec<&'h str> =
        parties.iter().copied().filter(|party| PartyNet::of_party(party, transfers).is_two_sided()).collect();
    let only = |candidates: Vec<&'h str>| if let [one] = candidates[..] { Some(one) } else { None };
    let may_trade = || two_sided.iter().copied().filter(|party| !known.is_pool(party));
    let giver = |signs: bool| {
        let mut into_two_sided = transfers.iter().filter(|it| two_sided.contains(&it.to));
        into_two_sided.find(|it| !two_sided.contains(&it.from) && known.signs(it.from) == signs).map(|it| it.from)
    };
    let user = if two_sided.is_empty() {
        return None;
    } else if let Some(taker) = taker.filter(|taker| two_sided.contains(taker)) {
        taker
    } else if let Some(signer) = may_trade().find(|party| known.signs(party)) {
        signer
    } else if may_trade().next().is_none() {
        giver(true).or_else(|| giver(false))?
    } else if let [one] = two_sided[..] {
        // Either a router that trades with vaults that are their own owners, or a pool between a party that gives and
        // another that gets.
        let partner_signs =
            transfers.iter().any(|it| (it.from == one && known.signs(it.to)) || (it.to == one && known.signs(it.from)));
        if partner_signs { giver(true).or_else(|| giver(false))? } else { one }
    } else {
        let busy = may_trade().filter(|party| known.acts_elsewhere(party)).collect();
        let first_giver = || transfers.iter().map(|it| it.from).find(|from| may_trade().any(|party| party == *from));
        only(busy).or_else(first_giver)?
    };
    let pools = two_sided.iter().copied().filter(|party| *party != user).collect();
    Some(Roles { user, pools })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that begin with a capital letter sign, `known…` are pools, `router…` act elsewhere.
    struct Names;

    impl KnownParties for Names {
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

    fn check(all: &[(&'static str, &'static str, &'static str, u128)], expected: Option<(&str, &[&str])>) {
        let transfer = |(from, to, asset, raw): &(&'static str, &'static str, &'static str, u128)| PartyTransfer {
            from,
            to,
            asset,
            sent: *raw,
            received: *raw,
            is_native: *asset == "sol",
        };
        let transfers: Vec<PartyTransfer<'static>> = all.iter().map(transfer).collect();
        let roles = roles(&transfers, None, &Names);
        let roles = roles.as_ref().map(|roles| (roles.user, &roles.pools[..]));
        assert_eq!(roles, expected);
    }

    #[test]
    fn the_party_that_signs_trades() {
        check(&[("User", "pool", "a", 5), ("pool", "User", "b", 7)], Some(("User", &["pool"])));
        // The pool pays first, and there is a fee.
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
    fn where_one_gives_and_another_gets_the_giver_trades() {
        check(&[("User", "pool", "a", 5), ("pool", "friend", "b", 7)], Some(("User", &["pool"])));
        check(&[("router", "pool", "a", 5), ("pool", "User", "b", 7)], Some(("router", &["pool"])));
    }

    #[test]
    fn a_call_may_cross_two_pools() {
        let hops = [("User", "one", "a", 5), ("one", "two", "b", 6), ("two", "User", "c", 7)];
        check(&hops, Some(("User", &["one", "two"])));
    }

    #[test]
    fn without_two_sides_nobody_trades() {
        check(&[("User", "pool", "a", 5), ("User", "pool", "b", 7)], None);
        check(&[("pool", "User", "a", 5)], None);
        check(&[], None);
    }
}
