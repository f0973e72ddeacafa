//! From transactions to trades as the contract spells them: traders, sides, legs, fees, worth.

use crate::block::Transaction;
use crate::fees::Beside;
use crate::holders::Holders;
use crate::legs::{self, Found, Leg, Scene};
use crate::net::{self, Amount, Kind, Route};
use crate::settings::Settings;
use crate::traders::{self, Ledger, Trader};
use crate::tree::Tree;
use crate::venues::routers;
use crate::worth::{self, Cash, Price};
use crate::{SOL, moves};
use chain_plugin_sdk::amount::uint256;
use chain_plugin_sdk::{AssetAmount, Side, Trade};
use std::collections::BTreeMap;

/// More legs than these are merged, by pool and direction.
const MOST_LEGS: usize = 256;

/// What is needed beside the transactions.
pub struct Terms<'x> {
    /// The chain file's wishes.
    pub settings: &'x Settings,
    /// What counts as dollars.
    pub cash: &'x Cash,
}

/// The trades of a block, and how many swap events nothing backs.
#[derive(Debug, Default)]
pub struct Trades {
    /// In chain order.
    pub trades: Vec<Trade>,
    /// Counted and not published.
    pub unbacked: u64,
}

/// The trades of a block's transactions. Legs are found first, since they tell what SOL cost.
pub fn of(transactions: &[Transaction<'_>], terms: &Terms<'_>) -> Trades {
    let mut price = Price::default();
    let (mut trades, mut unbacked) = (vec![], 0);
    for transaction in transactions {
        let tree = Tree::of(transaction);
        if !legs::may_trade(transaction, &tree) {
            continue;
        }
        let holders = Holders::of(transaction, &tree);
        let moves = moves::of(&tree, &holders);
        let scene = Scene { transaction, tree: &tree, holders: &holders, moves: &moves, cash: terms.cash };
        let found = legs::find(&scene);
        unbacked += found.unbacked;
        found.legs.iter().for_each(|leg| price.see(leg, terms.cash));
        trades.extend(of_transaction(&scene, found, terms));
    }
    let valued = trades.into_iter().map(|(mut trade, unvalued)| {
        trade.valuation = unvalued.value(terms.cash, &price);
        trade
    });
    Trades { trades: valued.collect(), unbacked }
}

/// A trade's route with its legs, until the whole block has told what SOL cost.
struct Unvalued {
    legs: Vec<Leg>,
    kind: Kind,
    sold: (String, ruint::aliases::U256),
    bought: (String, ruint::aliases::U256),
}

impl Unvalued {
    fn value(&self, cash: &Cash, price: &Price) -> Option<chain_plugin_sdk::Valuation> {
        let (sold, bought) = ((self.sold.0.as_str(), self.sold.1), (self.bought.0.as_str(), self.bought.1));
        let route = Route { kind: self.kind, sold, bought, legs: (0..self.legs.len()).collect() };
        worth::value(&route, &self.legs, cash, price)
    }
}

fn of_transaction(scene: &Scene<'_, '_, '_>, found: Found, terms: &Terms<'_>) -> Vec<(Trade, Unvalued)> {
    let Found { legs, covered, .. } = found;
    let mut trades: Vec<(Trade, Unvalued)> = vec![];
    for (trader, legs) in traders::group(scene, legs) {
        let fee = if scene.holders.payer() == trader.address { scene.transaction.meta.fee } else { 0 };
        let ledger = Ledger { holders: scene.holders, trader: &trader.address, fee, cash: terms.cash };
        let mut beside = Beside::of(scene, &covered, &trader.address, &legs, terms.settings);
        for route in net::routes(&legs, &ledger) {
            let fees = beside.take(&route, &legs);
            let charged = traders::beneficiary(scene, trader.clone(), &route, &legs);
            let mut trade = spell(scene, charged, &route, &legs, terms.cash);
            trade.fees = fees;
            trade.platform.clone_from(&beside.platform);
            let own = |(asset, raw): Amount<'_>| (asset.to_owned(), raw);
            let unvalued = Unvalued {
                legs: route.legs.iter().map(|at| legs[*at].clone()).collect(),
                kind: route.kind,
                sold: own(route.sold),
                bought: own(route.bought),
            };
            trades.push((trade, unvalued));
        }
    }
    // Chain order: by the first leg of each.
    trades.sort_by_key(|(trade, _)| trade.legs.first().map_or(u32::MAX, |leg| leg.ordinal));
    for (ordinal, (trade, _)) in (0..).zip(&mut trades) {
        trade.ordinal = ordinal;
    }
    trades
}

fn spell(scene: &Scene<'_, '_, '_>, trader: Trader, route: &Route<'_>, legs: &[Leg], cash: &Cash) -> Trade {
    let calls = &scene.tree.calls;
    let first = route.legs.first().map(|at| &calls[legs[*at].place]);
    let receiver = first.map(|call| calls[call.top].program.to_owned());
    let side = |(asset, raw): Amount<'_>| Side {
        asset: asset.to_owned(),
        raw: uint256(raw),
        decimals: scene.holders.decimals(asset),
        symbol: (asset == SOL).then(|| "SOL".to_owned()),
        quote: cash.is_quote(asset),
    };
    let through = route.legs.iter().flat_map(|at| {
        let place = legs[*at].place;
        scene.tree.above(place).map(|call| call.program).chain([calls[calls[place].top].program])
    });
    let mut routers: Vec<&str> = through.filter_map(routers::of).collect();
    routers.sort_unstable();
    routers.dedup();
    Trade {
        kind: match route.kind {
            Kind::Swap => "swap".to_owned(),
            Kind::Cycle => "cycle".to_owned(),
        },
        transaction: chain_plugin_sdk::Transaction {
            hash: scene.transaction.message.signature.to_string(),
            index: scene.transaction.index,
            sender: scene.holders.payer().to_owned(),
            receiver,
        },
        ordinal: 0,
        trader: chain_plugin_sdk::Trader { address: trader.address, evidence: trader.evidence.to_owned() },
        sold: side(route.sold),
        bought: side(route.bought),
        legs: spell_legs(legs, &route.legs),
        fees: vec![],
        platform: None,
        valuation: None,
        attributes: routers.into_iter().map(|name| ("router".to_owned(), name.to_owned())).collect(),
    }
}

fn spell_legs(legs: &[Leg], which: &[usize]) -> Vec<chain_plugin_sdk::Leg> {
    let amount =
        |(asset, raw): &(String, ruint::aliases::U256)| AssetAmount { asset: asset.clone(), raw: uint256(*raw) };
    let spell = |leg: &Leg| chain_plugin_sdk::Leg {
        venue: leg.venue.clone(),
        pool: leg.pool.clone(),
        sold: amount(&leg.sold),
        bought: amount(&leg.bought),
        ordinal: u32::try_from(leg.place).unwrap_or(u32::MAX),
        attributes: vec![],
    };
    if which.len() <= MOST_LEGS {
        return which.iter().map(|at| spell(&legs[*at])).collect();
    }
    let mut merged: Vec<Leg> = vec![];
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for leg in which.iter().map(|at| &legs[*at]) {
        if let Some(at) = places.get(&(leg.pool.as_str(), leg.sold.0.as_str())) {
            let sum: &mut Leg = &mut merged[*at];
            sum.sold.1 = sum.sold.1.saturating_add(leg.sold.1);
            sum.bought.1 = sum.bought.1.saturating_add(leg.bought.1);
        } else {
            places.insert((leg.pool.as_str(), leg.sold.0.as_str()), merged.len());
            merged.push(leg.clone());
        }
    }
    merged.iter().take(MOST_LEGS).map(spell).collect()
}
