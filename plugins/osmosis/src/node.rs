//! What a CometBFT node is asked: `/status`, `/block`, `/block_results`. One height costs two requests, all heights of a
//! span are asked for at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chain_plugin_sdk::{BlockId, Failure, Host, Request, Response, Span, UpstreamError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// How far the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The chain id.
    pub network: String,
    /// Its newest block.
    pub height: u64,
    /// That block's hash.
    pub hash: String,
}

/// One block with what its transactions did.
#[derive(Clone, Debug)]
pub struct Block {
    /// Which block.
    pub id: BlockId,
    /// What it stands on.
    pub parent: Option<BlockId>,
    /// When, as the node writes it.
    pub time: String,
    /// In order.
    pub transactions: Vec<Transaction>,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// SHA-256 of its bytes, in capitals, as every explorer shows it.
    pub hash: String,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// What it did, in order.
    pub events: Vec<Event>,
}

/// One event of a transaction.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// `token_swapped`, `tx`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Keys and values.
    #[serde(default)]
    pub attributes: Vec<Attribute>,
}

/// One key and its value.
#[derive(Clone, Debug, Deserialize)]
pub struct Attribute {
    /// The key.
    pub key: String,
    /// The value, which may be null.
    #[serde(default)]
    pub value: Option<String>,
}

impl Event {
    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.key == key)?.value.as_deref()
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<Wrong>,
}

#[derive(Deserialize)]
struct Wrong {
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
    block_id: Id,
    block: Body,
}

#[derive(Deserialize)]
struct Id {
    hash: String,
}

#[derive(Deserialize)]
struct Body {
    header: Header,
    data: Data,
}

#[derive(Deserialize)]
struct Header {
    height: String,
    time: String,
    last_block_id: Id,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    txs: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    txs_results: Option<Vec<TxResult>>,
}

#[derive(Deserialize)]
struct TxResult {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    events: Vec<Event>,
}

/// How far the node is.
pub fn status(host: &mut impl Host) -> Result<Status, Failure> {
    let status: StatusResult = first(host.send(vec![get("/status".to_owned())]).into_iter())?;
    let height = number(&status.sync_info.latest_block_height)?;
    Ok(Status { network: status.node_info.network, height, hash: status.sync_info.latest_block_hash })
}

/// The blocks of a span.
pub fn blocks(host: &mut impl Host, span: Span) -> Result<Vec<Block>, Failure> {
    let paths = |height| [format!("/block?height={height}"), format!("/block_results?height={height}")];
    let requests = (span.first..=span.last).flat_map(paths).map(get).collect();
    let mut answers = host.send(requests).into_iter();
    let mut blocks = Vec::new();
    for height in span.first..=span.last {
        let block: BlockResult = first(&mut answers)?;
        let results: Results = first(&mut answers)?;
        if number(&block.block.header.height)? != height {
            return Err(Failure::Elsewhere(format!("asked for block {height}, got {}", block.block.header.height)));
        }
        blocks.push(join(height, block, results)?);
    }
    Ok(blocks)
}

fn join(height: u64, block: BlockResult, results: Results) -> Result<Block, Failure> {
    let (texts, results) = (block.block.data.txs.unwrap_or_default(), results.txs_results.unwrap_or_default());
    if texts.len() != results.len() {
        let (texts, results) = (texts.len(), results.len());
        return Err(Failure::Elsewhere(format!("block {height} has {texts} transactions and results of {results}")));
    }
    let transaction = |(text, result): (String, TxResult)| {
        let bytes = STANDARD.decode(text);
        let bytes = bytes.map_err(|e| Failure::Elsewhere(format!("a transaction of block {height}: {e}")))?;
        Ok(Transaction { hash: capitals(&Sha256::digest(bytes)), succeeded: result.code == 0, events: result.events })
    };
    let header = block.block.header;
    let parent = height.checked_sub(1).filter(|_| !header.last_block_id.hash.is_empty());
    Ok(Block {
        id: BlockId { height, hash: block.block_id.hash },
        parent: parent.map(|height| BlockId { height, hash: header.last_block_id.hash }),
        time: header.time,
        transactions: texts.into_iter().zip(results).map(transaction).collect::<Result<_, Failure>>()?,
    })
}

fn get(path: String) -> Request {
    Request { path, headers: vec![], body: None, weight: 1 }
}

/// Reads the next answer.
fn first<T: DeserializeOwned>(
    mut answers: impl Iterator<Item = Result<Response, UpstreamError>>,
) -> Result<T, Failure> {
    let wrong = |why: String| Failure::Elsewhere(why);
    let response = match answers.next() {
        Some(Ok(response)) => response,
        Some(Err(UpstreamError::Unreachable(why))) => return Err(Failure::Retry((None, why))),
        Some(Err(UpstreamError::TooLarge(_))) => return Err(Failure::SpanTooWide(1)),
        Some(Err(UpstreamError::Refused(why))) => return Err(Failure::Other(("refused".to_owned(), why))),
        None => return Err(Failure::Other(("host".to_owned(), "an answer is missing".to_owned()))),
    };
    let answer: Answer<T> = serde_json::from_slice(&response.body)
        .map_err(|e| wrong(format!("the node answered {} with no such JSON: {e}", response.status)))?;
    match answer {
        Answer { result: Some(result), .. } => Ok(result),
        Answer { error: Some(Wrong { message, data }), .. } => Err(wrong(format!("{message}: {data}"))),
        Answer { .. } => Err(wrong("the node answered neither result nor error".to_owned())),
    }
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::Elsewhere(format!("`{text}` is no height")))
}

fn capitals(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}
