//! From hops to trades: hops that follow each other make one trade, and so do routes of one message between the same assets.

use crate::node::{NodeBlock, NodeTransaction};
use crate::settings::{Settings, symbol_and_decimals};
use crate::swaps::{self, Coin, Hop};
use crate::time;
use chain_plugin_sdk::amount::{uint256, usd};
use chain_plugin_sdk::{self as sdk, AssetAmount, Failure, Fee, Leg, Side, Trade, Trader, Valuation};
use ruint::aliases::U256;

/// A block in the form of the contract, with its trades.
pub(crate) fn block_with_trades(block: NodeBlock, settings: &Settings) -> Result<sdk::Block, Failure> {
    let bad = || {
        Failure::BadData(format!("block {}: its time `{}` is not in UTC or not a time", block.id.height, block.time))
    };
    let timestamp_ms = time::parse_millis(&block.time).ok_or_else(bad)?;
    let mut trades = Vec::new();
    for (index, transaction) in (0_u32..).zip(&block.transactions) {
        trades.extend(trades_of_transaction(index, transaction, settings)?);
    }
    Ok(sdk::Block {
        height: block.id.height,
        hash: block.id.hash,
        parent: block.parent,
        timestamp_ms,
        trades,
        // It is proved that every transaction has its result. That no event is missing cannot be proved from a header.
        attributes: vec![("proof".to_owned(), "count".to_owned())],
    })
}

fn trades_of_transaction(
    index: u32,
    transaction: &NodeTransaction,
    settings: &Settings,
) -> Result<Vec<Trade>, Failure> {
    let routes = routes(swaps::hops(transaction)?);
    let trade = |(ordinal, route): (u32, &HopRoute)| trade(index, ordinal, transaction, route, settings);
    Ok((0_u32..).zip(&routes).map(trade).collect())
}

/// The hops of one trade.
struct HopRoute {
    sold: Coin,
    bought: Coin,
    hops: Vec<Hop>,
}

impl HopRoute {
    fn starting_with(hop: Hop) -> Self {
        Self { sold: hop.sold.clone(), bought: hop.bought.clone(), hops: vec![hop] }
    }

    fn is_from(&self, sender: &str, message: Option<&String>) -> bool {
        self.hops[0].sender == sender && self.hops[0].message.as_ref() == message
    }

    /// Whether a hop sells what this route bought last.
    fn leads_to(&self, hop: &Hop) -> bool {
        self.is_from(&hop.sender, hop.message.as_ref()) && self.bought.denom == hop.sold.denom
    }

    /// Whether another route is part of the same message and between the same assets.
    fn is_twin(&self, other: &Self) -> bool {
        let first = &other.hops[0];
        first.message.is_some()
            && self.is_from(&first.sender, first.message.as_ref())
            && (&self.sold.denom, &self.bought.denom) == (&other.sold.denom, &other.bought.denom)
            && self.hops.len() + other.hops.len() <= MAX_HOPS_PER_TRADE
    }
}

/// Further hops become another trade.
const MAX_HOPS_PER_TRADE: usize = 256;

/// Groups hops into routes, in the order of their first hops.
fn routes(hops: Vec<Hop>) -> Vec<HopRoute> {
    let mut routes: Vec<HopRoute> = Vec::new();
    for hop in hops {
        match routes.last_mut() {
            Some(route) if route.leads_to(&hop) && route.hops.len() < MAX_HOPS_PER_TRADE => {
                route.bought = hop.bought.clone();
                route.hops.push(hop);
            }
            _ => routes.push(HopRoute::starting_with(hop)),
        }
    }
    let mut merged: Vec<HopRoute> = Vec::new();
    for route in routes {
        match merged.iter_mut().find(|twin| twin.is_twin(&route)) {
            Some(twin) => {
                twin.sold.raw = twin.sold.raw.saturating_add(route.sold.raw);
                twin.bought.raw = twin.bought.raw.saturating_add(route.bought.raw);
                twin.hops.extend(route.hops);
            }
            None => merged.push(route),
        }
    }
    merged
}

fn trade(index: u32, ordinal: u32, transaction: &NodeTransaction, route: &HopRoute, settings: &Settings) -> Trade {
    let signer = swaps::first_signer(transaction);
    let evidence = if signer.is_some() { "signer" } else { "event-owner" };
    let address = signer.unwrap_or_else(|| route.hops[0].sender.clone());
    let is_cycle = route.sold.denom == route.bought.denom;
    // A transaction pays one fee: its first trade carries it.
    let fee = swaps::network_fee(transaction).filter(|_| ordinal == 0).map(|fee| Fee {
        kind: "network".to_owned(),
        asset: fee.denom,
        raw: uint256(fee.raw),
        recipient: None,
        included: false,
    });
    Trade {
        kind: if is_cycle { "cycle" } else { "swap" }.to_owned(),
        transaction: sdk::Transaction {
            hash: transaction.hash.clone(),
            index,
            sender: address.clone(),
            receiver: None,
        },
        ordinal,
        trader: Trader { address, evidence: evidence.to_owned() },
        sold: side(&route.sold, settings),
        bought: side(&route.bought, settings),
        legs: (0_u32..).zip(&route.hops).map(leg).collect(),
        fees: fee.into_iter().collect(),
        platform: None,
        valuation: valuation(&route.sold, &route.bought, settings),
        attributes: vec![],
    }
}

fn side(coin: &Coin, settings: &Settings) -> Side {
    let (symbol, decimals) = symbol_and_decimals(&coin.denom);
    let (asset, raw, quote) = (coin.denom.clone(), uint256(coin.raw), settings.is_quote(&coin.denom));
    Side { asset, raw, decimals, symbol, quote }
}

fn leg((ordinal, hop): (u32, &Hop)) -> Leg {
    let amount = |coin: &Coin| AssetAmount { asset: coin.denom.clone(), raw: uint256(coin.raw) };
    Leg {
        venue: "osmosis".to_owned(),
        pool: format!("pool/{}", hop.pool),
        sold: amount(&hop.sold),
        bought: amount(&hop.bought),
        ordinal,
        attributes: vec![],
    }
}

/// The worth in dollars, where one side is a dollar.
fn valuation(sold: &Coin, bought: &Coin, settings: &Settings) -> Option<Valuation> {
    let (coin, decimals) =
        [sold, bought].into_iter().find_map(|coin| Some((coin, settings.stable_decimals(&coin.denom)?)))?;
    let scale = U256::from(10).checked_pow(U256::from(18_u8.checked_sub(decimals)?))?;
    let units = u128::try_from(coin.raw.checked_mul(scale)?).ok()?;
    Some(Valuation { notional: usd(units), fee: None, source: "stable-leg".to_owned() })
}
