//! A trade: who gave what for what, where, and how we know.

use crate::money::{Raw, Usd};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One block of one branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId {
    /// The chain's own query key: block number, on Solana the slot.
    pub height: u64,
    /// Byte-exact; `0x…` in lower case.
    pub hash: Arc<str>,
}

/// The block that holds a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRef {
    /// Which block.
    pub id: BlockId,
    /// UTC, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

/// The transaction that holds a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Hash or first signature.
    pub hash: Arc<str>,
    /// Place in the block.
    pub index: u32,
    /// Who sent it.
    pub from: String,
    /// Whom it called, if anyone.
    pub to: Option<String>,
}

/// Where a trade stands in its chain: the order in which books are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Block height.
    pub height: u64,
    /// Transaction index in the block.
    pub index: u32,
    /// Place in the transaction.
    pub ordinal: u32,
}

/// Who is charged, and how that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trader {
    /// Address in the chain's own notation.
    pub address: String,
    /// `tx-sender`, `recipient`, `signer`, `event-owner`; an open list.
    pub evidence: String,
}

/// An amount of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetAmount {
    /// The token's contract; the native asset goes by its wrapped contract.
    pub asset: String,
    /// In the asset's smallest unit.
    pub raw: Raw,
}

/// What a trader gave or got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The token's contract; the native asset goes by its wrapped contract.
    pub asset: String,
    /// In the asset's smallest unit.
    pub raw: Raw,
    /// Decoration: how many digits are fractional.
    pub decimals: Option<u8>,
    /// Decoration: the ticker.
    pub symbol: Option<String>,
    /// Cash: a stable or the native asset.
    pub quote: bool,
}

/// One pool crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// `uniswap-v2`, `v3-like`; an open list.
    pub venue: String,
    /// The pool's own identity.
    pub pool: String,
    /// Into the pool.
    pub sold: AssetAmount,
    /// Out of the pool.
    pub bought: AssetAmount,
    /// Place in the transaction.
    pub ordinal: u32,
}

/// A charge on a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// `platform`, `protocol`, `liquidity`, `network`; an open list.
    pub kind: String,
    /// What it was paid in.
    pub asset: String,
    /// In the asset's smallest unit.
    pub raw: Raw,
    /// Who got it, where known.
    pub recipient: Option<String>,
    /// Whether `sold` and `bought` already contain it.
    pub included: bool,
}

/// What a trade is worth in dollars, deterministically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valuation {
    /// Worth of the trade, 0 to [`Usd::LIMIT`].
    pub notional: Usd,
    /// Worth of its platform fees.
    pub fee: Option<Usd>,
    /// `stable-leg`, `reference-pool`; an open list.
    pub source: String,
}

/// The code that saw the trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detector {
    /// Plugin id.
    pub plugin: String,
    /// Plugin version.
    pub version: String,
    /// SHA-256 of the component, `sha256:` and hex.
    pub digest: String,
}

/// One user-level trade, however many pools it crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// `swap`, `cycle`; an open list.
    pub kind: String,
    /// Id from the chain file.
    pub chain: Arc<str>,
    /// The chain's own identity.
    pub network: Arc<str>,
    /// The block that holds it.
    pub block: BlockRef,
    /// The transaction that holds it.
    pub transaction: Transaction,
    /// Place in the transaction.
    pub ordinal: u32,
    /// Who is charged.
    pub trader: Trader,
    /// Given.
    pub sold: Side,
    /// Got.
    pub bought: Side,
    /// One per pool crossed, at most [`Trade::MAX_LEGS`].
    pub legs: Vec<Leg>,
    /// Charges.
    pub fees: Vec<Fee>,
    /// The configured platform it belongs to.
    pub platform: Option<String>,
    /// Its worth, where that can be said.
    pub valuation: Option<Valuation>,
    /// What else is known, by name: `router`; an open list, at most [`Trade::MAX_ATTRIBUTES`].
    pub attributes: BTreeMap<String, String>,
    /// The code that saw it.
    pub detector: Arc<Detector>,
}

impl Trade {
    /// The kind of a trade that counts in user metrics.
    pub const SWAP: &'static str = "swap";
    /// The kind of a trade that ends in the asset it began with.
    pub const CYCLE: &'static str = "cycle";
    /// The kind of fee a platform earns.
    pub const PLATFORM_FEE: &'static str = "platform";
    /// More pools than these are merged.
    pub const MAX_LEGS: usize = 256;
    /// Most names of what else is known.
    pub const MAX_ATTRIBUTES: usize = 16;

    /// `chain/blockHash/txHash/ordinal`: the same on every replay and instance.
    pub fn id(&self) -> String {
        [&self.chain, "/", &self.block.id.hash, "/", &self.transaction.hash, "/", &self.ordinal.to_string()].concat()
    }

    /// Whether that is its id.
    pub fn is_called(&self, id: &str) -> bool {
        let parts = [&self.chain, &self.block.id.hash, &self.transaction.hash];
        let ordinal = parts.into_iter().try_fold(id, |rest, part| rest.strip_prefix(&**part)?.strip_prefix('/'));
        ordinal == Some(&self.ordinal.to_string())
    }

    /// Where it stands in its chain.
    pub fn place(&self) -> Place {
        Place { height: self.block.id.height, index: self.transaction.index, ordinal: self.ordinal }
    }

    /// The key that orders and shards it: `chain/trader`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.chain, self.trader.address)
    }

    /// Whether it counts in user metrics.
    pub fn is_cycle(&self) -> bool {
        self.kind == Self::CYCLE
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.height, self.hash)
    }
}
