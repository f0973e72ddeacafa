//! Facts of contracts that the replay node answers: a pool's tokens and factory, a token's decimals and symbol, a chain's genesis.
//!
//! `blocks/README.md` says where each fact is from. What is not known is answered with `0x`, as a call to an account without code
//! would be.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One chain's facts.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ContractFacts {
    pub(super) genesis: Option<Box<RawValue>>,
    #[serde(default)]
    pools: HashMap<String, Pool>,
    #[serde(default)]
    tokens: HashMap<String, Token>,
    /// What invented contracts say.
    #[serde(skip)]
    invented: Option<Contracts>,
}

/// What a contract returns when called with some data, as hex; none where there is no such contract.
pub type Contracts = fn(to: &str, data: &str) -> Option<String>;

#[derive(Debug, Deserialize)]
struct Pool {
    token0: String,
    token1: String,
    factory: Option<String>,
    fee: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Token {
    decimals: u64,
    symbol: String,
}

/// The first four bytes of a call, as hex.
mod selector {
    pub(super) const TOKEN0: &str = "0x0dfe1681";
    pub(super) const TOKEN1: &str = "0xd21220a7";
    pub(super) const FACTORY: &str = "0xc45a0155";
    pub(super) const FEE: &str = "0xddca3f43";
    pub(super) const DECIMALS: &str = "0x313ce567";
    pub(super) const SYMBOL: &str = "0x95d89b41";
}

impl ContractFacts {
    /// The facts the repository carries; a chain nobody wrote down has none.
    pub(super) fn of_chain(chain_id: u64) -> anyhow::Result<Self> {
        let mut all: HashMap<String, Self> = serde_json::from_str(include_str!("../../blocks/facts.json"))?;
        Ok(all.remove(&chain_id.to_string()).unwrap_or_default())
    }

    /// The same, with invented contracts beside the recorded ones.
    pub(super) fn with(mut self, contracts: Contracts) -> Self {
        self.invented = Some(contracts);
        self
    }

    /// What `to` returns when called with `data`, as hex.
    pub(super) fn call(&self, to: &str, data: &str) -> String {
        let to = to.to_ascii_lowercase();
        let selector = data.get(..10).unwrap_or_default().to_ascii_lowercase();
        let recorded = self.pool(&to, &selector).or_else(|| self.token(&to, &selector));
        recorded.or_else(|| self.invented?(&to, &selector)).unwrap_or_else(|| "0x".to_owned())
    }

    fn pool(&self, to: &str, selector: &str) -> Option<String> {
        let pool = self.pools.get(to)?;
        match selector {
            selector::TOKEN0 => Some(address(&pool.token0)),
            selector::TOKEN1 => Some(address(&pool.token1)),
            selector::FACTORY => pool.factory.as_deref().map(address),
            selector::FEE => pool.fee.map(number),
            _ => None,
        }
    }

    fn token(&self, to: &str, selector: &str) -> Option<String> {
        let token = self.tokens.get(to)?;
        match selector {
            selector::DECIMALS => Some(number(token.decimals)),
            selector::SYMBOL => Some(text(&token.symbol)),
            _ => None,
        }
    }
}

fn address(address: &str) -> String {
    format!("0x{:0>64}", address.trim_start_matches("0x"))
}

fn number(number: u64) -> String {
    format!("0x{number:064x}")
}

/// A string of up to 32 bytes, as a contract returns it: where it begins, how long it is, its bytes.
fn text(text: &str) -> String {
    format!("0x{:064x}{:064x}{:0<64}", 32, text.len(), hex::encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_what_is_known_and_nothing_else() {
        let facts = ContractFacts::of_chain(1).unwrap();
        let weth = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
        assert_eq!(facts.call(weth, "0x313ce567"), number(18));
        let symbol = facts.call(&weth.to_uppercase().replace('X', "x"), selector::SYMBOL);
        assert_eq!(symbol.len(), 2 + 3 * 64);
        assert!(symbol.ends_with(&format!("{:0<64}", hex::encode("WETH"))));
        // The USDC/WETH pool of Uniswap V2 and its factory, known to everyone.
        let pool = "0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc";
        assert!(facts.call(pool, selector::FACTORY).ends_with("5c69bee701ef814a2b6a3edd4b1652cb9cc5aa6f"));
        assert!(facts.call(pool, selector::TOKEN1).ends_with(&weth[2..]));
        assert_eq!(facts.call(pool, selector::DECIMALS), "0x");
        assert_eq!(facts.call("0x0000000000000000000000000000000000000001", selector::TOKEN0), "0x");
    }

    #[test]
    fn every_recorded_chain_has_a_genesis() {
        for chain in [1, 10, 137, 8453, 42161] {
            assert!(ContractFacts::of_chain(chain).unwrap().genesis.is_some(), "{chain}");
        }
        assert!(ContractFacts::of_chain(31337).unwrap().genesis.is_none());
    }
}
