//! Cash: dollar tokens, SOL, and the pools whose trades say what SOL costs.

use crate::model::SOL;
use ruint::aliases::U256;
use std::collections::BTreeMap;

/// Dollar tokens with their decimals.
const STABLES: [(&str, u8); 8] = [
    ("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6), // USDC
    ("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6), // USDT
    ("2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo", 6), // PYUSD
    ("USDSwr9ApdHk5bvJKMjzff41FfuX8bSxdKcR81vTwcA", 6),  // USDS
    ("2u1tszSeqZ3qBWF3uNGPFc8TzMk2tdiwknnRMWGWjGWH", 6), // USDG
    ("USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB", 6),  // USD1
    ("9zNQRsGLjNKwCUU5Gq5LR8beUCPzQMVMqKAi3SSZh54u", 6), // FDUSD
    ("4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", 6), // USDC on the development network
];

/// The deepest pools of SOL and USDC.
pub(crate) const REFERENCE_POOLS: [&str; 6] = [
    "Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE", // Orca Whirlpool
    "HJPjoWUrhoZzkNfRpHuieeFk9WcZWjwy6PBjZ81ngndJ", // Orca Whirlpool
    "3ucNos4NbumPLZNWztqGHNFFgkHeRMBQAVemeeomsUxv", // Raydium CLMM
    "8sLbNZoA1cfnvMJLPfp98ZLAnFSYCFApfJKMbiXNLwxj", // Raydium CLMM
    "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2", // Raydium AMM v4
    "5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6",  // Meteora DLMM
];

/// Amounts from here on, in units of 10^-18 dollars, are not valued: 10^15 dollars.
pub(crate) const VALUATION_LIMIT: u128 = 10_u128.pow(15 + 18);

/// Which assets count as cash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cash {
    stables: BTreeMap<String, u8>,
    reference_pools: Vec<String>,
}

impl Cash {
    /// The built-in dollar tokens and reference pools, changed by settings.
    pub(crate) fn new(changes: &BTreeMap<String, Option<u8>>, reference_pools: Option<&[String]>) -> Self {
        let mut stables: BTreeMap<String, u8> =
            STABLES.iter().map(|(mint, decimals)| ((*mint).to_owned(), *decimals)).collect();
        for (mint, decimals) in changes {
            match decimals {
                Some(decimals) => stables.insert(mint.clone(), *decimals),
                None => stables.remove(mint),
            };
        }
        let reference_pools = match reference_pools {
            Some(pools) => pools.to_vec(),
            None => REFERENCE_POOLS.map(str::to_owned).to_vec(),
        };
        Self { stables, reference_pools }
    }

    /// Whether an asset is a dollar token.
    pub(crate) fn is_stable(&self, asset: &str) -> bool {
        self.stables.contains_key(asset)
    }

    /// Whether an asset is cash: SOL or a dollar token.
    pub(crate) fn is_quote(&self, asset: &str) -> bool {
        asset == SOL || self.is_stable(asset)
    }

    /// Whether the trades of a pool say what SOL costs.
    pub(crate) fn is_reference_pool(&self, pool: &str) -> bool {
        self.reference_pools.iter().any(|known| known == pool)
    }

    /// An amount of a dollar token in units of 10^-18 dollars; none for another asset, and from [`VALUATION_LIMIT`] on.
    pub(crate) fn dollars(&self, asset: &str, raw: U256) -> Option<u128> {
        let decimals = *self.stables.get(asset)?;
        let units = raw.checked_mul(U256::from(10_u128.checked_pow(u32::from(18 - decimals.min(18)))?))?;
        u128::try_from(units).ok().filter(|units| *units < VALUATION_LIMIT)
    }
}
