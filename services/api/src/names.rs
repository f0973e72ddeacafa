//! Checks the names that clients ask for against the chains that are followed and the assets that were traded lately: one
//! that can mean nothing is answered with a sentence, not with an empty list.

use crate::App;
use api_domain::{KnownChains, PositionKey, TradeFilter, TradeQuery, TradedAsset, UserQuery};

/// A name that means nothing here, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongName {
    /// The parameter, or the field of a filter.
    pub(crate) field: &'static str,
    /// What is wrong with it, after its name.
    pub(crate) rule: String,
}

/// Checks the names in a filter.
pub(crate) fn check_filter(app: &App, filter: &TradeFilter) -> Result<(), WrongName> {
    let (known, chain) = (app.hub.known_chains(), filter.chain.as_deref());
    check_chain(&known, chain)?;
    if let Some(trader) = &filter.trader {
        known.check_address(chain, trader).map_err(|rule| WrongName { field: "trader", rule })?;
    }
    if let Some(asset) = &filter.asset {
        check_asset(app, &known, chain, asset)?;
    }
    Ok(())
}

/// Checks the names in a query, and brings the hash of its transaction into the form of its chain.
pub(crate) fn check_query(app: &App, query: &mut TradeQuery) -> Result<(), WrongName> {
    check_filter(app, &query.filter)?;
    let (known, chain) = (app.hub.known_chains(), query.filter.chain.as_deref());
    if let Some(hash) = &mut query.transaction {
        known.check_transaction(chain, hash).map_err(|rule| WrongName { field: "tx", rule })?;
        *hash = known.normalized_transaction(chain, hash);
    }
    Ok(())
}

/// Checks an address and the chain beside it.
pub(crate) fn check_user(app: &App, user: &UserQuery) -> Result<(), WrongName> {
    let (known, chain) = (app.hub.known_chains(), user.chain.as_deref());
    check_chain(&known, chain)?;
    known.check_address(chain, &user.address).map_err(|rule| WrongName { field: "address", rule })
}

/// Checks the names of a position.
pub(crate) fn check_position(app: &App, key: &PositionKey) -> Result<(), WrongName> {
    check_user(app, &UserQuery { address: key.address.clone(), chain: Some(key.chain.clone()) })?;
    check_asset(app, &app.hub.known_chains(), Some(&key.chain), &key.asset)
}

fn check_chain(known: &KnownChains, chain: Option<&str>) -> Result<(), WrongName> {
    let Some(chain) = chain else { return Ok(()) };
    known.check_chain(chain).map_err(|rule| WrongName { field: "chain", rule })
}

fn check_asset(app: &App, known: &KnownChains, chain: Option<&str>, asset: &str) -> Result<(), WrongName> {
    known.check_asset(chain, asset).map_err(|rule| {
        let meant = TradedAsset::suggestion(&app.hub.assets_of_ticker(asset, chain));
        WrongName { field: "asset", rule: format!("{rule}; {meant}") }
    })
}
