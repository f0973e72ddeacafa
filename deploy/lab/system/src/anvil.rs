//! A real EVM node with the real Uniswap V2 and V3 contracts: started, set up, traded on and reorganised by tests.

use alloy_primitives::keccak256;
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Gas that is enough for everything here.
const GAS: &str = "0x2faf080";

/// A running node. Dropping it ends the process.
pub struct Anvil {
    /// Its JSON-RPC address.
    pub url: String,
    process: Child,
    packages: PathBuf,
    http: reqwest::Client,
}

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
}

/// The folder that `cargo xtask anvil` fills.
pub fn installed() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/anvil");
    let folder = std::env::var_os("CHAINTAPE_ANVIL").map_or(default, PathBuf::from);
    folder.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil").is_file().then_some(folder)
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // A node that has ended already is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Anvil {
    /// Starts a node on a free port of the loopback.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        environment::install_crypto();
        // Before the process: should this fail, nothing is left behind.
        let http = reqwest::Client::new();
        let packages = folder.join("node_modules");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new(packages.join("@foundry-rs/anvil-linux-amd64/bin/anvil"))
            .args(["--host", "127.0.0.1", "--silent", "--gas-limit", "300000000", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .context("start anvil")?;
        let url = format!("http://127.0.0.1:{port}");
        let anvil = Self { url, process, packages, http };
        for _ in 0..200 {
            if anvil.rpc("eth_chainId", json!([])).await.is_ok() {
                return Ok(anvil);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("anvil did not answer within ten seconds")
    }

    /// One JSON-RPC call.
    pub async fn rpc(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer: Value = self.http.post(&self.url).json(&call).send().await?.json().await?;
        ensure!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
        Ok(answer["result"].take())
    }

    /// Sends a transaction from an unlocked account; its receipt, which must be a success.
    pub async fn send(&self, from: &str, to: Option<&str>, data: &str) -> anyhow::Result<Value> {
        let mut transaction = json!({"from": from, "gas": GAS, "data": data});
        if let Some(to) = to {
            transaction["to"] = to.into();
        }
        let hash = self.rpc("eth_sendTransaction", json!([transaction])).await?;
        let receipt = self.mined(&hash).await?;
        ensure!(receipt["status"] == "0x1", "transaction {hash} to {to:?} failed: {receipt}");
        Ok(receipt)
    }

    /// The receipt of a transaction, once it is mined.
    async fn mined(&self, hash: &Value) -> anyhow::Result<Value> {
        for _ in 0..2_000 {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await?;
            if !receipt.is_null() {
                return Ok(receipt);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("transaction {hash} was not mined")
    }

    /// The answer of a view call.
    pub async fn call(&self, to: &str, data: &str) -> anyhow::Result<String> {
        let answer = self.rpc("eth_call", json!([{"to": to, "data": data}, "latest"])).await?;
        Ok(answer.as_str().context("eth_call without an answer")?.to_owned())
    }

    /// Accounts with ether.
    pub async fn accounts(&self) -> anyhow::Result<Vec<String>> {
        Ok(serde_json::from_value(self.rpc("eth_accounts", json!([])).await?)?)
    }

    async fn deploy(&self, from: &str, artifact: &str, words: &[String]) -> anyhow::Result<String> {
        let path = self.packages.join(artifact);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let artifact: Value = serde_json::from_str(&text)?;
        let code = artifact["bytecode"].as_str().with_context(|| format!("{} has no bytecode", path.display()))?;
        let data = format!("0x{}{}", code.trim_start_matches("0x"), words.concat());
        let receipt = self.send(from, None, &data).await?;
        Ok(receipt["contractAddress"].as_str().context("no contract address")?.to_owned())
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
        self.add_v3_liquidity(&owner, &positions, &token, &dollar).await?;
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
        Ok(Venues { owner, token, dollar, v2_router, v2_pair, v3_router, v3_pool })
    }

    async fn approve(&self, owner: &str, asset: &str, spender: &str) -> anyhow::Result<()> {
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

    async fn add_v3_liquidity(&self, owner: &str, positions: &str, token: &str, dollar: &str) -> anyhow::Result<()> {
        let (first, second) = if token < dollar { (token, dollar) } else { (dollar, token) };
        let even = word(1_u128 << 96);
        let create = invoke(
            "createAndInitializePoolIfNecessary(address,address,uint24,uint160)",
            &[address(first), address(second), word(3_000), even],
        );
        self.send(owner, Some(positions), &create).await?;
        let amount = word(10_u128.pow(26));
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

    /// Replaces the newest blocks by empty ones.
    pub async fn reorg(&self, depth: u64) -> anyhow::Result<()> {
        self.rpc("anvil_reorg", json!([depth, []])).await.map(|_| ())
    }
}

/// The data of a call: selector and words.
fn invoke(signature: &str, words: &[String]) -> String {
    format!("0x{}{}", hex::encode(&keccak256(signature)[..4]), words.concat())
}

fn word(value: u128) -> String {
    format!("{value:064x}")
}

/// A small negative number in two's complement.
fn negative(value: u128) -> String {
    format!("{}{:032x}", "f".repeat(32), u128::MAX - value + 1)
}

fn address(text: &str) -> String {
    format!("{:0>64}", text.trim_start_matches("0x"))
}

fn as_address(word: &str) -> String {
    format!("0x{}", &word[word.len().saturating_sub(40)..])
}
