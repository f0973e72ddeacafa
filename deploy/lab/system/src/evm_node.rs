//! A real EVM node: its process, JSON-RPC, and transactions from accounts that it holds or that tests sign for.

use crate::wallet::{Unsigned, Wallet};
use alloy_primitives::{Address, U256};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

/// Gas that is enough for everything here, on a node that holds the accounts.
const GAS: &str = "0x2faf080";

/// A running node. Dropping it ends the process.
pub struct EvmNode {
    /// Its JSON-RPC address.
    pub url: String,
    pub(crate) process: Child,
    /// The npm packages with the venues' contracts.
    pub(crate) packages: PathBuf,
    http: reqwest::Client,
    /// Accounts that the node does not hold.
    wallets: Vec<Wallet>,
}

impl Drop for EvmNode {
    fn drop(&mut self) {
        // A node that has ended already is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl EvmNode {
    /// A node that was started, once it answers.
    pub(crate) async fn answering(
        url: String,
        process: Child,
        packages: PathBuf,
        wallets: Vec<Wallet>,
    ) -> anyhow::Result<Self> {
        let node = Self { url, process, packages, http: reqwest::Client::new(), wallets };
        node.wait_until_it_answers().await?;
        Ok(node)
    }

    /// Waits until the process answers.
    pub(crate) async fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        for _ in 0..600 {
            if self.rpc("eth_chainId", json!([])).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the node at {} did not answer within 30 seconds", self.url)
    }

    /// One JSON-RPC call.
    pub async fn rpc(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer: Value = self.http.post(&self.url).json(&call).send().await?.json().await?;
        ensure!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
        Ok(answer["result"].take())
    }

    /// One JSON-RPC call that is answered by a number.
    pub async fn number(&self, method: &str, params: Value) -> anyhow::Result<U256> {
        let answer = self.rpc(method, params).await?;
        answer.as_str().and_then(quantity).with_context(|| format!("{method} answers {answer}"))
    }

    async fn small_number(&self, method: &str, params: Value) -> anyhow::Result<u64> {
        let number = self.number(method, params).await?;
        u64::try_from(number).ok().with_context(|| format!("{method} answers {number}"))
    }

    /// The height of the newest block.
    pub async fn head(&self) -> anyhow::Result<u64> {
        self.small_number("eth_blockNumber", json!([])).await
    }

    /// The native coin of an account.
    pub async fn balance(&self, account: &str) -> anyhow::Result<U256> {
        self.number("eth_getBalance", json!([account, "latest"])).await
    }

    /// Sends a transaction; its receipt, which must be a success.
    pub async fn send(&self, from: &str, to: Option<&str>, data: &str) -> anyhow::Result<Value> {
        self.send_value(from, to, data, 0).await
    }

    /// The same with native coin.
    pub async fn send_value(&self, from: &str, to: Option<&str>, data: &str, value: u128) -> anyhow::Result<Value> {
        self.send_with_authorizations(from, to, data, value, vec![]).await
    }

    /// Has an account that tests sign for lend its address a contract's code (EIP-7702), in a transaction that somebody else pays.
    pub async fn delegate(&self, payer: &str, account: &str, code: &str) -> anyhow::Result<Value> {
        let wallet = self.wallet(account).with_context(|| format!("{account} is no account that tests sign for"))?;
        let chain = self.small_number("eth_chainId", json!([])).await?;
        let nonce = self.nonce(account, "pending").await?;
        let authorization = wallet.authorize(chain, address(code)?, nonce)?;
        self.send_with_authorizations(payer, Some(account), "0x", 0, vec![authorization]).await
    }

    async fn send_with_authorizations(
        &self,
        from: &str,
        to: Option<&str>,
        data: &str,
        value: u128,
        authorizations: Vec<Vec<u8>>,
    ) -> anyhow::Result<Value> {
        let mut call = json!({"from": from, "data": data, "value": format!("{value:#x}")});
        if let Some(to) = to {
            call["to"] = to.into();
        }
        let hash = if let Some(wallet) = self.wallet(from) {
            let estimated = self.small_number("eth_estimateGas", json!([call])).await?;
            let unsigned = Unsigned {
                chain: self.small_number("eth_chainId", json!([])).await?,
                nonce: self.nonce(from, "pending").await?,
                gas_price: 2 * u128::from(self.small_number("eth_gasPrice", json!([])).await?),
                // An authorisation is no part of the estimate, and costs most on Amsterdam.
                gas: estimated + estimated / 4 + 500_000 * authorizations.len() as u64,
                to: to.map(address).transpose()?,
                value: U256::from(value),
                data: hex::decode(data.trim_start_matches("0x"))?.into(),
                authorizations,
            };
            self.rpc("eth_sendRawTransaction", json!([wallet.sign_transaction(&unsigned)?])).await
        } else {
            if self.wallets.is_empty() {
                call["gas"] = GAS.into();
            }
            self.rpc("eth_sendTransaction", json!([call])).await
        };
        let receipt = self.mined(&hash?).await?;
        ensure!(receipt["status"] == "0x1", "the transaction to {to:?} failed: {receipt}");
        Ok(receipt)
    }

    /// How many transactions an account has sent, as of a block or with those that wait.
    pub(crate) async fn nonce(&self, account: &str, block: &str) -> anyhow::Result<u64> {
        self.small_number("eth_getTransactionCount", json!([account, block])).await
    }

    /// Whether tests sign for its accounts, so that these may lend their addresses a contract's code.
    pub fn has_wallets(&self) -> bool {
        !self.wallets.is_empty()
    }

    fn wallet(&self, account: &str) -> Option<&Wallet> {
        self.wallets.iter().find(|wallet| wallet.text().eq_ignore_ascii_case(account))
    }

    /// The receipt of a transaction, once it is mined.
    pub async fn mined(&self, hash: &Value) -> anyhow::Result<Value> {
        for _ in 0..6_000 {
            // Geth says that it indexes transactions where another node answers null.
            if let Ok(receipt) = self.rpc("eth_getTransactionReceipt", json!([hash])).await
                && !receipt.is_null()
            {
                return Ok(receipt);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("transaction {hash} was not mined")
    }

    /// The answer of a view call.
    pub async fn call(&self, to: &str, data: &str) -> anyhow::Result<String> {
        let answer = self.rpc("eth_call", json!([{"to": to, "data": data}, "latest"])).await?;
        Ok(answer.as_str().context("eth_call without an answer")?.to_owned())
    }

    /// Accounts with ether, in lower case: those that tests sign for, else those that the node holds.
    pub async fn accounts(&self) -> anyhow::Result<Vec<String>> {
        if !self.wallets.is_empty() {
            return Ok(self.wallets.iter().map(Wallet::text).collect());
        }
        Ok(serde_json::from_value(self.rpc("eth_accounts", json!([])).await?)?)
    }

    /// Creates a contract; its address.
    pub async fn create(&self, from: &str, data: &str) -> anyhow::Result<String> {
        let receipt = self.send(from, None, data).await?;
        Ok(receipt["contractAddress"].as_str().context("no contract address")?.to_owned())
    }
}

/// A number in hexadecimal digits with prefix.
pub(crate) fn quantity(text: &str) -> Option<U256> {
    U256::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

fn address(text: &str) -> anyhow::Result<Address> {
    text.parse().ok().with_context(|| format!("{text} is no address"))
}

/// The height that a receipt names.
pub fn height_of(receipt: &Value) -> anyhow::Result<u64> {
    let text = receipt["blockNumber"].as_str().context("a receipt without a height")?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// A loopback port that was free a moment ago, with the one above it.
pub(crate) fn two_free_ports() -> anyhow::Result<u16> {
    for _ in 0..100 {
        let first = std::net::TcpListener::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        if port < u16::MAX && std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no two free ports in a row on 127.0.0.1")
}
