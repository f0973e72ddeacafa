//! A wallet: one address on one chain.

pub use tape::clean_symbol;

use std::fmt;
use std::sync::Arc;
use tape::Trade;

/// One address on one chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wallet {
    /// Id from the chain file.
    pub chain: Arc<str>,
    /// In the chain's own notation.
    pub address: Arc<str>,
}

impl Wallet {
    /// The wallet of an address on a chain.
    pub fn new(chain: impl Into<Arc<str>>, address: impl Into<Arc<str>>) -> Self {
        Self { chain: chain.into(), address: address.into() }
    }

    /// The wallet of the trade's trader.
    pub fn from_trade(trade: &Trade) -> Self {
        Self { chain: Arc::clone(&trade.chain), address: trade.trader.address.as_str().into() }
    }
}

/// `chain/address`: the key of every message about the wallet.
impl fmt::Display for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.chain, self.address)
    }
}
