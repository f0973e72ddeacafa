//! The requests to a CometBFT node: `/status`, `/block`, `/block_results`. One height costs two requests; all heights of a span
//! are requested at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chain_plugin_sdk::{BlockId, Failure, Host, Request, Response, Span, UpstreamError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The network and the newest block of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeStatus {
    /// The chain id.
    pub(crate) network: String,
    /// The height of its newest block.
    pub(crate) height: u64,
    /// That block's hash.
    pub(crate) hash: String,
}

/// One block with the results of its transactions.
#[derive(Clone, Debug)]
pub(crate) struct NodeBlock {
    /// Its height and hash.
    pub(crate) id: BlockId,
    /// Its parent; none for the first block.
    pub(crate) parent: Option<BlockId>,
    /// Its time in the node's format.
    pub(crate) time: String,
    /// Its transactions, in order.
    pub(crate) transactions: Vec<NodeTransaction>,
}

/// One transaction with its result.
#[derive(Clone, Debug)]
pub(crate) struct NodeTransaction {
    /// SHA-256 of its bytes in upper-case hexadecimal, as explorers show it.
    pub(crate) hash: String,
    /// Whether it succeeded.
    pub(crate) succeeded: bool,
    /// Its events, in order.
    pub(crate) events: Vec<TransactionEvent>,
}

/// One event of a transaction.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TransactionEvent {
    /// `token_swapped`, `tx`, …
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Keys and values.
    #[serde(default)]
    pub(crate) attributes: Vec<Attribute>,
}

/// One key and its value.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attribute {
    /// The key.
    pub(crate) key: String,
    /// The value, which may be null.
    #[serde(default)]
    pub(crate) value: Option<String>,
}

impl TransactionEvent {
    /// The first value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.key == key)?.value.as_deref()
    }
}

#[derive(Deserialize)]
struct RpcResponse<T> {
    result: Option<T>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    message: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct StatusResult {
    node_info: NodeInfo,
    sync_info: SyncInfo,
}

#[derive(Deserialize)]
struct NodeInfo {
    network: String,
}

#[derive(Deserialize)]
struct SyncInfo {
    latest_block_hash: String,
    latest_block_height: String,
}

#[derive(Deserialize)]
struct BlockResult {
    block_id: BlockHash,
    block: BlockBody,
}

#[derive(Deserialize)]
struct BlockHash {
    hash: String,
}

#[derive(Deserialize)]
struct BlockBody {
    header: BlockHeader,
    data: BlockData,
}

#[derive(Deserialize)]
struct BlockHeader {
    height: String,
    time: String,
    last_block_id: BlockHash,
}

#[derive(Deserialize)]
struct BlockData {
    #[serde(default)]
    txs: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct BlockResultsResult {
    #[serde(default)]
    txs_results: Option<Vec<TxResult>>,
}

#[derive(Deserialize)]
struct TxResult {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    events: Vec<TransactionEvent>,
}

/// The network and the newest block of the node.
pub(crate) fn status(host: &mut impl Host) -> Result<NodeStatus, Failure> {
    let status: StatusResult = next_result(host.send(vec![get("/status".to_owned())]).into_iter())?;
    let height = parse_height(&status.sync_info.latest_block_height)?;
    Ok(NodeStatus { network: status.node_info.network, height, hash: status.sync_info.latest_block_hash })
}

/// The blocks of a span.
pub(crate) fn blocks(host: &mut impl Host, span: Span) -> Result<Vec<NodeBlock>, Failure> {
    let paths = |height| [format!("/block?height={height}"), format!("/block_results?height={height}")];
    let requests = (span.first..=span.last).flat_map(paths).map(get).collect();
    let mut answers = host.send(requests).into_iter();
    let mut blocks = Vec::new();
    for height in span.first..=span.last {
        let block: BlockResult = next_result(&mut answers)?;
        let results: BlockResultsResult = next_result(&mut answers)?;
        if parse_height(&block.block.header.height)? != height {
            return Err(Failure::Elsewhere(format!(
                "the node was asked for block {height} and sent block {}",
                block.block.header.height
            )));
        }
        blocks.push(join(height, block, results)?);
    }
    Ok(blocks)
}

/// A block and its results as one, if the node sent a result for each transaction.
fn join(height: u64, block: BlockResult, results: BlockResultsResult) -> Result<NodeBlock, Failure> {
    let (texts, results) = (block.block.data.txs.unwrap_or_default(), results.txs_results.unwrap_or_default());
    if texts.len() != results.len() {
        let (texts, results) = (texts.len(), results.len());
        return Err(Failure::Elsewhere(format!("block {height} has {texts} transactions and results for {results}")));
    }
    let transaction = |(text, result): (String, TxResult)| {
        let bytes = STANDARD.decode(text);
        let bytes =
            bytes.map_err(|e| Failure::Elsewhere(format!("block {height}: a transaction is not base64: {e}")))?;
        Ok(NodeTransaction {
            hash: upper_hex(&Sha256::digest(bytes)),
            succeeded: result.code == 0,
            events: result.events,
        })
    };
    let header = block.block.header;
    let parent = height.checked_sub(1).filter(|_| !header.last_block_id.hash.is_empty());
    Ok(NodeBlock {
        id: BlockId { height, hash: block.block_id.hash },
        parent: parent.map(|height| BlockId { height, hash: header.last_block_id.hash }),
        time: header.time,
        transactions: texts.into_iter().zip(results).map(transaction).collect::<Result<_, Failure>>()?,
    })
}

fn get(path: String) -> Request {
    Request { path, headers: vec![], body: None, weight: 1 }
}

/// The result in the next response.
fn next_result<T: DeserializeOwned>(
    mut answers: impl Iterator<Item = Result<Response, UpstreamError>>,
) -> Result<T, Failure> {
    let response = match answers.next() {
        Some(Ok(response)) => response,
        Some(Err(UpstreamError::Unreachable(why))) => return Err(Failure::Retry((None, why))),
        Some(Err(UpstreamError::TooLarge(_))) => return Err(Failure::SpanTooWide(1)),
        Some(Err(UpstreamError::Refused(why))) => return Err(Failure::Other(("refused".to_owned(), why))),
        None => {
            return Err(Failure::Other((
                "host".to_owned(),
                "the host returned fewer responses than requests".to_owned(),
            )));
        }
    };
    let answer: RpcResponse<T> = serde_json::from_slice(&response.body).map_err(|e| {
        Failure::Elsewhere(format!("the node's response (status {}) is not of the expected form: {e}", response.status))
    })?;
    match answer {
        RpcResponse { result: Some(result), .. } => Ok(result),
        RpcResponse { error: Some(RpcError { message, data }), .. } => {
            Err(Failure::Elsewhere(format!("{message}: {data}")))
        }
        RpcResponse { .. } => Err(Failure::Elsewhere("the node's response has neither result nor error".to_owned())),
    }
}

fn parse_height(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::Elsewhere(format!("the node sent `{text}` as a height")))
}

fn upper_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}
