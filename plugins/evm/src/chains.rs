//! The built-in table of chains, by their numbers: cash, wrapped coin, and how their blocks are proved.

use alloy_primitives::{Address, address};

/// How a chain's blocks are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Header hash and receipts root as on Ethereum.
    Standard,
    /// As on Ethereum, but the last receipt may belong to no root (Polygon's state sync).
    StateSyncApart,
    /// Block hash or receipts root are made in another way.
    Impossible,
}

/// What is built in about one chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownChain {
    /// The contract that wraps the native coin.
    pub wrapped: Option<Address>,
    /// Dollar tokens with their decimals.
    pub stables: &'static [(Address, u8)],
    /// How its blocks are proved.
    pub proof: Proof,
    /// Contracts that repeat each transfer of another one, with the one that is the asset.
    pub twins: &'static [(Address, Address)],
}

impl KnownChain {
    /// What is known of a chain; an unknown one is like Ethereum without tokens.
    pub(crate) fn by_id(id: u64) -> Self {
        let known = |wrapped, stables| Self { wrapped: Some(wrapped), stables, proof: Proof::Standard, twins: &[] };
        match id {
            1 => known(address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"), ETHEREUM),
            10 => known(OP_STACK_WRAPPED, OPTIMISM),
            56 => known(address!("bb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c"), BSC),
            100 => Self { twins: GNOSIS_TWINS, ..known(address!("e91d153e0b41518a2ce8dd3d7944fa863463a97d"), GNOSIS) },
            130 => known(OP_STACK_WRAPPED, UNICHAIN),
            137 => Self {
                proof: Proof::StateSyncApart,
                ..known(address!("0d500b1d8e8ef31e21c99d1db9a6444d3adf1270"), POLYGON)
            },
            80_002 => Self { wrapped: None, stables: &[], proof: Proof::StateSyncApart, twins: &[] },
            // Celo's coin is a token itself, and nothing wraps it.
            42_220 => known(address!("471ece3750da237f93b8e339c536989b8978a438"), CELO),
            59_144 => known(address!("e5d7c2a44ffddf6b295a15c148167daaaf5cf34f"), LINEA),
            534_352 => known(address!("5300000000000000000000000000000000000004"), SCROLL),
            8_453 => known(OP_STACK_WRAPPED, BASE),
            84_532 => known(OP_STACK_WRAPPED, BASE_SEPOLIA),
            42_161 => known(address!("82af49447d8a07e3bd95bd0d56f35241523fbab1"), ARBITRUM),
            43_114 => known(address!("b31f66aa3c1e785363f0875a1b74e27b85fd66c7"), AVALANCHE),
            11_155_111 => known(address!("fff9976782d46cc05630d1f6ebab18b2324d6b14"), SEPOLIA),
            // The ZK Stack hashes its blocks in its own way.
            232 | 300 | 324 | 2_741 | 11_124 => {
                Self { wrapped: None, stables: &[], proof: Proof::Impossible, twins: &[] }
            }
            _ => Self { wrapped: None, stables: &[], proof: Proof::Standard, twins: &[] },
        }
    }
}

// Dollar tokens: addresses and decimals were compared with Uniswap's default token list, Aave's address book, and public
// repositories that name them (2026-11-25).

const OP_STACK_WRAPPED: Address = address!("4200000000000000000000000000000000000006");

const ETHEREUM: &[(Address, u8)] = &[
    (address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"), 6), // USDC
    (address!("dac17f958d2ee523a2206206994597c13d831ec7"), 6), // USDT
    (address!("6b175474e89094c44da98b954eedeac495271d0f"), 18), // DAI
    (address!("dc035d45d973e3ec169d2276ddab16f1e407384f"), 18), // USDS
    (address!("4c9edd5852cd905f086c759e8383e09bff1e68b3"), 18), // USDe
    (address!("6c3ea9036406852006290770bedfcaba0e23a0e8"), 6), // PYUSD
    (address!("853d955acef822db058eb8505911ed77f175b99e"), 18), // FRAX
    (address!("f939e0a03fb07f59a73314e73794be0e57ac1b4e"), 18), // crvUSD
    (address!("40d16fc0246ad3160ccc09b8d0d3a2cd28ae6c2f"), 18), // GHO
    (address!("5f98805a4e8be255a32880fdec7f6728c6568ba0"), 18), // LUSD
    (address!("4fabb145d64652a948d72533023f6e7a623c7c53"), 18), // BUSD
];

const OPTIMISM: &[(Address, u8)] = &[
    (address!("0b2c639c533813f4aa9d7837caf62653d097ff85"), 6), // USDC
    (address!("7f5c764cbc14f9669b88837ca1490cca17c31607"), 6), // USDC.e
    (address!("94b008aa00579c1307b0ef2c499ad98a8ce58e58"), 6), // USDT
    (address!("da10009cbd5d07dd0cecc66161fc93d7c9000da1"), 18), // DAI
];

const BSC: &[(Address, u8)] = &[
    (address!("55d398326f99059ff775485246999027b3197955"), 18), // USDT
    (address!("8ac76a51cc950d9822d68b83fe1ad97b32cd580d"), 18), // USDC
    (address!("e9e7cea3dedca5984780bafc599bd69add087d56"), 18), // BUSD
    (address!("1af3f329e8be154074d8769d1ffa4ee058b1dbc3"), 18), // DAI
    (address!("c5f0f7b66764f6ec8c8dff7ba683102295e16409"), 18), // FDUSD
    (address!("8d0d000ee44948fc98c9b98a4fa4921476f08b0d"), 18), // USD1
];

/// The coin of this chain is a dollar, and so is what wraps it.
const GNOSIS: &[(Address, u8)] = &[
    (address!("e91d153e0b41518a2ce8dd3d7944fa863463a97d"), 18), // WXDAI
    (address!("2a22f9c3b484c3629090feed35f17ff8f88f76f0"), 6),  // USDC.e
    (address!("ddafbb505ad214d7b80b1f830fccc89b60fb7a83"), 6),  // USDC
    (address!("4ecaba5870353805a9f068101a40e0f32ed605c6"), 6),  // USDT
];

/// Monerium's tokens: the contracts of before still tell every transfer, and pools still name them.
const GNOSIS_TWINS: &[(Address, Address)] = &[
    // EURe, GBPe, USDe, ISKe
    (address!("cb444e90d8198415266c6a2724b7900fb12fc56e"), address!("420ca0f9b9b604ce0fd9c18ef134c705e5fa3430")),
    (address!("5cb9073902f2035222b9749f8fb0c9bfe5527108"), address!("8e34bfec4f6eb781f9743d9b4af99cd23f9b7053")),
    (address!("20e694659536c6b46e4b8be8f6303ffcd8d1df69"), address!("50d1a74f4b6dcacddd97fd442c0e22a4c97f2b7f")),
    (address!("d8f84bf2e036a3c8e4c0e25ed2aae0370f3ccca8"), address!("614bd419d3735c9eb51542c06e5acc09a9953f61")),
];

const UNICHAIN: &[(Address, u8)] = &[
    (address!("078d782b760474a361dda0af3839290b0ef57ad6"), 6), // USDC
    (address!("9151434b16b9763660705744891fa906f660ecc5"), 6), // USDT0
];

const CELO: &[(Address, u8)] = &[
    (address!("ceba9300f2b948710d2653dd7b07f33a8b32118c"), 6), // USDC
    (address!("48065fbbe25f71c9282ddf5e1cd6d6a887483d5e"), 6), // USDT
    (address!("765de816845861e75a25fca122bb6898b8b1282a"), 18), // cUSD
];

const LINEA: &[(Address, u8)] = &[
    (address!("176211869ca2b568f2a7d4ee941e073a821ee1ff"), 6), // USDC
    (address!("a219439258ca9da29e9cc4ce5596924745e12b93"), 6), // USDT
];

const SCROLL: &[(Address, u8)] = &[
    (address!("06efdbff2a14a7c8e15944d1f4a48f9f95f663a4"), 6), // USDC
    (address!("f55bec9cafdbe8730f096aa55dad6d22d44099df"), 6), // USDT
];

const POLYGON: &[(Address, u8)] = &[
    (address!("3c499c542cef5e3811e1192ce70d8cc03d5c3359"), 6), // USDC
    (address!("2791bca1f2de4661ed88a30c99a7a9449aa84174"), 6), // USDC.e
    (address!("c2132d05d31c914a87c6611c10748aeb04b58e8f"), 6), // USDT
    (address!("8f3cf7ad23cd3cadbd9735aff958023239c6a063"), 18), // DAI
];

const BASE: &[(Address, u8)] = &[
    (address!("833589fcd6edb6e08f4c7c32d4f71b54bda02913"), 6), // USDC
    (address!("d9aaec86b65d86f6a7b5b1b0c42ffa531710b6ca"), 6), // USDbC
    (address!("fde4c96c8593536e31f229ea8f37b2ada2699bb2"), 6), // USDT
    (address!("50c5725949a6f0c72e6c4a641f24049a917db0cb"), 18), // DAI
];

const ARBITRUM: &[(Address, u8)] = &[
    (address!("af88d065e77c8cc2239327c5edb3a432268e5831"), 6), // USDC
    (address!("ff970a61a04b1ca14834a43f5de4533ebddb5cc8"), 6), // USDC.e
    (address!("fd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9"), 6), // USDT
    (address!("da10009cbd5d07dd0cecc66161fc93d7c9000da1"), 18), // DAI
];

const AVALANCHE: &[(Address, u8)] = &[
    (address!("b97ef9ef8734c71904d8002f8b6bc66dd9c48a6e"), 6), // USDC
    (address!("a7d7079b0fead91f3e65f86e8915cb59c1a4c664"), 6), // USDC.e
    (address!("9702230a8ea53601f5cd2dc00fdbc13d4df4a8c7"), 6), // USDT
    (address!("c7198437980c041c805a1edcba50c1ce5db95118"), 6), // USDT.e
    (address!("d586e7f844cea2f87f50152665bcbc2c279d8d70"), 18), // DAI.e
];

const SEPOLIA: &[(Address, u8)] = &[
    (address!("1c7d4b196cb0c7b01d743fbc6116a902379c7238"), 6), // USDC
];

const BASE_SEPOLIA: &[(Address, u8)] = &[
    (address!("036cbd53842c5426634e7929541ec2318f3dcf7e"), 6), // USDC
];
