//! The EVM plugin in this process, without a host around it: one block of a live node, and what was asked for it.

use crate::evm_node::EvmNode;
use anyhow::Context;
use chain_plugin_sdk::{self as sdk, Host, Level, Plugin};
use evm_plugin::Evm;
use serde_json::Value;
use std::collections::BTreeMap;

/// A block as the plugin found it.
pub struct ScannedBlock {
    /// The block.
    pub block: sdk::Block,
    /// The JSON-RPC methods that were called, in order.
    pub methods: Vec<String>,
}

impl ScannedBlock {
    /// An attribute of the block.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.block.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads one block with these settings; what `kept` holds is what earlier calls learned.
pub async fn scan_block(
    node: &EvmNode,
    settings: Value,
    height: u64,
    kept: &mut BTreeMap<String, Vec<u8>>,
) -> anyhow::Result<ScannedBlock> {
    let mut lent = LentHost {
        runtime: tokio::runtime::Handle::current(),
        http: reqwest::Client::new(),
        url: node.url.clone(),
        kept: std::mem::take(kept),
        methods: vec![],
    };
    // What an endpoint gives is kept by its name, which a host tells.
    let attributes = vec![("endpoint".to_owned(), node.url.clone())];
    let context = sdk::Context { settings: settings.to_string(), now_ms: 0, attributes };
    let span = sdk::Span { first: height, last: height };
    let (scanned, lent) = tokio::task::spawn_blocking(move || (Evm::scan(&mut lent, &context, span), lent)).await?;
    *kept = lent.kept;
    let scanned = scanned.map_err(|failure| anyhow::anyhow!("block {height}: {failure:?}"))?;
    let block = scanned.blocks.into_iter().next().context("no block")?;
    Ok(ScannedBlock { block, methods: lent.methods })
}

/// What the plugin is lent: the node, over HTTP.
struct LentHost {
    runtime: tokio::runtime::Handle,
    http: reqwest::Client,
    url: String,
    kept: BTreeMap<String, Vec<u8>>,
    methods: Vec<String>,
}

impl LentHost {
    fn ask(&self, body: Vec<u8>) -> anyhow::Result<sdk::Response> {
        let call = self.http.post(&self.url).header("content-type", "application/json").body(body);
        self.runtime.block_on(async {
            let answer = call.send().await?;
            let status = answer.status().as_u16();
            Ok(sdk::Response { status, headers: vec![], body: answer.bytes().await?.to_vec() })
        })
    }
}

impl Host for LentHost {
    fn send(&mut self, requests: Vec<sdk::Request>) -> Vec<Result<sdk::Response, sdk::UpstreamError>> {
        let ask = |request: sdk::Request| {
            let body = request.body.unwrap_or_default();
            let calls: Value = serde_json::from_slice(&body).unwrap_or_default();
            let calls = calls.as_array().cloned().unwrap_or_else(|| vec![calls]);
            self.methods.extend(calls.iter().filter_map(|call| call["method"].as_str()).map(str::to_owned));
            self.ask(body).map_err(|error| sdk::UpstreamError::Unreachable(error.to_string()))
        };
        requests.into_iter().map(ask).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.kept.get(key).cloned()).collect()
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        self.kept.extend(facts);
    }

    fn log(&mut self, _level: Level, _message: &str) {}
}
