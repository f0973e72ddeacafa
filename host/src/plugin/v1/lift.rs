//! Lift: converts what a plugin returned into the domain's types, and refuses what the contract does not allow and
//! whatever the wire would refuse, before any of it is on the tape.

use super::{CallError, wit};
use ingest_domain::{Block, DroppedCounts, Scanned, Tip};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tape::{AssetAmount, BlockId, BlockRef, Detector, Fee, Leg, Raw, Side, Trade, Trader, Transaction, Usd, Valuation};
use wire::check;

/// Longest name of a reason or venue that is counted.
const MAX_DROPPED_NAME_BYTES: usize = 32;

/// Converts the contract's types into the domain's.
pub(super) struct Lift {
    pub(super) chain: Arc<str>,
    pub(super) network: Arc<str>,
    pub(super) detector: Arc<Detector>,
    /// Trades that one block may hold.
    pub(super) max_trades: usize,
}

impl Lift {
    /// The blocks of a scan from `first` to `last`.
    pub(super) fn scanned(&self, scanned: wit::Scanned, first: u64, last: u64) -> Result<Scanned, CallError> {
        let mut blocks: Vec<Block> = Vec::with_capacity(scanned.blocks.len());
        for block in scanned.blocks {
            let height = block.height;
            let expected = blocks.last().map_or(first, |before| before.id.height + 1);
            if height < expected || height > last {
                return Err(CallError::Broken(format!("block {height} outside of or unordered in {first}..={last}")));
            }
            if block.trades.len() > self.max_trades {
                let max = self.max_trades;
                return Err(CallError::Broken(format!("more than {max} trades in block {height}")));
            }
            blocks.push(self.block(block)?);
        }
        if scanned.through > last {
            return Err(CallError::Broken(format!("through {} beyond {last}", scanned.through)));
        }
        Ok(Scanned { blocks, through: scanned.through, digest: self.detector.digest.as_str().into() })
    }

    fn block(&self, block: wit::Block) -> Result<Block, CallError> {
        let height = block.height;
        let id = block_id(&format!("block {height}"), wit::BlockId { height, hash: block.hash })?;
        let parent =
            block.parent.map(|parent| block_id(&format!("the parent of block {height}"), parent)).transpose()?;
        let place = BlockRef { id: id.clone(), timestamp_ms: block.timestamp_ms };
        let attribute = |name: &str| block.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let unbacked = attribute("unbacked").and_then(|count| count.parse().ok()).unwrap_or(0);
        let dropped = dropped(&block.attributes);
        let proof: Arc<str> = attribute("proof").map_or("none", String::as_str).into();
        check::id("attributes.proof", &proof).map_err(|invalid| refused(&format!("block {height}"), &invalid))?;
        let mut trades = Vec::with_capacity(block.trades.len());
        let mut places = HashSet::new();
        for trade in block.trades {
            let trade = self.trade(&place, trade)?;
            if !places.insert((Arc::clone(&trade.transaction.hash), trade.ordinal)) {
                let (hash, ordinal) = (&trade.transaction.hash, trade.ordinal);
                return Err(CallError::Broken(format!("two trades of ordinal {ordinal} in transaction {hash}")));
            }
            trades.push(trade);
        }
        Ok(Block { id, parent, timestamp_ms: block.timestamp_ms, trades, unbacked, dropped, proof })
    }

    /// The trade, unless the wire would refuse it.
    fn trade(&self, block: &BlockRef, trade: wit::Trade) -> Result<Trade, CallError> {
        let (index, height) = (trade.transaction.index, block.id.height);
        let lifted = check::count("attributes", trade.attributes.len(), Trade::MAX_ATTRIBUTES)
            .map(|()| self.unchecked_trade(block, trade))
            .and_then(|trade| wire::v1::trade::check_event(&trade).map(|()| trade));
        lifted.map_err(|invalid| refused(&format!("a trade of transaction {index} in block {height}"), &invalid))
    }

    fn unchecked_trade(&self, block: &BlockRef, trade: wit::Trade) -> Trade {
        Trade {
            kind: trade.kind,
            chain: Arc::clone(&self.chain),
            network: Arc::clone(&self.network),
            block: block.clone(),
            transaction: Transaction {
                hash: trade.transaction.hash.into(),
                index: trade.transaction.index,
                from: trade.transaction.sender,
                to: trade.transaction.receiver,
            },
            ordinal: trade.ordinal,
            trader: Trader { address: trade.trader.address, evidence: trade.trader.evidence },
            sold: side(trade.sold),
            bought: side(trade.bought),
            legs: trade.legs.into_iter().map(leg).collect(),
            fees: trade.fees.into_iter().map(fee).collect(),
            platform: trade.platform,
            valuation: trade.valuation.map(valuation),
            attributes: attributes(trade.attributes),
            detector: Arc::clone(&self.detector),
        }
    }
}

/// How far an endpoint is.
pub(super) fn tip(tip: wit::Tip) -> Result<Tip, CallError> {
    check::id("network", &tip.network).map_err(|invalid| refused("the head", &invalid))?;
    let latest = block_id("the head", tip.latest)?;
    let finalized = tip.finalized.map(|id| block_id("the finalized block", id)).transpose()?;
    Ok(Tip { network: tip.network.into(), latest, finalized })
}

fn block_id(what: &str, id: wit::BlockId) -> Result<BlockId, CallError> {
    check::id("hash", &id.hash).map_err(|invalid| refused(what, &invalid))?;
    Ok(BlockId { height: id.height, hash: id.hash.into() })
}

/// What was delivered, and the rule of the wire that it breaks.
fn refused(what: &str, invalid: &wire::Invalid) -> CallError {
    CallError::Broken(format!("{what} that the tape does not take: {invalid}"))
}

/// What the attributes `dropped.REASON.VENUE` count; one whose name or number is none is left out.
fn dropped(attributes: &[(String, String)]) -> DroppedCounts {
    let is_part = |part: &str| {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=MAX_DROPPED_NAME_BYTES).contains(&part.len()) && part.bytes().all(is_id)
    };
    let mut counts = DroppedCounts::default();
    for (name, value) in attributes {
        let Some(kind) = name.strip_prefix("dropped.") else { continue };
        let is_kind = kind.split_once('.').is_some_and(|(reason, venue)| is_part(reason) && is_part(venue));
        if let (true, Ok(count)) = (is_kind, value.parse()) {
            counts.count(&kind.into(), count);
        }
    }
    counts
}

/// Names with their values; several values of one name stand side by side.
fn attributes(pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
    let mut attributes: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs {
        attributes.entry(name).and_modify(|known| *known = format!("{known},{value}")).or_insert(value);
    }
    attributes
}

fn raw(value: wit::Uint256) -> Raw {
    Raw::from_limbs([value.limb0, value.limb1, value.limb2, value.limb3])
}

fn side(side: wit::Side) -> Side {
    // A token's deployer chooses its ticker, which must not stop a chain: it is cleaned as it is when it is read.
    let symbol = side.symbol.and_then(tape::clean_symbol);
    Side { asset: side.asset, raw: raw(side.raw), decimals: side.decimals, symbol, quote: side.quote }
}

fn amount(amount: wit::AssetAmount) -> AssetAmount {
    AssetAmount { asset: amount.asset, raw: raw(amount.raw) }
}

fn leg(leg: wit::Leg) -> Leg {
    Leg { venue: leg.venue, pool: leg.pool, sold: amount(leg.sold), bought: amount(leg.bought), ordinal: leg.ordinal }
}

fn fee(fee: wit::Fee) -> Fee {
    Fee { kind: fee.kind, asset: fee.asset, raw: raw(fee.raw), recipient: fee.recipient, included: fee.included }
}

fn valuation(valuation: wit::Valuation) -> Valuation {
    // What does not fit is beyond what the wire takes.
    let usd = |usd: wit::Usd| {
        let units = (u128::from(usd.high) << 64) | u128::from(usd.low);
        Usd(i128::try_from(units).unwrap_or(i128::MAX))
    };
    Valuation { notional: usd(valuation.notional), fee: valuation.fee.map(usd), source: valuation.source }
}
