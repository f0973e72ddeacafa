//! Trades, random histories and a scripted feed for the tests of this service.

use metrics_domain::{DecodedTrade, Limits, Store, follow};
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use tape::{
    Batch, BlockId, BlockRef, Delivery, Detector, Event, Feed, Leg, Partition, Raw, Side, Start, Status, Trade, Trader,
    Transaction, Unavailable, Usd, Valuation,
};
use tokio::sync::Notify;

/// A pseudo-random sequence that is the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `limit`.
    pub(crate) fn roll(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// A swap of `sold` for `bought` (asset, raw); assets that begin with `$` are cash.
pub(crate) fn swap(chain: &str, trader: &str, height: u64, sold: (&str, u128), bought: (&str, u128)) -> Trade {
    let side = |(asset, raw): (&str, u128)| Side {
        asset: asset.to_owned(),
        raw: Raw::from(raw),
        decimals: Some(6),
        symbol: Some(asset.to_uppercase()),
        quote: asset.starts_with('$'),
    };
    let (sold, bought) = (side(sold), side(bought));
    let leg = |venue: &str, ordinal| Leg {
        venue: venue.to_owned(),
        pool: "pool".to_owned(),
        sold: tape::AssetAmount { asset: sold.asset.clone(), raw: sold.raw },
        bought: tape::AssetAmount { asset: bought.asset.clone(), raw: bought.raw },
        ordinal,
    };
    Trade {
        kind: Trade::SWAP.to_owned(),
        chain: chain.into(),
        network: "network".into(),
        block: BlockRef {
            id: BlockId { height, hash: format!("block{height}").into() },
            timestamp_ms: 1_700_000_000_000 + height * 40_000_000,
        },
        transaction: Transaction {
            hash: format!("tx-{trader}-{height}").into(),
            index: 3,
            from: trader.to_owned(),
            to: None,
        },
        ordinal: 0,
        trader: Trader { address: trader.to_owned(), evidence: "tx-sender".to_owned() },
        legs: vec![leg("uniswap-v2", 0), leg("v3-like", 1), leg("uniswap-v2", 2)],
        sold,
        bought,
        fees: vec![],
        platform: None,
        attributes: std::collections::BTreeMap::new(),
        valuation: None,
        detector: Arc::new(Detector { plugin: "p".into(), version: "1".into(), digest: "sha256:0".into() }),
    }
}

/// The trade with a valuation.
pub(crate) fn worth(mut trade: Trade, usd: &str) -> Trade {
    let notional = Usd::parse(usd).unwrap();
    trade.valuation = Some(Valuation { notional, fee: None, source: "stable-leg".to_owned() });
    trade
}

pub(crate) fn present(trade: &Trade) -> Event {
    Event { id: format!("{}/1/0", trade.chain), status: Status::Observed, trade: Box::new(trade.clone()) }
}

pub(crate) fn absent(trade: &Trade) -> Event {
    Event { id: format!("{}/2/0", trade.chain), status: Status::Reverted, trade: Box::new(trade.clone()) }
}

/// Trades of two users on one chain that are applied, reverted, applied again and late.
pub(crate) fn history(chain: &str, dice: &mut Dice, length: usize) -> Vec<Event> {
    const ASSETS: [&str; 4] = ["$usd", "$eth", "cat", "dog"];
    let mut pool: Vec<Trade> = vec![];
    for number in 0..=length as u64 / 2 {
        let trader = format!("user{}", dice.roll(2));
        let side = |dice: &mut Dice| (ASSETS[dice.roll(4) as usize], u128::from(dice.roll(30)));
        let (sold, bought) = (side(dice), side(dice));
        let mut trade = swap(chain, &trader, dice.roll(6), sold, bought);
        trade.transaction.hash = format!("tx{number}").into();
        trade.transaction.index = dice.roll(3) as u32;
        if dice.roll(5) > 0 {
            let cents = |n: u64| Usd(Usd::ONE.0 * i128::from(n) / 7);
            let fee = (dice.roll(2) > 0).then(|| cents(dice.roll(9)));
            let notional = cents(dice.roll(1_000));
            trade.valuation = Some(Valuation { notional, fee, source: "stable-leg".to_owned() });
        }
        for leg in &mut trade.legs {
            leg.pool = format!("pool{}", dice.roll(12));
        }
        trade.platform = (dice.roll(2) > 0).then(|| "shop".to_owned());
        let words = [None, Some("reported"), Some("estimated"), Some("traced"), Some("guessed")];
        let word = words[number as usize % words.len()];
        trade.attributes.extend(word.map(|word| (Trade::CONFIDENCE.to_owned(), word.to_owned())));
        if dice.roll(9) == 0 {
            Trade::CYCLE.clone_into(&mut trade.kind);
        }
        pool.push(trade);
    }
    let mut event = || {
        let trade = &pool[dice.roll(pool.len() as u64) as usize];
        if dice.roll(3) > 0 { present(trade) } else { absent(trade) }
    };
    (0..length).map(|_| event()).collect()
}

pub(crate) fn partition(index: u32) -> Partition {
    Partition { topic: "trades.executed.v1".into(), index }
}

/// The value of an event's record, with a leading space that no encoder of ours writes: it shows whether the text is
/// kept.
pub(crate) fn record_value(event: &Event) -> Vec<u8> {
    [b" ".to_vec(), wire::v1::trade::encode(event)].concat()
}

/// The events of one partition in batches of at most `size`.
pub(crate) fn batches(partition: &Partition, events: &[Event], size: usize) -> Vec<Delivery<DecodedTrade>> {
    let mut script = vec![Delivery::Gained(partition.clone())];
    for (number, part) in events.chunks(size).enumerate() {
        let first = (number * size) as u64;
        let decode = |(at, event): (usize, &Event)| {
            wire::v1::trade::decode_record(first + at as u64, record_value(event))
                .expect("what is encoded is read")
                .into()
        };
        let events: Vec<DecodedTrade> = part.iter().enumerate().map(decode).collect();
        let next = first + events.len() as u64;
        script.push(Delivery::Batch(Batch { partition: partition.clone(), events, next, trace: None }));
    }
    script
}

/// Delivers what it is given, then notifies `done` and waits.
struct ScriptedFeed<'a> {
    deliveries: VecDeque<Delivery<DecodedTrade>>,
    done: &'a Notify,
}

impl Feed<DecodedTrade> for ScriptedFeed<'_> {
    async fn next(&mut self) -> Result<Delivery<DecodedTrade>, Unavailable> {
        if let Some(delivery) = self.deliveries.pop_front() {
            return Ok(delivery);
        }
        self.done.notify_one();
        pending().await
    }

    async fn seek(&mut self, _: &Partition, _: Start) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// Follows the script to its end.
pub(crate) async fn play(script: Vec<Delivery<DecodedTrade>>, store: &impl Store, events: usize) {
    let done = Notify::new();
    let feed = ScriptedFeed { deliveries: script.into(), done: &done };
    let limits = Limits { events, remembered: 50 };
    tokio::select! {
        ended = follow(feed, store, limits) => panic!("{ended:?}"),
        () = done.notified() => {}
    }
}
