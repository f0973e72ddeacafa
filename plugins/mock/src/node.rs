//! The mock chain read from a node over HTTP: the bytes that `deploy/lab/nodes`' mock node serves, and how they are checked.
//!
//! `GET /head` answers a [`Head`]; `GET /blocks?first=N&last=M` answers [`Blocks`]. A block's hash commits to its trades, so
//! a node that leaves one out, or a block of its span, is found out.

use crate::chain::{Chain, Shape};
use crate::random::Random;
use crate::settings::Settings;
use chain_plugin_sdk::{Block, BlockId, Failure, Host, Request, Response, Scanned, Span, Tip, Trade, UpstreamError};
use serde::{Deserialize, Serialize};

/// How far a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The chain's own identity.
    pub network: String,
    /// Its newest block.
    pub latest: Id,
    /// Its newest final block.
    pub finalized: Option<Id>,
}

/// One block of one branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    /// Its number.
    pub height: u64,
    /// Commits to its place, its branch and its trades.
    pub hash: String,
}

/// The blocks of a span, ascending and without holes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// The blocks.
    pub blocks: Vec<Whole>,
}

/// One block with its trades.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Whole {
    /// Which block.
    #[serde(flatten)]
    pub id: Id,
    /// What it stands on; none for the first.
    pub parent: Option<Id>,
    /// UTC, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// What happened in it, in chain order.
    pub trades: Vec<Swap>,
}

/// One trade as the chain knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// Hash of its transaction.
    pub hash: String,
    /// Who traded.
    pub trader: String,
    /// Which asset, by its number.
    pub asset: usize,
    /// Whether dollars were given for the asset.
    pub buys: bool,
    /// Worth in cents.
    pub cents: u64,
    /// Units of the asset in its smallest unit.
    pub units: u128,
}

impl Whole {
    /// The hash that commits to a block's place and trades.
    pub fn hash_of(seed: u64, height: u64, branch: u64, trades: &[Swap]) -> String {
        let mut words = vec![seed, height, branch, trades.len() as u64];
        for trade in trades {
            let tail = u64::from_str_radix(trade.hash.get(2..18).unwrap_or("0"), 16).unwrap_or(0);
            let who = u64::from_str_radix(trade.trader.get(2..18).unwrap_or("0"), 16).unwrap_or(0);
            let [low, high] = halves(trade.units);
            words.extend([tail, who, trade.asset as u64, u64::from(trade.buys), trade.cents, low, high]);
        }
        let mut random = Random::of(&words);
        // The branch is told, so that the hash can be computed again.
        format!("{}{branch:08x}", random.hex(24))
    }

    fn is_whole(&self, seed: u64) -> bool {
        let branch = self.id.hash.get(50..).and_then(|tail| u64::from_str_radix(tail, 16).ok());
        branch.is_some_and(|branch| Self::hash_of(seed, self.id.height, branch, &self.trades) == self.id.hash)
    }
}

/// Both halves of a number.
fn halves(number: u128) -> [u64; 2] {
    [number & u128::from(u64::MAX), number >> 64].map(|half| u64::try_from(half).unwrap_or(u64::MAX))
}

/// Asks the node how far it is.
pub(crate) fn head(host: &mut impl Host) -> Result<Tip, Failure> {
    let head: Head = ask(host, "/head")?;
    let id = |id: Id| BlockId { height: id.height, hash: id.hash };
    Ok(Tip { network: head.network, latest: id(head.latest), finalized: head.finalized.map(id), attributes: vec![] })
}

/// Asks the node for a span and takes nothing on trust.
pub(crate) fn scan(host: &mut impl Host, settings: &Settings, span: Span) -> Result<Scanned, Failure> {
    let told: Blocks = ask(host, &format!("/blocks?first={}&last={}", span.first, span.last))?;
    let mut blocks: Vec<Block> = Vec::with_capacity(told.blocks.len());
    for (height, whole) in (span.first..).zip(told.blocks) {
        if whole.id.height != height {
            return Err(Failure::Elsewhere(format!("block {height} is left out")));
        }
        if !whole.is_whole(settings.seed) {
            return Err(Failure::Elsewhere(format!("the hash of block {height} does not commit to its trades")));
        }
        if blocks.last().is_some_and(|before| whole.parent.as_ref().map(|parent| &parent.hash) != Some(&before.hash)) {
            return Err(Failure::Reorged);
        }
        blocks.push(lift(whole));
    }
    match blocks.last() {
        Some(last) => Ok(Scanned { through: last.height, blocks }),
        None => Err(Failure::NotYet(span.first)),
    }
}

fn lift(whole: Whole) -> Block {
    let trades: Vec<Trade> =
        (0..).zip(whole.trades).map(|(index, swap)| Chain::trade(index, &Shape::from(swap))).collect();
    Block {
        height: whole.id.height,
        hash: whole.id.hash,
        parent: whole.parent.map(|parent| BlockId { height: parent.height, hash: parent.hash }),
        timestamp_ms: whole.timestamp_ms,
        trades,
        attributes: vec![("proof".to_owned(), "commitment".to_owned())],
    }
}

fn ask<T: for<'de> Deserialize<'de>>(host: &mut impl Host, path: &str) -> Result<T, Failure> {
    let request = Request { path: path.to_owned(), headers: vec![], body: None, weight: 1 };
    let answer = host.send(vec![request]).pop();
    let retry = |why: String| Failure::Retry((None, why));
    let Response { status, body, .. } = match answer {
        Some(Ok(response)) => response,
        Some(Err(UpstreamError::Unreachable(why) | UpstreamError::Refused(why))) => return Err(retry(why)),
        Some(Err(UpstreamError::TooLarge(cap))) => return Err(retry(format!("the answer is larger than {cap} bytes"))),
        None => return Err(retry("the host gave no answer".to_owned())),
    };
    if status != 200 {
        return Err(retry(format!("the node answers {path} with {status}")));
    }
    serde_json::from_slice(&body)
        .map_err(|e| Failure::Elsewhere(format!("the node's answer to {path} is not whole: {e}")))
}
