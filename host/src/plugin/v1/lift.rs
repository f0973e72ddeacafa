//! Lift: converts what a plugin returned into the domain's types, and refuses what the contract does not allow.

use super::{CallError, wit};
use ingest_domain::{Block, Scanned};
use std::collections::BTreeMap;
use std::sync::Arc;
use tape::{AssetAmount, BlockId, BlockRef, Detector, Fee, Leg, Raw, Side, Trade, Trader, Transaction, Usd, Valuation};

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
        let id = BlockId { height: block.height, hash: block.hash.into() };
        let place = BlockRef { id: id.clone(), timestamp_ms: block.timestamp_ms };
        let attribute = |name: &str| block.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let unbacked = attribute("unbacked").and_then(|count| count.parse().ok()).unwrap_or(0);
        let proof = attribute("proof").map_or("none", String::as_str).into();
        let lifted = block.trades.into_iter().map(|trade| self.trade(&place, trade));
        Ok(Block {
            id,
            parent: block.parent.map(|parent| BlockId { height: parent.height, hash: parent.hash.into() }),
            timestamp_ms: block.timestamp_ms,
            trades: lifted.collect::<Result<_, _>>()?,
            unbacked,
            proof,
        })
    }

    fn trade(&self, block: &BlockRef, trade: wit::Trade) -> Result<Trade, CallError> {
        if trade.legs.len() > Trade::MAX_LEGS {
            let hash = &trade.transaction.hash;
            return Err(CallError::Broken(format!("more than {} legs in transaction {hash}", Trade::MAX_LEGS)));
        }
        if trade.attributes.len() > Trade::MAX_ATTRIBUTES {
            let (hash, max) = (&trade.transaction.hash, Trade::MAX_ATTRIBUTES);
            return Err(CallError::Broken(format!("more than {max} attributes in transaction {hash}")));
        }
        Ok(Trade {
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
            valuation: trade.valuation.map(valuation).transpose()?,
            attributes: attributes(trade.attributes),
            detector: Arc::clone(&self.detector),
        })
    }
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
    Side { asset: side.asset, raw: raw(side.raw), decimals: side.decimals, symbol: side.symbol, quote: side.quote }
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

fn valuation(valuation: wit::Valuation) -> Result<Valuation, CallError> {
    let usd = |usd: wit::Usd| {
        let units = (u128::from(usd.high) << 64) | u128::from(usd.low);
        let units = i128::try_from(units).ok().map(Usd).filter(|units| *units <= Usd::MAX_NOTIONAL);
        units.ok_or_else(|| CallError::Broken("a valuation beyond 10^15 dollars".to_owned()))
    };
    Ok(Valuation {
        notional: usd(valuation.notional)?,
        fee: valuation.fee.map(usd).transpose()?,
        source: valuation.source,
    })
}
