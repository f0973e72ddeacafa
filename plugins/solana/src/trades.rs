//! From transactions to trades in the form of the contract: trader, sides, legs, fees, worth.

use crate::accounts::Accounts;
use crate::block::NodeTransaction;
use crate::call_tree::CallTree;
use crate::cash::Cash;
use crate::fees::OtherPayments;
use crate::legs::{self, FoundLegs};
use crate::model::{Leg, Route, RouteAmount, SOL};
use crate::settings::Settings;
use crate::traders::{Trader, TraderHoldings, group_by_trader, trader_or_recipient};
use crate::transfers::transfers_of;
use crate::venues::routers;
use crate::view::TransactionView;
use crate::worth::{SolPrice, valuation};
use chain_plugin_sdk::amount::uint256;
use chain_plugin_sdk::{AssetAmount, DroppedEvents, Side, Trade};
use netting::RouteKind;
use ruint::aliases::U256;
use std::collections::BTreeMap;

/// Where a trade has more legs, they are merged by pool and direction.
const MAX_LEGS_PER_TRADE: usize = 256;

/// What a chain file sets for the detection of trades.
pub(crate) struct Rules<'x> {
    /// The settings.
    pub(crate) settings: &'x Settings,
    /// Which assets are cash.
    pub(crate) cash: &'x Cash,
}

/// The trades of a block.
#[derive(Debug, Default)]
pub(crate) struct BlockTrades {
    /// In chain order.
    pub(crate) trades: Vec<Trade>,
    /// How many trades are reported by an event that no transfer backs; these are counted and not published.
    pub(crate) dropped: DroppedEvents,
}

/// Finds the trades of a block's transactions. Worth comes last, because only all legs of the block show what SOL cost.
pub(crate) fn find_trades(transactions: &[NodeTransaction<'_>], rules: &Rules<'_>) -> BlockTrades {
    let mut price = SolPrice::default();
    let (mut trades, mut dropped) = (vec![], DroppedEvents::default());
    for transaction in transactions {
        let tree = CallTree::from_transaction(transaction);
        if !legs::may_trade(transaction, &tree) {
            continue;
        }
        let accounts = Accounts::from_transaction(transaction, &tree);
        let transfers = transfers_of(&tree, &accounts);
        let view =
            TransactionView { transaction, tree: &tree, accounts: &accounts, transfers: &transfers, cash: rules.cash };
        let mut found = legs::find_legs(&view);
        dropped.add(std::mem::take(&mut found.dropped));
        found.legs.iter().for_each(|leg| price.count_leg(leg, rules.cash));
        trades.extend(trades_of_transaction(&view, found, rules));
    }
    let valued = trades.into_iter().map(|(mut trade, unvalued)| {
        trade.valuation = unvalued.valuation(rules.cash, &price);
        trade
    });
    BlockTrades { trades: valued.collect(), dropped }
}

/// A trade's route with its legs, kept until the price of SOL in the block is known.
struct Unvalued {
    legs: Vec<Leg>,
    kind: RouteKind,
    sold: (String, U256),
    bought: (String, U256),
}

impl Unvalued {
    fn valuation(&self, cash: &Cash, price: &SolPrice) -> Option<chain_plugin_sdk::Valuation> {
        let (sold, bought) = ((self.sold.0.as_str(), self.sold.1), (self.bought.0.as_str(), self.bought.1));
        let route = Route { kind: self.kind, sold, bought, legs: (0..self.legs.len()).collect() };
        valuation(&route, &self.legs, cash, price)
    }
}

fn trades_of_transaction(
    view: &TransactionView<'_, '_, '_>,
    found: FoundLegs,
    rules: &Rules<'_>,
) -> Vec<(Trade, Unvalued)> {
    let FoundLegs { legs, covered, .. } = found;
    let mut trades: Vec<(Trade, Unvalued)> = vec![];
    for (trader, legs) in group_by_trader(view, legs) {
        let fee = if view.accounts.payer() == trader.address { view.transaction.meta.fee } else { 0 };
        let holdings = TraderHoldings { accounts: view.accounts, trader: &trader.address, fee, cash: rules.cash };
        let mut payments = OtherPayments::of_trader(view, &covered, &trader.address, &legs, rules.settings);
        for route in netting::routes(&legs, &holdings) {
            let fees = payments.take_fees_of(&route, &legs);
            let charged = trader_or_recipient(view, trader.clone(), &route, &legs);
            let mut trade = contract_trade(view, charged, &route, &legs);
            trade.fees = fees;
            trade.platform.clone_from(&payments.platform);
            let own = |(asset, raw): RouteAmount<'_>| (asset.to_owned(), raw);
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

/// The trade of a route, without fees, platform and worth.
fn contract_trade(view: &TransactionView<'_, '_, '_>, trader: Trader, route: &Route<'_>, legs: &[Leg]) -> Trade {
    let calls = &view.tree.calls;
    let first = route.legs.first().map(|at| &calls[legs[*at].call]);
    let receiver = first.map(|call| calls[call.top].program.to_owned());
    let side = |(asset, raw): RouteAmount<'_>| Side {
        asset: asset.to_owned(),
        raw: uint256(raw),
        decimals: view.accounts.decimals(asset),
        symbol: (asset == SOL).then(|| "SOL".to_owned()),
        quote: view.cash.is_quote(asset),
    };
    let through = route.legs.iter().flat_map(|at| {
        let call = legs[*at].call;
        view.tree.above(call).map(|call| call.program).chain([calls[calls[call].top].program])
    });
    let mut routers: Vec<&str> = through.filter_map(routers::router_of_program).collect();
    routers.sort_unstable();
    routers.dedup();
    Trade {
        kind: match route.kind {
            RouteKind::Swap => "swap".to_owned(),
            RouteKind::Cycle => "cycle".to_owned(),
        },
        transaction: chain_plugin_sdk::Transaction {
            hash: view.transaction.message.signature.to_string(),
            index: view.transaction.index,
            sender: view.accounts.payer().to_owned(),
            receiver,
        },
        ordinal: 0,
        trader: chain_plugin_sdk::Trader { address: trader.address, evidence: trader.evidence.to_owned() },
        sold: side(route.sold),
        bought: side(route.bought),
        legs: contract_legs(legs, &route.legs),
        fees: vec![],
        platform: None,
        valuation: None,
        attributes: routers.into_iter().map(|name| ("router".to_owned(), name.to_owned())).collect(),
    }
}

fn contract_legs(legs: &[Leg], which: &[usize]) -> Vec<chain_plugin_sdk::Leg> {
    let amount = |(asset, raw): &(String, U256)| AssetAmount { asset: asset.clone(), raw: uint256(*raw) };
    let contract_leg = |leg: &Leg| chain_plugin_sdk::Leg {
        venue: leg.venue.clone(),
        pool: leg.pool.clone(),
        sold: amount(&leg.sold),
        bought: amount(&leg.bought),
        ordinal: u32::try_from(leg.call).unwrap_or(u32::MAX),
        attributes: vec![],
    };
    if which.len() <= MAX_LEGS_PER_TRADE {
        return which.iter().map(|at| contract_leg(&legs[*at])).collect();
    }
    let mut merged: Vec<Leg> = vec![];
    let mut index: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for leg in which.iter().map(|at| &legs[*at]) {
        if let Some(at) = index.get(&(leg.pool.as_str(), leg.sold.0.as_str())) {
            let sum: &mut Leg = &mut merged[*at];
            sum.sold.1 = sum.sold.1.saturating_add(leg.sold.1);
            sum.bought.1 = sum.bought.1.saturating_add(leg.bought.1);
        } else {
            index.insert((leg.pool.as_str(), leg.sold.0.as_str()), merged.len());
            merged.push(leg.clone());
        }
    }
    merged.iter().take(MAX_LEGS_PER_TRADE).map(contract_leg).collect()
}
