//! From routes to trades as the contract spells them: sides, legs, worth.

use crate::facts::Facts;
use crate::hex;
use crate::legs::Leg;
use crate::net::{Amount, Judge, Kind, Route};
use crate::rpc::Receipt;
use crate::settings::Rules;
use crate::transfers::Transfer;
use alloy_primitives::{Address, U256};
use chain_plugin_sdk::amount::{uint256, usd};
use chain_plugin_sdk::{AssetAmount, Side, Trade, Trader, Transaction, Valuation};
use std::collections::BTreeMap;

/// More legs than these are merged, by pool and direction.
const MOST_LEGS: usize = 256;

/// What is needed beside the route.
pub struct Terms<'a> {
    /// The chain's cash and names.
    pub rules: &'a Rules,
    /// What tokens say of themselves.
    pub facts: &'a Facts,
}

/// The trades of one transaction; none when the receipt cannot be read.
pub fn of(receipt: &Receipt<'_>, legs: &[Leg], routes: &[Route], terms: &Terms<'_>) -> Option<Vec<Trade>> {
    let sender = hex::spell(hex::address(receipt.from)?);
    let receiver = match receipt.to {
        Some(to) => Some(hex::spell(hex::address(to)?)),
        None => None,
    };
    let transaction = Transaction {
        hash: hex::spell(hex::hash(receipt.transaction_hash)?),
        index: u32::try_from(hex::quantity(receipt.transaction_index)?).ok()?,
        sender: sender.clone(),
        receiver,
    };
    let trade = |(ordinal, route): (u32, &Route)| Trade {
        kind: match route.kind {
            Kind::Swap => "swap".to_owned(),
            Kind::Cycle => "cycle".to_owned(),
        },
        transaction: transaction.clone(),
        ordinal,
        trader: Trader { address: sender.clone(), evidence: "tx-sender".to_owned() },
        sold: terms.side(route.sold),
        bought: terms.side(route.bought),
        legs: spell_legs(legs, &route.legs),
        fees: vec![],
        platform: None,
        valuation: terms.value(route, legs),
        attributes: vec![],
    };
    Some((0..).zip(routes).map(trade).collect())
}

fn spell_legs(legs: &[Leg], which: &[usize]) -> Vec<chain_plugin_sdk::Leg> {
    let spell = |leg: &Leg| chain_plugin_sdk::Leg {
        venue: leg.venue.clone(),
        pool: hex::spell(leg.pool),
        sold: amount(leg.sold),
        bought: amount(leg.bought),
        ordinal: leg.place,
        attributes: vec![],
    };
    if which.len() <= MOST_LEGS {
        return which.iter().map(|at| spell(&legs[*at])).collect();
    }
    let mut merged: Vec<Leg> = vec![];
    let mut places: BTreeMap<(Address, Address), usize> = BTreeMap::new();
    for leg in which.iter().map(|at| &legs[*at]) {
        if let Some(at) = places.get(&(leg.pool, leg.sold.0)) {
            let sum: &mut Leg = &mut merged[*at];
            sum.sold.1 = sum.sold.1.saturating_add(leg.sold.1);
            sum.bought.1 = sum.bought.1.saturating_add(leg.bought.1);
        } else {
            places.insert((leg.pool, leg.sold.0), merged.len());
            merged.push(leg.clone());
        }
    }
    merged.iter().take(MOST_LEGS).map(spell).collect()
}

fn amount((asset, raw): Amount) -> AssetAmount {
    AssetAmount { asset: hex::spell(asset), raw: uint256(raw) }
}

impl Terms<'_> {
    fn side(&self, (asset, raw): Amount) -> Side {
        let token = self.facts.tokens.get(&asset);
        Side {
            asset: hex::spell(asset),
            raw: uint256(raw),
            decimals: self.decimals(asset),
            symbol: token.and_then(|token| token.symbol.clone()),
            quote: self.rules.is_quote(asset),
        }
    }

    fn decimals(&self, asset: Address) -> Option<u8> {
        self.rules.decimals(asset).or_else(|| self.facts.tokens.get(&asset)?.decimals)
    }

    /// A trade is worth the dollars on one of its sides, the fewer if both are dollars; else the dollars that it passed
    /// through, when its legs are one chain.
    fn value(&self, route: &Route, legs: &[Leg]) -> Option<Valuation> {
        let sides = [route.sold, route.bought];
        let on_sides = sides.into_iter().filter(|(asset, _)| self.rules.is_stable(*asset));
        let worth = match on_sides.map(|side| self.dollars(side)).min() {
            Some(dollars) => dollars?,
            None => self.passed_through(route, legs)?,
        };
        Some(Valuation { notional: usd(worth), fee: None, source: "stable-leg".to_owned() })
    }

    fn passed_through(&self, route: &Route, legs: &[Leg]) -> Option<u128> {
        let mut worth = None;
        for hop in route.legs.windows(2) {
            let (into, out) = (legs[hop[0]].bought, legs[hop[1]].sold);
            if into.0 != out.0 {
                return None;
            }
            if worth.is_none() && self.rules.is_stable(into.0) {
                worth = self.dollars((into.0, into.1.min(out.1)));
            }
        }
        worth
    }

    /// Units of 10^-18 dollars, half to even; none from 10^15 dollars on.
    fn dollars(&self, (asset, raw): Amount) -> Option<u128> {
        const LIMIT: u128 = 10_u128.pow(15 + 18);
        let decimals = u32::from(self.decimals(asset)?);
        let units = if decimals <= 18 {
            raw.checked_mul(U256::from(10_u128.pow(18 - decimals)))?
        } else {
            let (whole, rest) = raw.div_rem(U256::from(10).checked_pow(U256::from(decimals - 18))?);
            let twice = rest.checked_mul(U256::from(2))?;
            let divisor = U256::from(10).checked_pow(U256::from(decimals - 18))?;
            let up = twice > divisor || (twice == divisor && whole.bit(0));
            whole.checked_add(U256::from(u8::from(up)))?
        };
        u128::try_from(units).ok().filter(|units| *units < LIMIT)
    }
}

/// Decides by the transfers of the transaction what stayed with the trader.
pub struct Witness<'a, 'b> {
    /// The transaction.
    pub receipt: &'a Receipt<'b>,
    /// Its legs.
    pub legs: &'a [Leg],
    /// The chain's cash.
    pub rules: &'a Rules,
}

impl Judge for Witness<'_, '_> {
    /// The sender, the contract it called and whoever the pools were told to pay count as the trader; pools do not, nor
    /// does the token itself. The wrapped coin always counts: it leaves as native coin, which no log shows.
    fn stayed(&self, asset: Address, gained: bool) -> bool {
        if self.rules.wrapped == Some(asset) {
            return true;
        }
        let mut holders: Vec<Address> = [Some(self.receipt.from), self.receipt.to]
            .into_iter()
            .flatten()
            .filter_map(hex::address)
            .chain(self.legs.iter().map(|leg| leg.recipient))
            .filter(|holder| *holder != asset)
            .collect();
        holders.sort_unstable();
        holders.dedup();
        let mut pools: Vec<Address> = self.legs.iter().map(|leg| leg.pool).collect();
        pools.sort_unstable();
        let holds = |address: &Address| holders.binary_search(address).is_ok() && pools.binary_search(address).is_err();
        let (mut into, mut out) = (U256::ZERO, U256::ZERO);
        for transfer in self.receipt.logs.iter().filter_map(Transfer::read).filter(|transfer| transfer.token == asset) {
            match (holds(&transfer.from), holds(&transfer.to)) {
                (false, true) => into = into.saturating_add(transfer.raw),
                (true, false) => out = out.saturating_add(transfer.raw),
                _ => {}
            }
        }
        if gained { into > out } else { out > into }
    }

    fn rank(&self, asset: Address) -> u8 {
        match (self.rules.wrapped == Some(asset), self.rules.is_stable(asset)) {
            (true, _) => 2,
            (_, true) => 1,
            _ => 0,
        }
    }
}
