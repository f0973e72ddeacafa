//! One user-level trade per route: hops that follow each other are one trade, routes between the same two assets too.

use crate::node::{Block, Transaction};
use crate::settings::{Settings, decoration};
use crate::swaps::{self, Coin, Hop};
use crate::time;
use chain_plugin_sdk::amount::{uint256, usd};
use chain_plugin_sdk::{self as sdk, AssetAmount, Failure, Fee, Leg, Side, Trade, Trader, Valuation};
use ruint::aliases::U256;

/// A block with its trades.
pub fn block(block: Block, settings: &Settings) -> Result<sdk::Block, Failure> {
    let bad = || Failure::BadData(format!("block {} has the time `{}`", block.id.height, block.time));
    let timestamp_ms = time::millis(&block.time).ok_or_else(bad)?;
    let mut trades = Vec::new();
    for (index, transaction) in (0_u32..).zip(&block.transactions) {
        trades.extend(of_transaction(index, transaction, settings)?);
    }
    Ok(sdk::Block {
        height: block.id.height,
        hash: block.id.hash,
        parent: block.parent,
        timestamp_ms,
        trades,
        // Every transaction has its result; that the events are all there cannot be proved from a header.
        attributes: vec![("proof".to_owned(), "count".to_owned())],
    })
}

fn of_transaction(index: u32, transaction: &Transaction, settings: &Settings) -> Result<Vec<Trade>, Failure> {
    let routes = routes(swaps::hops(transaction)?);
    let trade = |(ordinal, route): (u32, &Route)| trade(index, ordinal, transaction, route, settings);
    Ok((0_u32..).zip(&routes).map(trade).collect())
}

/// Hops of one trade.
struct Route {
    sold: Coin,
    bought: Coin,
    hops: Vec<Hop>,
}

impl Route {
    fn begin(hop: Hop) -> Self {
        Self { sold: hop.sold.clone(), bought: hop.bought.clone(), hops: vec![hop] }
    }

    fn is_of(&self, sender: &str, message: Option<&String>) -> bool {
        self.hops[0].sender == sender && self.hops[0].message.as_ref() == message
    }

    /// Whether a hop takes what this route has just got.
    fn leads_to(&self, hop: &Hop) -> bool {
        self.is_of(&hop.sender, hop.message.as_ref()) && self.bought.denom == hop.sold.denom
    }

    /// Whether another route of the same message goes between the same assets.
    fn is_twin(&self, other: &Self) -> bool {
        let first = &other.hops[0];
        first.message.is_some()
            && self.is_of(&first.sender, first.message.as_ref())
            && (&self.sold.denom, &self.bought.denom) == (&other.sold.denom, &other.bought.denom)
            && self.hops.len() + other.hops.len() <= MOST_HOPS
    }
}

/// More hops than these begin another trade.
const MOST_HOPS: usize = 256;

/// Hops that belong together, in order of the first of each.
fn routes(hops: Vec<Hop>) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for hop in hops {
        match routes.last_mut() {
            Some(route) if route.leads_to(&hop) && route.hops.len() < MOST_HOPS => {
                route.bought = hop.bought.clone();
                route.hops.push(hop);
            }
            _ => routes.push(Route::begin(hop)),
        }
    }
    let mut merged: Vec<Route> = Vec::new();
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

fn trade(index: u32, ordinal: u32, transaction: &Transaction, route: &Route, settings: &Settings) -> Trade {
    let signer = swaps::signer(transaction);
    let evidence = if signer.is_some() { "signer" } else { "event-owner" };
    let address = signer.unwrap_or_else(|| route.hops[0].sender.clone());
    let is_cycle = route.sold.denom == route.bought.denom;
    // The fee is the transaction's: it stands on its first trade.
    let fee = swaps::fee(transaction).filter(|_| ordinal == 0).map(|fee| Fee {
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
    let (symbol, decimals) = decoration(&coin.denom);
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

/// Dollars, where one side is a dollar.
fn valuation(sold: &Coin, bought: &Coin, settings: &Settings) -> Option<Valuation> {
    let (coin, decimals) = [sold, bought].into_iter().find_map(|coin| Some((coin, settings.stable(&coin.denom)?)))?;
    let scale = U256::from(10).checked_pow(U256::from(18_u8.checked_sub(decimals)?))?;
    let units = u128::try_from(coin.raw.checked_mul(scale)?).ok()?;
    Some(Valuation { notional: usd(units), fee: None, source: "stable-leg".to_owned() })
}
