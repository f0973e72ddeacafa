//! Asks a node at an address what it is, before there is a chain file: which chain, how far, and what it can do.

mod rate;

pub(crate) use rate::Rate;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// How long one question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Calls in one request that are tried, the most first.
const BATCHES: [usize; 4] = [100, 50, 20, 5];

/// Characters in the name of a network at most.
const MAX_NAME_CHARACTERS: usize = 64;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbedNode {
    /// Which chain it is of.
    pub(crate) network: Network,
    /// Its newest block.
    pub(crate) height: u64,
    /// Whether it gives the receipts of a block as the chain hashes them.
    pub(crate) raw_receipts: bool,
    /// Calls that it takes in one request.
    pub(crate) batch: usize,
    /// How often it may be asked, as far as that is known.
    pub(crate) rate: Option<Rate>,
}

/// A chain, as its nodes name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// By its chain id.
    Evm(u64),
    /// By the hash of its first block.
    Solana(String),
    /// By the name in the node's status.
    Comet(String),
}

/// Asks the node; an error says what it was asked and what it answered, without the address, which may hold a key.
pub(crate) async fn probe(url: &str) -> anyhow::Result<ProbedNode> {
    let client = reqwest::Client::builder().timeout(QUESTION_TIMEOUT).build().context("make an HTTP client")?;
    let node = AskedNode { client, url };
    let evm = node.call("eth_chainId", json!([])).await;
    match evm {
        Ok(id) => node.evm(hex_number(&id).context("read the answer to eth_chainId")?).await,
        // A node that answers, but not to this, may be of another kind.
        Err(Refused::Answered(said)) => node.other(&said).await,
        Err(Refused::Unreachable(error)) => Err(error),
    }
}

struct AskedNode<'a> {
    client: reqwest::Client,
    url: &'a str,
}

/// Why a call has no result.
enum Refused {
    /// The node is there and answered something else.
    Answered(String),
    /// There is no node.
    Unreachable(anyhow::Error),
}

impl AskedNode<'_> {
    async fn evm(&self, chain_id: u64) -> anyhow::Result<ProbedNode> {
        let Ok(height) = self.call("eth_blockNumber", json!([])).await else {
            bail!("ask the node for its newest block: eth_blockNumber has no answer");
        };
        let height = hex_number(&height).context("read the answer to eth_blockNumber")?;
        let receipts = self.call("debug_getRawReceipts", json!([format!("{height:#x}")])).await;
        let raw_receipts = receipts.is_ok_and(|answer| answer.is_array());
        // Before the batches, whose calls a node may count one by one.
        let rate = self.rate("eth_blockNumber").await;
        let mut batch = 1;
        for calls in BATCHES {
            let each = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_blockNumber", "params": [] });
            let asked: Vec<Value> = (0..calls).map(each).collect();
            let answered = self.post(&Value::Array(asked)).await;
            let complete = |answers: &Value| {
                answers
                    .as_array()
                    .is_some_and(|all| all.len() == calls && all.iter().all(|it| it["result"].is_string()))
            };
            if answered.is_ok_and(|answers| complete(&answers)) {
                batch = calls;
                break;
            }
        }
        Ok(ProbedNode { network: Network::Evm(chain_id), height, raw_receipts, batch, rate })
    }

    async fn other(&self, said: &str) -> anyhow::Result<ProbedNode> {
        if let Ok(genesis) = self.call("getGenesisHash", json!([])).await
            && let Some(genesis) = genesis.as_str()
        {
            let slot = self.call("getSlot", json!([])).await.ok().and_then(|slot| slot.as_u64());
            let network = Network::Solana(checked_name(genesis)?);
            let height = slot.context("ask the node for its newest slot: getSlot has no answer")?;
            let rate = self.rate("getSlot").await;
            return Ok(ProbedNode { network, height, raw_receipts: false, batch: 1, rate });
        }
        let status = self.client.get(format!("{}/status", self.url.trim_end_matches('/'))).send().await;
        if let Ok(answer) = status
            && let Ok(status) = answer.json::<Value>().await
        {
            let status = status.get("result").unwrap_or(&status);
            let height = status["sync_info"]["latest_block_height"].as_str().and_then(|text| text.parse().ok());
            if let (Some(network), Some(height)) = (status["node_info"]["network"].as_str(), height) {
                let network = Network::Comet(checked_name(network)?);
                let address = format!("{}/status", self.url.trim_end_matches('/'));
                let rate = rate::rate_of(|| self.client.get(&address)).await;
                return Ok(ProbedNode { network, height, raw_receipts: false, batch: 1, rate });
            }
        }
        bail!(
            "see what kind of node this is: it answers neither eth_chainId (EVM) nor getGenesisHash (Solana) nor \
             GET /status (CometBFT); it said: {said}; give the address of a JSON-RPC endpoint such as \
             https://mainnet.base.org"
        )
    }

    async fn rate(&self, method: &str) -> Option<Rate> {
        let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] });
        rate::rate_of(|| self.client.post(self.url).json(&asked)).await
    }

    async fn call(&self, method: &str, params: Value) -> Result<Value, Refused> {
        let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut answer = self.post(&asked).await?;
        match answer.get_mut("result").map(Value::take) {
            Some(result) if !result.is_null() => Ok(result),
            _ => Err(Refused::Answered(shortened(&answer.to_string()))),
        }
    }

    async fn post(&self, asked: &Value) -> Result<Value, Refused> {
        let unreachable = |error: reqwest::Error| {
            let error = anyhow::Error::new(error.without_url());
            Refused::Unreachable(error.context("reach the node; give an address such as https://mainnet.base.org"))
        };
        let answer = self.client.post(self.url).json(asked).send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.text().await.map_err(unreachable)?;
        serde_json::from_str(&body).map_err(|_| Refused::Answered(format!("{status}: {}", shortened(&body))))
    }
}

/// The name that a node gives its network, which becomes an id and the name of a file: letters, digits and `-`.
fn checked_name(name: &str) -> anyhow::Result<String> {
    let is_name = (1..=MAX_NAME_CHARACTERS).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    ensure!(
        is_name,
        "read how the node names its network: {:?} is no name of a network, such as osmosis-1; the address is that of \
         something else, or of a node that is not to be trusted",
        shortened(name)
    );
    Ok(name.to_owned())
}

fn hex_number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_network_is_a_name_of_a_file_and_nothing_else() {
        for good in ["osmosis-1", "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d", "X"] {
            assert_eq!(checked_name(good).unwrap(), good);
        }
        let long = "a".repeat(65);
        for bad in ["", "../escaped", "${HOME}", "a\"\nproxy = \"http://evil:1\"\n#", "-a", "a.b", "a b", "ä", &long] {
            let refused = checked_name(bad).unwrap_err().to_string();
            assert!(refused.contains("such as osmosis-1"), "{bad}: {refused}");
        }
    }
}
