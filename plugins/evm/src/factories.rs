//! The names of the large venues, by the factory that made the pool.

use alloy_primitives::{Address, address};

/// Factory and venue. An address stands for the same deployer on every chain, so one list serves all; where a deployer
/// made different generations under one address, the pools' events distinguish them. Each address was compared with the
/// venues' own packages and with public repositories that name it (2026-11-25).
pub(crate) const KNOWN_FACTORIES: &[(Address, &str)] = &[
    (address!("5c69bee701ef814a2b6a3edd4b1652cb9cc5aa6f"), "uniswap-v2"), // Ethereum
    (address!("8909dc15e40173ff4699343b6eb8132c65e18ec6"), "uniswap-v2"), // Base, BSC
    (address!("f1d7cc64fb4452f05c498126312ebe29f30fbcf9"), "uniswap-v2"), // Arbitrum
    (address!("0c3c1c532f1e39edf36be9fe0be1410313e074bf"), "uniswap-v2"), // Optimism
    (address!("9e5a52f57b3038f1b8eee45f28b3c1967e22799c"), "uniswap-v2"), // Polygon, Avalanche
    (address!("1f98431c8ad98523631ae4a59f267346ea31f984"), "uniswap-v3"), // Ethereum, Arbitrum, Optimism, Polygon
    (address!("33128a8fc17869897dce68ed026d694621f6fdfd"), "uniswap-v3"), // Base
    (address!("db1d10011ad0ff90774d0c6bb92e5c5c8b4461f7"), "uniswap-v3"), // BSC
    (address!("740b1c1de25031c31ff4fc9a62f554a55cdc1bad"), "uniswap-v3"), // Avalanche
    (address!("0227628f3f023bb0b980b67d528571c95c6dac1c"), "uniswap-v3"), // Sepolia
    (address!("4752ba5dbc23f44d87826276bf6fd6b1c372ad24"), "uniswap-v3"), // Base Sepolia
    (address!("c0aee478e3658e2610c5f7a4a2e1777ce9e4f2ac"), "sushiswap-v2"), // Ethereum
    (address!("c35dadb65012ec5796536bd9864ed8773abc74c4"), "sushiswap-v2"), // Polygon, Arbitrum, Avalanche, BSC
    (address!("71524b4f93c58fcbf659783284e38825f0622859"), "sushiswap-v2"), // Base
    (address!("fbc12984689e5f15626bad03ad60160fe98b303c"), "sushiswap-v2"), // Optimism
    (address!("baceb8ec6b9355dfc0269c18bac9d6e2bdc29c4f"), "sushiswap-v3"), // Ethereum
    (address!("1af415a1eba07a4986a52b6f2e7de7003d82231e"), "sushiswap-v3"), // Arbitrum
    (address!("917933899c6a5f8e37f31e19f92cdbff7e8ff0e2"), "sushiswap-v3"), // Polygon
    (address!("9c6522117e2ed1fe5bdb72bb0ed5e3f2bde7dbe0"), "sushiswap-v3"), // Optimism
    (address!("126555dd55a39328f69400d6ae4f782bd4c34abb"), "sushiswap-v3"), // BSC
    (address!("3e603c14af37ebdad31709c4f848fc6ad5bec715"), "sushiswap-v3"), // Avalanche
    (address!("ca143ce32fe78f1f7019d7d551a6402fc5350c73"), "pancakeswap-v2"), // BSC
    (address!("1097053fd2ea711dad45caccc45eff7548fcb362"), "pancakeswap-v2"), // Ethereum
    (address!("02a84c1b3bbd7401a5f7fa98a384ebc70bb5749e"), "pancakeswap-v2"), // Base, Arbitrum
    (address!("0bfbcf9fa4f9c56b0f40a671ad40e0805a091865"), "pancakeswap-v3"), // BSC, Ethereum, Base, Arbitrum
    (address!("115934131916c8b277dd010ee02de363c09d037c"), "shibaswap-v2"), // Ethereum
    (address!("5757371414417b8c6caad45baef941abc7d3ab32"), "quickswap-v2"), // Polygon
    (address!("6eccab422d763ac031210895c81787e87b43a652"), "camelot-v2"), // Arbitrum
    (address!("9ad6c38be94206ca50bb0d90783181662f0cfa10"), "traderjoe-v1"), // Avalanche
    (address!("efa94de7a4656d787667c749f7e1223d71e9fd88"), "pangolin-v2"), // Avalanche
    (address!("420dd381b31aef6683db6b902084cb0ffece40da"), "aerodrome"),  // Base
    (address!("f1046053aa5682b4f9a81b5481394da16be5ff5a"), "velodrome-v2"), // Optimism
    (address!("858e3312ed3a876947ea49d572a7c42de08af7ee"), "biswap-v2"),  // BSC
];
