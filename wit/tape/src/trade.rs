//! A trade: who sold what for what, in which block and pools, and who was charged on what evidence.

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

/// Who is charged for a trade, and on what evidence.
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

/// What a trader sold or bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The token's contract; the native asset goes by its wrapped contract.
    pub asset: String,
    /// In the asset's smallest unit.
    pub raw: Raw,
    /// How many digits are fractional; for display.
    pub decimals: Option<u8>,
    /// The ticker; for display.
    pub symbol: Option<String>,
    /// Whether it counts as cash: a stable or the native asset.
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
    /// Worth of the trade, 0 to [`Usd::MAX_NOTIONAL`].
    pub notional: Usd,
    /// Worth of its platform fees.
    pub fee: Option<Usd>,
    /// `stable-leg`, `reference-pool`; an open list.
    pub source: String,
}

/// The code that detected the trade.
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
    /// What the trader gave.
    pub sold: Side,
    /// What the trader got.
    pub bought: Side,
    /// One per pool crossed, at most [`Trade::MAX_LEGS`].
    pub legs: Vec<Leg>,
    /// Fees that were charged.
    pub fees: Vec<Fee>,
    /// The configured platform it belongs to.
    pub platform: Option<String>,
    /// What it is worth in dollars, where that is known.
    pub valuation: Option<Valuation>,
    /// What else is known, by name: `router`; an open list, at most [`Trade::MAX_ATTRIBUTES`].
    pub attributes: BTreeMap<String, String>,
    /// The code that detected it.
    pub detector: Arc<Detector>,
}

impl Trade {
    /// The kind of a trade that counts in user metrics.
    pub const SWAP: &'static str = "swap";
    /// The kind of a trade that ends in the asset it began with.
    pub const CYCLE: &'static str = "cycle";
    /// The attribute that says how sure a trade's sides are; a trade without it is exact.
    pub const CONFIDENCE: &'static str = "confidence";
    /// The kind of fee a platform earns.
    pub const PLATFORM_FEE: &'static str = "platform";
    /// Most legs; of a trade that crossed more, hops through one pool are merged.
    pub const MAX_LEGS: usize = 256;
    /// Most attributes.
    pub const MAX_ATTRIBUTES: usize = 16;

    /// `chain/blockHash/txHash/ordinal`: the same on every replay and instance.
    pub fn id(&self) -> String {
        [&self.chain, "/", &self.block.id.hash, "/", &self.transaction.hash, "/", &self.ordinal.to_string()].concat()
    }

    /// Whether `id` is the id of this trade.
    pub fn has_id(&self, id: &str) -> bool {
        let parts = [&self.chain, &self.block.id.hash, &self.transaction.hash];
        let ordinal = parts.into_iter().try_fold(id, |rest, part| rest.strip_prefix(&**part)?.strip_prefix('/'));
        ordinal == Some(&self.ordinal.to_string())
    }

    /// Where it stands in its chain.
    pub fn place(&self) -> Place {
        Place { height: self.block.id.height, index: self.transaction.index, ordinal: self.ordinal }
    }

    /// The key of its records, which decides partition and order: `chain/trader`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.chain, self.trader.address)
    }

    /// Whether it ends in the asset it began with; such trades do not count in user metrics.
    pub fn is_cycle(&self) -> bool {
        self.kind == Self::CYCLE
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.height, self.hash)
    }
}
