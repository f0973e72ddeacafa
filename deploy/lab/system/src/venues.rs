//! The real Uniswap V2 and V3 contracts on a real node: deployed, filled and traded on by tests.

use crate::evm_node::{EvmNode, quantity};
use alloy_primitives::{U256, keccak256};
use anyhow::Context;
use serde_json::Value;

/// The contracts on it, and who trades.
pub struct Venues {
    /// Who deployed everything and provides the liquidity.
    pub owner: String,
    /// A token.
    pub token: String,
    /// What the token is traded against; tests declare it a stable.
    pub dollar: String,
    /// Uniswap V2's router.
    pub v2_router: String,
    /// The V2 pair of the two.
    pub v2_pair: String,
    /// Uniswap V3's router.
    pub v3_router: String,
    /// The V3 pool of the two, at 0.3 %.
    pub v3_pool: String,
    /// The contract that wraps the native coin.
    pub weth: String,
    /// Uniswap V3's contract for positions.
    positions: String,
}

impl EvmNode {
    async fn deploy(&self, from: &str, artifact: &str, words: &[String]) -> anyhow::Result<String> {
        let path = self.packages.join(artifact);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let artifact: Value = serde_json::from_str(&text)?;
        let code = artifact["bytecode"].as_str().with_context(|| format!("{} has no bytecode", path.display()))?;
        let data = format!("0x{}{}", code.trim_start_matches("0x"), words.concat());
        self.create(from, &data).await
    }

    /// Deploys both venues with two tokens and liquidity, and hands the traders some dollars.
    pub async fn deploy_venues(&self) -> anyhow::Result<Venues> {
        let accounts = self.accounts().await?;
        let owner = accounts.first().context("no accounts")?.clone();
        let wealth = word(10_u128.pow(30));
        let erc20 = "@uniswap/v2-core/build/ERC20.json";
        let token = self.deploy(&owner, erc20, std::slice::from_ref(&wealth)).await?;
        let dollar = self.deploy(&owner, erc20, &[wealth]).await?;
        let weth = self.deploy(&owner, "@uniswap/v2-periphery/build/WETH9.json", &[]).await?;
        let v2 = self.deploy(&owner, "@uniswap/v2-core/build/UniswapV2Factory.json", &[address(&owner)]).await?;
        let router = "@uniswap/v2-periphery/build/UniswapV2Router02.json";
        let v2_router = self.deploy(&owner, router, &[address(&v2), address(&weth)]).await?;
        let core = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
        let v3 = self.deploy(&owner, core, &[]).await?;
        let periphery = "@uniswap/v3-periphery/artifacts/contracts";
        let router = format!("{periphery}/SwapRouter.sol/SwapRouter.json");
        let v3_router = self.deploy(&owner, &router, &[address(&v3), address(&weth)]).await?;
        let positions = format!("{periphery}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json");
        let positions = self.deploy(&owner, &positions, &[address(&v3), address(&weth), address(&owner)]).await?;
        for spender in [&v2_router, &v3_router, &positions] {
            for asset in [&token, &dollar] {
                self.approve(&owner, asset, spender).await?;
            }
        }
        self.add_v2_liquidity(&owner, &v2_router, &token, &dollar).await?;
        self.add_v3_liquidity(&owner, &positions, [&token, &dollar], 10_u128.pow(26)).await?;
        let pair = invoke("getPair(address,address)", &[address(&token), address(&dollar)]);
        let v2_pair = as_address(&self.call(&v2, &pair).await?);
        let pool = invoke("getPool(address,address,uint24)", &[address(&token), address(&dollar), word(3_000)]);
        let v3_pool = as_address(&self.call(&v3, &pool).await?);
        for trader in accounts.iter().skip(1).take(3) {
            let gift = invoke("transfer(address,uint256)", &[address(trader), word(10_u128.pow(24))]);
            self.send(&owner, Some(&dollar), &gift).await?;
            self.approve(trader, &dollar, &v2_router).await?;
            self.approve(trader, &dollar, &v3_router).await?;
            self.approve(trader, &token, &v2_router).await?;
        }
        Ok(Venues { owner, token, dollar, v2_router, v2_pair, v3_router, v3_pool, weth, positions })
    }

    /// Adds a V2 pair and a V3 pool of the token and the wrapped coin, with 1,000 of each, and hands the traders some of the token.
    pub async fn add_native_pools(&self, venues: &Venues) -> anyhow::Result<()> {
        let Venues { owner, token, weth, v2_router, v3_router, positions, .. } = venues;
        let amount = 10_u128.pow(21);
        let add = invoke(
            "addLiquidityETH(address,uint256,uint256,uint256,address,uint256)",
            &[address(token), word(amount), word(0), word(0), address(owner), word(u128::MAX)],
        );
        self.send_value(owner, Some(v2_router), &add, amount).await?;
        self.send_value(owner, Some(weth), &invoke("deposit()", &[]), 2 * amount).await?;
        self.approve(owner, weth, positions).await?;
        self.add_v3_liquidity(owner, positions, [token, weth], amount).await?;
        for trader in self.accounts().await?.iter().skip(1).take(3) {
            let gift = invoke("transfer(address,uint256)", &[address(trader), word(10_u128.pow(24))]);
            self.send(owner, Some(token), &gift).await?;
            self.approve(trader, token, v3_router).await?;
        }
        Ok(())
    }

    /// The tokens of an account.
    pub async fn tokens_of(&self, token: &str, account: &str) -> anyhow::Result<U256> {
        let answer = self.call(token, &invoke("balanceOf(address)", &[address(account)])).await?;
        quantity(&answer).with_context(|| format!("{token} says that {account} has {answer}"))
    }

    /// Lets a contract take an account's tokens.
    pub async fn approve(&self, owner: &str, asset: &str, spender: &str) -> anyhow::Result<()> {
        let data = invoke("approve(address,uint256)", &[address(spender), "f".repeat(64)]);
        self.send(owner, Some(asset), &data).await.map(|_| ())
    }

    async fn add_v2_liquidity(&self, owner: &str, router: &str, token: &str, dollar: &str) -> anyhow::Result<()> {
        let amount = word(10_u128.pow(26));
        let data = invoke(
            "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)",
            &[
                address(token),
                address(dollar),
                amount.clone(),
                amount,
                word(0),
                word(0),
                address(owner),
                word(u128::MAX),
            ],
        );
        self.send(owner, Some(router), &data).await.map(|_| ())
    }

    async fn add_v3_liquidity(
        &self,
        owner: &str,
        positions: &str,
        [one, other]: [&str; 2],
        amount: u128,
    ) -> anyhow::Result<()> {
        let (first, second) = if one.to_lowercase() < other.to_lowercase() { (one, other) } else { (other, one) };
        let even = word(1_u128 << 96);
        let create = invoke(
            "createAndInitializePoolIfNecessary(address,address,uint24,uint160)",
            &[address(first), address(second), word(3_000), even],
        );
        self.send(owner, Some(positions), &create).await?;
        let amount = word(amount);
        let mint = invoke(
            "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
            &[
                address(first),
                address(second),
                word(3_000),
                negative(60_000),
                word(60_000),
                amount.clone(),
                amount,
                word(0),
                word(0),
                address(owner),
                word(u128::MAX),
            ],
        );
        self.send(owner, Some(positions), &mint).await.map(|_| ())
    }

    /// Sells `raw` of one asset for the other through V2; the receipt.
    pub async fn swap_v2(&self, venues: &Venues, who: &str, path: [&str; 2], raw: u128) -> anyhow::Result<Value> {
        let data = invoke(
            "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
            &[
                word(raw),
                word(0),
                word(160),
                address(who),
                word(u128::MAX),
                word(2),
                address(path[0]),
                address(path[1]),
            ],
        );
        self.send(who, Some(&venues.v2_router), &data).await
    }

    /// Buys the token with `raw` dollars through V3; the receipt.
    pub async fn swap_v3(&self, venues: &Venues, who: &str, raw: u128) -> anyhow::Result<Value> {
        let data = invoke(
            "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
            &[
                address(&venues.dollar),
                address(&venues.token),
                word(3_000),
                address(who),
                word(u128::MAX),
                word(raw),
                word(0),
                word(0),
            ],
        );
        self.send(who, Some(&venues.v3_router), &data).await
    }
}

/// The data of a call: selector and words.
pub fn invoke(signature: &str, words: &[String]) -> String {
    format!("0x{}{}", hex::encode(&keccak256(signature)[..4]), words.concat())
}

/// A number as a word.
pub fn word(value: u128) -> String {
    format!("{value:064x}")
}

/// A small negative number in two's complement.
fn negative(value: u128) -> String {
    format!("{}{:032x}", "f".repeat(32), u128::MAX - value + 1)
}

/// An address as a word.
pub fn address(text: &str) -> String {
    format!("{:0>64}", text.trim_start_matches("0x"))
}

fn as_address(word: &str) -> String {
    format!("0x{}", &word[word.len().saturating_sub(40)..])
}
