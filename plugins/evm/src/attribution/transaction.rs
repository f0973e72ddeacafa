//! What a transaction shows beside its legs: who sent it, what moved, and what settlements and routers report.

use crate::attribution::portions::{Portion, portions_of_coin};
use crate::model::{Amount, Leg, MAX_FEE_DIVISOR, Moved, Route, Transfer};
use crate::native::NativeCoin;
use crate::reports::{Filler, Report};
use crate::rules::Rules;
use crate::settlement::{SettledOrder, UserOperation};
use crate::transfers;
use crate::wrappings::Wrapping;
use alloy_primitives::{Address, U256};
use memchr::memmem;
use std::collections::BTreeMap;

/// Among more transfers neither the makers of filled orders nor fees are looked for: anybody may send that many, and each
/// account costs a pass over all of them.
pub(super) const MAX_TRANSFERS_SEARCHED: usize = 1_024;

/// Through more legs what became of native coin is not looked for: each route would cost a pass over all of them.
pub(super) const MAX_LEGS_SEARCHED: usize = 256;

/// More unwrappings are not looked at: anybody may tell of that many.
const MAX_UNWRAPPINGS_SEARCHED: usize = 64;

/// What is known of one transaction beside its legs.
pub(crate) struct TransactionView<'a> {
    /// Who sent it.
    pub(crate) sender: Address,
    /// Which contract it called.
    pub(crate) callee: Option<Address>,
    /// All token transfers in it.
    pub(crate) transfers: &'a [Transfer],
    /// Movements of native coin as the wrapped coin, where they leave logs.
    pub(crate) native_moves: &'a [Transfer],
    /// Orders settled in it.
    pub(crate) orders: &'a [SettledOrder],
    /// Operations bundled in it.
    pub(crate) operations: &'a [UserOperation],
    /// Accounts that signed what a relay carried out.
    pub(crate) signers: &'a [Address],
    /// Tokens that became shares on the way, and back.
    pub(crate) wrappings: &'a [Wrapping],
    /// What routers report that they did.
    pub(crate) reports: &'a [Report],
    /// The listed router that was called or that filled standing orders.
    pub(crate) filler: Option<Filler>,
    /// Whether it is an exchange of the sender with a contract that is no known venue.
    pub(crate) is_two_sided: bool,
    /// The venue whose listed manager told swaps in pools whose keys nobody knows: they became no legs.
    pub(crate) venue_of_unknown_keys: Option<&'static str>,
    /// What is known of native coin.
    pub(crate) native: NativeCoin<'a>,
    /// The chain's cash.
    pub(crate) rules: &'a Rules,
}

impl TransactionView<'_> {
    /// Whether an asset is the wrapped coin, which also stands for native coin.
    pub(crate) fn is_coin(&self, asset: Address) -> bool {
        self.rules.wrapped == Some(asset)
    }

    /// What came to and went from one account of one token.
    pub(crate) fn flow(&self, account: Address, token: Address) -> Moved {
        let mut flow = Moved::default();
        for transfer in self.transfers.iter().filter(|transfer| transfer.token == token) {
            if transfer.to == account {
                flow.into = flow.into.saturating_add(transfer.raw);
            }
            if transfer.from == account {
                flow.out = flow.out.saturating_add(transfer.raw);
            }
        }
        flow
    }

    /// What came to and went from one account of native coin, where that leaves logs.
    pub(crate) fn native_flow(&self, account: Address) -> Moved {
        let sum = |of: fn(&Transfer) -> Address| {
            let moves = self.native_moves.iter().filter(|transfer| of(transfer) == account);
            moves.fold(U256::ZERO, |sum, transfer| sum.saturating_add(transfer.raw))
        };
        Moved { into: sum(|transfer| transfer.to), out: sum(|transfer| transfer.from) }
    }

    /// How much of a token became shares of a wrapper, or was got back for them: as the wrapper's events say, else as it
    /// went to the share's contract beside minted shares, or came from it beside burnt ones.
    pub(crate) fn wrapped_by(&self, share: Address, token: Address, is_into: bool) -> U256 {
        let of_share = self.wrappings.iter().filter(|of| of.share == share && of.is_into == is_into);
        let reported = of_share.fold(U256::ZERO, |sum, of| sum.saturating_add(of.assets));
        if !reported.is_zero() {
            return reported;
        }
        // A share of several tokens (a pool's) is none of one of them.
        let is_of_another = |of: &Transfer| {
            let holder = if is_into { of.to } else { of.from };
            holder == share && ![share, token].contains(&of.token)
        };
        if self.transfers.iter().any(is_of_another) {
            return U256::ZERO;
        }
        let [shares, assets] = [self.flow(Address::ZERO, share), self.flow(share, token)];
        match is_into {
            true if !shares.out.is_zero() => assets.into,
            false if !shares.into.is_zero() => assets.out,
            _ => U256::ZERO,
        }
    }

    /// The one account beside the trader that unwrapped coin which pools gave for a route, and how much of it: it paid on or kept
    /// the rest. Pools that unwrap pay out native coin themselves; what legs of others gave was unwrapped for them. None where
    /// another sum left the pools, or two accounts unwrapped.
    pub(crate) fn unwrapper(&self, trader: Address, legs: &[Leg], route: &Route) -> Option<(Address, U256)> {
        let (wrapped, from_pools) = (self.rules.wrapped?, route.bought.1);
        if legs.len() > MAX_LEGS_SEARCHED || self.native.unwrappings.len() > MAX_UNWRAPPINGS_SEARCHED {
            return None;
        }
        let mut pools: Vec<Address> = legs.iter().map(|leg| leg.holder).collect();
        pools.sort_unstable();
        let is_pool = |who: &Address| pools.binary_search(who).is_ok();
        let mut unwrappings: Vec<(Address, U256)> =
            self.native.unwrappings.iter().filter(|(who, _)| !is_pool(who)).copied().collect();
        for leg in legs.iter().enumerate().filter(|(at, _)| !route.legs.contains(at)).map(|(_, leg)| leg) {
            if let Some(at) = unwrappings.iter().position(|(_, raw)| (wrapped, *raw) == leg.bought) {
                unwrappings.remove(at);
            }
        }
        let (who, _) = unwrappings.first().copied().filter(|(who, _)| *who != trader)?;
        if unwrappings.iter().any(|(other, _)| *other != who) {
            return None;
        }
        let unwrapped = unwrappings.iter().fold(U256::ZERO, |sum, (_, raw)| sum.saturating_add(*raw));
        let (mut out, mut back) = (U256::ZERO, U256::ZERO);
        for Transfer { from, to, raw, .. } in self.transfers.iter().filter(|it| it.token == wrapped) {
            match (is_pool(from), is_pool(to)) {
                (true, false) => out = out.saturating_add(*raw),
                (false, true) => back = back.saturating_add(*raw),
                _ => {}
            }
        }
        (out.saturating_sub(back) >= from_pools && self.flow(who, wrapped).into >= unwrapped)
            .then_some((who, unwrapped))
    }

    /// The portions of native coin that the call tells a router to pay on.
    pub(crate) fn portions(&self, legs: &[Leg]) -> Vec<Portion> {
        if legs.len() > MAX_LEGS_SEARCHED { vec![] } else { portions_of_coin(&self.native.call()) }
    }

    /// What came to and went from each account of one token.
    pub(crate) fn flows_of_token(&self, token: Address) -> BTreeMap<Address, Moved> {
        transfers::flows_by_account(self.transfers.iter().filter(|transfer| transfer.token == token))
    }

    /// What an account gave and what it got in the end, by token.
    pub(crate) fn net_of_account(&self, account: Address) -> (Vec<Amount>, Vec<Amount>) {
        let mut flows: Vec<(Address, Moved)> = vec![];
        for Transfer { token, from, to, raw } in self.transfers {
            if *to == account {
                flows.push((*token, Moved { into: *raw, ..Moved::default() }));
            }
            if *from == account {
                flows.push((*token, Moved { out: *raw, ..Moved::default() }));
            }
        }
        transfers::add_up(&mut flows);
        let (mut given, mut got) = (vec![], vec![]);
        for (token, Moved { into, out }) in flows {
            if out > into {
                given.push((token, out - into));
            } else if into > out {
                got.push((token, into - out));
            }
        }
        (given, got)
    }

    /// The one token that an account gave and the one that it got; none where there were others. Native coin counts where it
    /// leaves logs; else what the sender brought along does where it gave nothing else, unless the rest of it may have been
    /// paid back.
    pub(crate) fn only_exchange(&self, account: Address) -> Option<(Amount, Amount)> {
        let (given, got) = self.net_of_account_with_coin(account);
        match (&given[..], &got[..]) {
            ([given], [got]) => Some(((given.0, self.without_interest(account, *given)), *got)),
            ([], [got]) if account == self.sender && !self.native.value.is_zero() && self.native_moves.is_empty() => {
                let wrapped = self.rules.wrapped?;
                let is_all_spent = !self.native.was_asked_for(got.1) && got.0 != wrapped;
                is_all_spent.then_some(((wrapped, self.native.value), *got))
            }
            _ => None,
        }
    }

    /// What an account gave and got in the end, native coin that leaves logs as the wrapped coin.
    pub(crate) fn net_of_account_with_coin(&self, account: Address) -> (Vec<Amount>, Vec<Amount>) {
        let (mut given, mut got) = self.net_of_account(account);
        let (Some(wrapped), Moved { into, out }) = (self.rules.wrapped, self.native_flow(account)) else {
            return (given, got);
        };
        if into == out {
            return (given, got);
        }
        let take = |side: &mut Vec<Amount>| {
            let at = side.iter().position(|(token, _)| *token == wrapped);
            at.map_or(U256::ZERO, |at| side.remove(at).1)
        };
        let (out, into) = (out.saturating_add(take(&mut given)), into.saturating_add(take(&mut got)));
        if out > into {
            given.push((wrapped, out - into));
        } else if into > out {
            got.push((wrapped, into - out));
        }
        (given, got)
    }

    /// What an account gave of a token of which some was minted to it before: interest of a lending market, since it gave
    /// nothing else for it. The wrapped coin is minted for native coin.
    fn without_interest(&self, account: Address, (token, raw): Amount) -> U256 {
        let of_token = self.transfers.iter().filter(|of| of.token == token && !self.is_coin(token));
        let before = of_token.take_while(|of| of.from != account);
        let interest = before.filter(|of| of.from.is_zero() && of.to == account);
        interest.fold(raw, |sum, of| sum.saturating_add(of.raw))
    }

    /// Whether an account gave all of a side, up to a fee, and the side is cash: its transfers cannot be forged.
    pub(crate) fn gave_cash(&self, account: Address, (asset, raw): Amount) -> bool {
        let Moved { into, out } = self.flow(account, asset);
        self.rules.is_quote(asset) && out.saturating_sub(into) >= without_fee(raw)
    }

    /// The sides of a report, native coin as the wrapped coin.
    pub(crate) fn sides_of_report(&self, report: &Report) -> (Amount, Amount) {
        let asset = |(token, raw): Amount| (self.rules.asset(token), raw);
        (asset(report.sold), asset(report.bought))
    }

    /// Accounts that may own standing orders which a listed router filled: each stands in the call, which has the order,
    /// gave one token and got one other, and is no pool, not the contract called and no recipient of a pool. None where
    /// the sender gave or got anything.
    pub(crate) fn makers(&self, legs: &[Leg]) -> Vec<Address> {
        let (given, got) = self.net_of_account(self.sender);
        if !given.is_empty() || !got.is_empty() {
            return vec![];
        }
        let is_on_the_way = |account: &Address| {
            let in_leg = |leg: &Leg| leg.holder == *account || leg.recipient == Some(*account);
            account.is_zero() || Some(*account) == self.callee || legs.iter().any(in_leg)
        };
        let mut makers = self.accounts_of_fills();
        makers.retain(|account| !is_on_the_way(account) && self.only_exchange(*account).is_some());
        makers
    }

    /// The accounts that are bound to the transaction beside its sender, as far as it sold this: they signed what a relay carried
    /// out, may own an order that a listed router filled, or stand in an operation of an unlisted entry point and sold cash.
    pub(crate) fn bound_accounts(&self, sold: Address) -> Vec<Address> {
        // Anybody can tell of an operation, but cash leaves an account only as its owner wills.
        let of_unlisted = self.operations.iter().filter(|of| !of.is_listed && self.rules.is_quote(sold));
        let accounts = of_unlisted.map(|of| of.account).chain(self.signers.iter().copied());
        accounts.chain(self.accounts_of_fills()).collect()
    }

    /// Accounts that gave a token and stand in the call of a transaction in which a listed router filled standing
    /// orders; nobody where it filled none, whatever the transfers say.
    pub(crate) fn accounts_of_fills(&self) -> Vec<Address> {
        if self.filler.is_none_or(|filler| filler.fills == 0) || self.transfers.len() > MAX_TRANSFERS_SEARCHED {
            return vec![];
        }
        let call = self.native.call();
        let mut accounts: Vec<Address> = self.transfers.iter().map(|transfer| transfer.from).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts.retain(|account| !account.is_zero() && memmem::find(&call, account.as_slice()).is_some());
        accounts
    }
}

/// The least of a side that counts as all of it: a router may have taken a fee, or a token its tax, before the pools or
/// behind them.
pub(crate) fn without_fee(whole: U256) -> U256 {
    whole - whole / U256::from(MAX_FEE_DIVISOR)
}

/// The first, if there is no second.
pub(crate) fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    match (all.next(), all.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}
