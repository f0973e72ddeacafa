//! Reads the mock chain from a node over HTTP and checks what it serves.

use crate::chain::contract_trade;
use crate::node::{Blocks, Head, Id, MockBlock};
use crate::settings::Settings;
use chain_plugin_sdk::{Block, BlockId, Failure, Host, Request, Response, Scanned, Span, Tip, UpstreamError};
use serde::Deserialize;

/// The newest blocks of the node.
pub(crate) fn head(host: &mut impl Host) -> Result<Tip, Failure> {
    let head: Head = get_json(host, "/head")?;
    let id = |id: Id| BlockId { height: id.height, hash: id.hash };
    Ok(Tip { network: head.network, latest: id(head.latest), finalized: head.finalized.map(id), attributes: vec![] })
}

/// The blocks of a span. Heights, hashes and parents are checked; nothing is taken on trust.
pub(crate) fn scan(host: &mut impl Host, settings: &Settings, span: Span) -> Result<Scanned, Failure> {
    let served: Blocks = get_json(host, &format!("/blocks?first={}&last={}", span.first, span.last))?;
    let mut blocks: Vec<Block> = Vec::with_capacity(served.blocks.len());
    for (height, block) in (span.first..).zip(served.blocks) {
        if block.id.height != height {
            return Err(Failure::Elsewhere(format!("the node omits block {height}")));
        }
        if !block.is_committed(settings.seed) {
            return Err(Failure::Elsewhere(format!("the hash of block {height} does not commit to its trades")));
        }
        if blocks.last().is_some_and(|before| block.parent.as_ref().map(|parent| &parent.hash) != Some(&before.hash)) {
            return Err(Failure::Reorged);
        }
        blocks.push(contract_block(settings, block));
    }
    match blocks.last() {
        Some(last) => Ok(Scanned { through: last.height, blocks }),
        None => Err(Failure::NotYet(span.first)),
    }
}

fn contract_block(settings: &Settings, block: MockBlock) -> Block {
    let trades = (0..).zip(&block.trades).map(|(index, swap)| contract_trade(settings, index, swap)).collect();
    Block {
        height: block.id.height,
        hash: block.id.hash,
        parent: block.parent.map(|parent| BlockId { height: parent.height, hash: parent.hash }),
        timestamp_ms: block.timestamp_ms,
        trades,
        attributes: vec![("proof".to_owned(), "commitment".to_owned())],
    }
}

/// Requests a path and parses its JSON.
fn get_json<T: for<'de> Deserialize<'de>>(host: &mut impl Host, path: &str) -> Result<T, Failure> {
    let request = Request { path: path.to_owned(), headers: vec![], body: None, weight: 1 };
    let answer = host.send(vec![request]).pop();
    let retry = |why: String| Failure::Retry((None, why));
    let Response { status, body, .. } = match answer {
        Some(Ok(response)) => response,
        Some(Err(UpstreamError::Unreachable(why) | UpstreamError::Refused(why))) => return Err(retry(why)),
        Some(Err(UpstreamError::TooLarge(cap))) => {
            return Err(retry(format!("the node's response to {path} is larger than {cap} bytes")));
        }
        None => return Err(retry("the host returned no response".to_owned())),
    };
    if status != 200 {
        return Err(retry(format!("the node responds to {path} with HTTP status {status}")));
    }
    serde_json::from_slice(&body).map_err(|e| {
        Failure::Elsewhere(format!("the node's response to {path} is truncated or not the expected JSON: {e}"))
    })
}
