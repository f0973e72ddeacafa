//! Generates a tape for measurements: encoded swaps of many traders in many assets on several chains, the same in every run.

use std::ops::Range;
use std::sync::Arc;
use tape::{
    AssetAmount, BlockId, BlockRef, Detector, Event, Fee, Leg, Raw, Side, Status, Trade, Trader, Transaction, Usd,
    Valuation,
};
use tape_log::topics;

/// What the tape is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TapeShape {
    /// Swaps in all.
    pub trades: u64,
    /// Traders that make them, some far more than others.
    pub traders: u64,
    /// Assets that are traded for dollars.
    pub assets: u64,
    /// Chains.
    pub chains: u64,
    /// Time of the first block, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// Time between two blocks of one chain.
    pub block_ms: u64,
    /// Swaps in a block.
    pub per_block: u64,
}

/// A sequence that looks random and is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }
}

/// The address of a trader.
pub(crate) fn address(number: u64) -> String {
    format!("0x{:040x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}

/// The contract of an asset.
pub(crate) fn asset(number: u64) -> String {
    format!("0xa55e{number:036x}")
}

/// Which of all assets is one of the eight that a trader trades.
pub(crate) fn traded(trader: u64, one: u64, assets: u64) -> u64 {
    (trader.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).wrapping_add(one * 37) % assets
}

/// The records of one partition, one behind the other: so a broker sends them.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Records {
    fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Those of some positions; beyond the last there is none.
    pub(crate) fn in_range(&self, positions: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let end = self.len().min(positions.end);
        let begin = |at: usize| at.checked_sub(1).map_or(0, |before| self.ends[before]);
        (positions.start.min(end)..end).map(move |at| &self.bytes[begin(at)..self.ends[at]])
    }
}

/// The records of every partition of the trades log, in order: what a broker would hand out.
pub(crate) fn partitions(shape: &TapeShape) -> Vec<Records> {
    let mut partitions: Vec<Records> = (0..topics::TRADES.partitions).map(|_| Records::default()).collect();
    let mut dice = Dice(0x5eed_5eed_5eed_5eed);
    for number in 0..shape.trades {
        let event = event(shape, number, &mut dice);
        let partition = topics::TRADES.partition_of(event.trade.key().as_bytes()).index as usize;
        partitions[partition].push(&wire::v1::trade::encode(&event));
    }
    partitions
}

/// One swap: half of them buy, half of them sell what was bought before, more or less.
fn event(shape: &TapeShape, number: u64, dice: &mut Dice) -> Event {
    let chain = number % shape.chains;
    let height = 1_000_000 + number / (shape.chains * shape.per_block);
    let index = u32::try_from(number / shape.chains % shape.per_block).unwrap_or(0);
    // The smaller of two draws: few traders make most of the trades. Each is at home on one chain and trades eight assets.
    let some = dice.roll(shape.traders).min(dice.roll(shape.traders)) / shape.chains;
    let trader = some * shape.chains + chain;
    let token = traded(trader, dice.roll(8), shape.assets);
    let cents = 100 + dice.roll(5_000_000);
    let dollars = side("0xd011a2", u128::from(cents) * 10_000, 6, "USDC", true);
    let amount = u128::from(cents) * u128::from(900 + dice.roll(200)) * 1_000_000_000_000;
    let held = side(&asset(token), amount, 18, "TKN", false);
    let (sold, bought) = if dice.roll(2) == 0 { (dollars, held) } else { (held, dollars) };
    let hash = |salt: u64| format!("0x{:016x}{:016x}{:032x}", number ^ salt, salt.wrapping_mul(number | 1), number);
    let leg = |ordinal| Leg {
        venue: if dice_of(number, ordinal) { "uniswap-v2" } else { "v3-like" }.to_owned(),
        pool: format!("0x9001{:036x}", token * 2 + u64::from(ordinal)),
        sold: AssetAmount { asset: sold.asset.clone(), raw: sold.raw },
        bought: AssetAmount { asset: bought.asset.clone(), raw: bought.raw },
        ordinal,
    };
    let usd = |cents: u64| Usd(Usd::ONE.0 / 100 * i128::from(cents));
    let platform = (dice.roll(3) == 0).then(|| format!("platform-{}", dice.roll(4)));
    let fee = platform.is_some().then(|| usd(cents / 100 + 1));
    let fees = platform.iter().map(|name| Fee {
        kind: Trade::PLATFORM_FEE.to_owned(),
        asset: "0xd011a2".to_owned(),
        raw: Raw::from(cents),
        recipient: Some(name.clone()),
        included: true,
    });
    let legs = (0..=u32::from(dice_of(number, 7))).map(leg).collect();
    let trade = Trade {
        kind: Trade::SWAP.to_owned(),
        chain: format!("chain{chain}").into(),
        network: "bench".into(),
        block: BlockRef {
            id: BlockId { height, hash: format!("0x{:064x}", height * 7919 + chain).into() },
            timestamp_ms: shape.from_ms + (height - 1_000_000) * shape.block_ms,
        },
        transaction: Transaction {
            hash: hash(0x7ea5).into(),
            index,
            from: address(trader),
            to: Some("0x00000000000000000000000000000000000a0a0a".to_owned()),
        },
        ordinal: 0,
        trader: Trader { address: address(trader), evidence: "tx-sender".to_owned() },
        fees: fees.collect(),
        legs,
        sold,
        bought,
        platform,
        attributes: std::collections::BTreeMap::new(),
        valuation: Some(Valuation { notional: usd(cents), fee, source: "stable-leg".to_owned() }),
        detector: Arc::new(Detector {
            plugin: "evm".into(),
            version: "0.1.0".into(),
            digest: format!("sha256:{:064x}", 0xe7),
        }),
    };
    Event { id: format!("chain{chain}/{height}/{index}"), status: Status::Observed, trade: Box::new(trade) }
}

fn dice_of(number: u64, salt: u32) -> bool {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (20 + salt)) & 1 == 1
}

fn side(asset: &str, raw: u128, decimals: u8, symbol: &str, quote: bool) -> Side {
    Side {
        asset: asset.to_owned(),
        raw: Raw::from(raw),
        decimals: Some(decimals),
        symbol: Some(symbol.to_owned()),
        quote,
    }
}
