//! From attributed routes to trades as the contract has them: sides, legs, fees, worth.

use crate::attribution;
use crate::attribution::portions::without_portions;
use crate::attribution::rule::{AttributedRoute, Confidence};
use crate::attribution::token_fees::{self, TokenFee};
use crate::attribution::transaction::TransactionView;
use crate::coin_fees;
use crate::facts::ContractFacts;
use crate::hex;
use crate::legs::DecodedTransaction;
use crate::model::{Amount, Leg, MAX_FEE_DIVISOR, Moved, PoolId, Route, Transfer};
use crate::native::{self, NativeCoin};
use crate::platforms::{Charge, Platform};
use crate::reference::{self, Price};
use crate::rpc::{Receipt, SentTransaction};
use crate::rules::Rules;
use crate::transactions;
use alloy_primitives::{Address, U256, U512};
use chain_plugin_sdk::amount::{from_usd, uint256, usd};
use chain_plugin_sdk::{AssetAmount, Fee, Side, Trade, Trader, Transaction, Valuation};
use netting::RouteKind;
use std::collections::BTreeMap;

/// More legs in one trade are merged, by pool and direction.
const MAX_LEGS_PER_TRADE: usize = 256;

/// Writes attributed routes as trades; needs what is known of the chain.
pub(crate) struct TradeWriter<'a> {
    /// The chain's cash and names.
    pub rules: &'a Rules,
    /// Facts about tokens and pools.
    pub facts: &'a ContractFacts,
    /// What assets cost by the reference pools of the block.
    pub prices: &'a BTreeMap<Address, Price>,
}

/// The trades of one transaction.
pub(crate) struct WrittenTrades {
    /// In the order of their first legs.
    pub trades: Vec<Trade>,
    /// Whether native coin of one of them may have gone another way than is assumed.
    pub is_assumed: bool,
}

impl TradeWriter<'_> {
    /// The trades of one transaction, whose trace may show how native coin moved; none when the receipt cannot be read.
    pub(crate) fn trades(
        &self,
        receipt: &Receipt<'_>,
        sent: SentTransaction<'_>,
        legs: &[Leg],
        found: &DecodedTransaction,
        traced: Option<&[Transfer]>,
    ) -> Option<WrittenTrades> {
        let sender = hex::address(receipt.from)?;
        let callee = match receipt.to {
            Some(to) => Some(hex::address(to)?),
            None => None,
        };
        let DecodedTransaction { transfers, orders, operations, signers, wrappings, reports, filler, .. } = found;
        let native = NativeCoin::read(&sent, &receipt.logs, self.rules.wrapped, callee);
        let (filler, rules) = (*filler, self.rules);
        let signers: &[Address] = &[&signers[..], &transactions::authorities(&sent)].concat();
        let native_moves = traced.map_or_else(|| native::transfers(&receipt.logs, rules), <[Transfer]>::to_vec);
        let view = TransactionView {
            sender,
            callee,
            transfers,
            native_moves: &native_moves,
            orders,
            operations,
            signers,
            wrappings,
            reports,
            filler,
            is_two_sided: found.is_two_sided(),
            venue_of_unknown_keys: found.venue_of_unknown_keys,
            native,
            rules,
        };
        let routes = attribution::attribute(&view, legs);
        let transaction = Transaction {
            hash: hex::encode(hex::hash(receipt.transaction_hash)?),
            index: u32::try_from(hex::quantity(receipt.transaction_index)?).ok()?,
            sender: hex::encode(sender),
            receiver: callee.map(hex::encode),
        };
        let trade = |(ordinal, attributed): (u32, &AttributedRoute)| Trade {
            kind: match attributed.route.kind {
                RouteKind::Swap => "swap".to_owned(),
                RouteKind::Cycle => "cycle".to_owned(),
            },
            transaction: transaction.clone(),
            ordinal,
            trader: Trader { address: hex::encode(attributed.trader), evidence: attributed.evidence.word().to_owned() },
            sold: self.side(attributed.route.sold),
            bought: self.side(attributed.route.bought),
            legs: contract_legs(legs, &attributed.route.legs),
            fees: vec![],
            platform: None,
            valuation: self.value(&attributed.route, legs, transfers),
            attributes: attributes_of(attributed, traced.is_some()),
        };
        let mut trades: Vec<Trade> = (0..).zip(&routes).map(trade).collect();
        let moves: Vec<Transfer> = transfers.iter().chain(&native_moves).copied().collect();
        let owns = |platform: &&Platform| platform.owns(callee, &moves, reports, || view.native.call());
        if let Some(platform) = self.rules.platforms.iter().find(owns) {
            let mut charges = platform.charges(&moves);
            charges.extend(self.kept(platform, callee, &routes, &view.native, &charges));
            self.attribute(platform, &routes, charges, &mut trades);
        }
        if let ([of], [trade]) = (&routes[..], &mut trades[..]) {
            for TokenFee { asset, raw, recipient, is_tax } in token_fees::beside_pools(&view, of, legs) {
                let (asset_text, who) = (hex::encode(asset), Some(hex::encode(recipient)));
                // A platform's charge is all that came to it, whatever it sent on.
                if trade.fees.iter().any(|known| known.asset == asset_text && known.recipient == who) {
                    continue;
                }
                add_fee(trade, if is_tax { "transfer" } else { "service" }, (asset, raw), recipient);
            }
        }
        let with_coin = coin_fees::only_route_with_coin(&view, &routes);
        for (at, (attributed, trade)) in routes.iter().zip(&mut trades).enumerate() {
            let is_known = with_coin == Some(at);
            let kept = if is_known { coin_fees::kept_on_the_way(&view, attributed, legs) } else { vec![] };
            if kept.is_empty() {
                self.add_services(&view, attributed, legs, trade);
            } else {
                self.add_fees(&kept, trade);
            }
        }
        let is_assumed = routes.iter().any(|of| of.confidence == Confidence::Assumed);
        Some(WrittenTrades { trades, is_assumed })
    }

    /// Adds what was paid on or kept of the wrapped coin on its way from the pools, before the rest was unwrapped for the
    /// trader.
    fn add_services(&self, view: &TransactionView<'_>, attributed: &AttributedRoute, legs: &[Leg], trade: &mut Trade) {
        let (Some(wrapped), bought) = (self.rules.wrapped, attributed.route.bought) else { return };
        let of_route = attributed.route.legs.iter().map(|at| legs[*at].bought).filter(|(asset, _)| *asset == bought.0);
        let from_pools = of_route.fold(U256::ZERO, |sum, (_, raw)| sum.saturating_add(raw));
        if Some(bought.0) != self.rules.wrapped || bought.1 >= from_pools {
            return;
        }
        let from_route = Route { bought: (bought.0, from_pools), ..attributed.route.clone() };
        let paid_out = view.unwrapper(attributed.trader, legs, &from_route);
        let may_be_paid = |who: &Address| {
            !legs.iter().any(|leg| leg.holder == *who) && ![Address::ZERO, attributed.trader].contains(who)
        };
        let kept = |(who, Moved { into, out }): (Address, Moved)| {
            let unwrapped = paid_out.filter(|(by, _)| *by == who).map_or(U256::ZERO, |(_, raw)| raw);
            Some((who, into.checked_sub(out.saturating_add(unwrapped)).filter(|raw| !raw.is_zero())?))
        };
        let flows = if paid_out.is_some() { view.flows_of_token(wrapped) } else { BTreeMap::new() };
        let mut paid: Vec<Amount> = flows.into_iter().filter(|(who, _)| may_be_paid(who)).filter_map(kept).collect();
        let unwrapped = paid_out.map_or(from_pools, |(_, raw)| raw);
        let (left, of_call) = without_portions(unwrapped, &view.portions(legs));
        paid.extend(of_call);
        let sum = paid.iter().fold(U256::ZERO, |sum, (_, raw)| sum.saturating_add(*raw));
        if ![left, unwrapped].contains(&bought.1) || sum > from_pools.saturating_sub(bought.1) {
            return;
        }
        self.add_fees(&paid, trade);
    }

    /// Adds fees of native coin to those that are known.
    fn add_fees(&self, paid: &[Amount], trade: &mut Trade) {
        let Some(wrapped) = self.rules.wrapped else { return };
        for (who, raw) in paid {
            add_fee(trade, "service", (wrapped, *raw), *who);
        }
    }

    /// All trades of the transaction are the platform's; each charge goes to the first that has its asset on a side.
    fn attribute(&self, platform: &Platform, routes: &[AttributedRoute], charges: Vec<Charge>, trades: &mut [Trade]) {
        for trade in &mut *trades {
            trade.platform = Some(platform.name.clone());
        }
        for Charge { amount, recipient } in charges {
            let sides = |attributed: &AttributedRoute| [attributed.route.sold.0, attributed.route.bought.0];
            let at = routes.iter().position(|attributed| sides(attributed).contains(&amount.0)).unwrap_or(0);
            let (Some(attributed), Some(trade)) = (routes.get(at), trades.get_mut(at)) else { continue };
            trade.fees.push(Fee {
                kind: "platform".to_owned(),
                asset: hex::encode(amount.0),
                raw: uint256(amount.1),
                recipient: Some(hex::encode(recipient)),
                // Sides are what the trader gave and got, so a charge on one of them is in it already.
                included: [attributed.route.sold.0, attributed.route.bought.0].contains(&amount.0),
            });
            if let Some(valuation) = &mut trade.valuation
                && let Some(worth) = self.worth_of_charge(amount, &attributed.route, from_usd(valuation.notional))
            {
                let before = valuation.fee.map_or(0, from_usd);
                valuation.fee = Some(usd(before.saturating_add(worth)));
            }
        }
    }

    /// What the platform's own router kept of native coin: the part of the value that it did not wrap, or the part of what
    /// it unwrapped that it does not report as paid out. Only in a transaction with one trade, and where no charge shows
    /// it already.
    fn kept(
        &self,
        platform: &Platform,
        callee: Option<Address>,
        routes: &[AttributedRoute],
        native: &NativeCoin<'_>,
        charges: &[Charge],
    ) -> Option<Charge> {
        let recipient = callee.filter(|callee| platform.is_router(*callee))?;
        let ([attributed], wrapped) = (routes, self.rules.wrapped?) else { return None };
        if charges.iter().any(|charge| charge.amount.0 == wrapped) {
            return None;
        }
        let kept = |whole: U256, used: U256, is_side: bool| {
            let rest = whole.checked_sub(used).filter(|_| is_side && !used.is_zero())?;
            (!rest.is_zero() && rest <= whole / U256::from(MAX_FEE_DIVISOR)).then_some(rest)
        };
        let (sold, bought) = (attributed.route.sold, attributed.route.bought);
        let is_spent = sold.0 == wrapped && sold.1 == native.value;
        let kept = kept(native.value, native.wrapped_by_callee, is_spent)
            .or_else(|| kept(native.unwrapped_by_callee, bought.1, bought.0 == wrapped))?;
        Some(Charge { amount: (wrapped, kept), recipient })
    }

    /// What a charge is worth: dollars count as such; of a side's asset, the same part of what the trade is worth.
    fn worth_of_charge(&self, (asset, raw): Amount, route: &Route, notional: u128) -> Option<u128> {
        if self.rules.is_stable(asset) {
            return self.dollars((asset, raw));
        }
        let (_, whole) = [route.sold, route.bought].into_iter().find(|(side, _)| *side == asset)?;
        let part: U512 = (U512::from(raw) * U512::from(notional)) / U512::from(whole);
        u128::try_from(part).ok().filter(|part| *part <= notional)
    }
}

/// Adds a fee that one of the sides contains, unless it is known by another name.
fn add_fee(trade: &mut Trade, kind: &str, (asset, raw): Amount, recipient: Address) {
    let fee = Fee {
        kind: kind.to_owned(),
        asset: hex::encode(asset),
        raw: uint256(raw),
        recipient: Some(hex::encode(recipient)),
        included: true,
    };
    if !trade
        .fees
        .iter()
        .any(|known| (&known.asset, &known.recipient, known.raw) == (&fee.asset, &fee.recipient, fee.raw))
    {
        trade.fees.push(fee);
    }
}

/// Who settled the trade, and how its sides are known where that is not by what moved.
fn attributes_of(attributed: &AttributedRoute, is_traced: bool) -> Vec<(String, String)> {
    let router = attributed.router.map(|router| ("router", router));
    let word = match attributed.confidence {
        Confidence::Exact | Confidence::Assumed => is_traced.then_some("traced"),
        Confidence::Reported => Some("reported"),
        Confidence::Estimated => Some("estimated"),
    };
    let confidence = word.map(|word| ("confidence", word));
    [router, confidence].into_iter().flatten().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn contract_legs(legs: &[Leg], which: &[usize]) -> Vec<chain_plugin_sdk::Leg> {
    let contract_leg = |leg: &Leg| chain_plugin_sdk::Leg {
        venue: leg.venue.clone(),
        pool: leg.pool.encode(),
        sold: amount(leg.sold),
        bought: amount(leg.bought),
        ordinal: leg.place,
        attributes: vec![],
    };
    if which.len() <= MAX_LEGS_PER_TRADE {
        return which.iter().map(|at| contract_leg(&legs[*at])).collect();
    }
    let mut merged: Vec<Leg> = vec![];
    let mut places: BTreeMap<(PoolId, Address), usize> = BTreeMap::new();
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
    merged.iter().take(MAX_LEGS_PER_TRADE).map(contract_leg).collect()
}

fn amount((asset, raw): Amount) -> AssetAmount {
    AssetAmount { asset: hex::encode(asset), raw: uint256(raw) }
}

impl TradeWriter<'_> {
    fn side(&self, (asset, raw): Amount) -> Side {
        let token = self.facts.tokens.get(&asset);
        Side {
            asset: hex::encode(asset),
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
    fn value(&self, route: &Route, legs: &[Leg], transfers: &[Transfer]) -> Option<Valuation> {
        if route.legs.iter().any(|at| !legs[*at].is_proved) {
            return self.held_by_transfers(route, transfers);
        }
        let sides = [route.sold, route.bought];
        let on_sides = sides.into_iter().filter(|(asset, _)| self.rules.is_stable(*asset));
        let worth = match on_sides.map(|side| self.dollars(side)).min() {
            Some(dollars) => dollars?,
            None => match self.passed_through(route, legs, transfers) {
                Some(dollars) => dollars,
                None => return self.by_reference(route),
            },
        };
        Some(Valuation { notional: usd(worth), fee: None, source: "stable-leg".to_owned() })
    }

    /// The smaller worth of its sides by reference pools.
    fn by_reference(&self, route: &Route) -> Option<Valuation> {
        let worth = |side: Amount| self.dollars(reference::dollars(side, self.prices, self.facts, self.rules)?);
        let worth = [route.sold, route.bought].into_iter().filter_map(worth).min()?;
        Some(Valuation { notional: usd(worth), fee: None, source: "reference-pool".to_owned() })
    }

    /// Where a leg is not proved, dollars on a side count up to the largest transfer of them.
    fn held_by_transfers(&self, route: &Route, transfers: &[Transfer]) -> Option<Valuation> {
        let sides = [route.sold, route.bought].into_iter().filter(|(asset, _)| self.rules.is_stable(*asset));
        let worth = sides.map(|(asset, raw)| self.dollars((asset, raw.min(largest(transfers, asset))))).min()??;
        Some(Valuation { notional: usd(worth), fee: None, source: "stable-leg".to_owned() })
    }

    fn passed_through(&self, route: &Route, legs: &[Leg], transfers: &[Transfer]) -> Option<u128> {
        let mut worth = None;
        for hop in route.legs.windows(2) {
            let (into, out) = (legs[hop[0]].bought, legs[hop[1]].sold);
            if into.0 != out.0 {
                return None;
            }
            if worth.is_none() && self.rules.is_stable(into.0) {
                // Between two pools of a vault nothing moves, so anyone could pass any sum through pools of their own.
                let moved = largest(transfers, into.0);
                worth = Some(into.1.min(out.1).min(moved))
                    .filter(|raw| !raw.is_zero())
                    .and_then(|raw| self.dollars((into.0, raw)));
            }
        }
        worth
    }

    /// Units of 10^-18 dollars, half to even; none from 10^15 dollars on.
    fn dollars(&self, (asset, raw): Amount) -> Option<u128> {
        const MAX_DOLLAR_UNITS: u128 = 10_u128.pow(15 + 18);
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
        u128::try_from(units).ok().filter(|units| *units < MAX_DOLLAR_UNITS)
    }
}

/// The largest single transfer of a token.
fn largest(transfers: &[Transfer], token: Address) -> U256 {
    let of_token = transfers.iter().filter(|transfer| transfer.token == token);
    of_token.map(|transfer| transfer.raw).max().unwrap_or_default()
}
