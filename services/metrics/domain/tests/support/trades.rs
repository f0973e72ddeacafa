//! Random trades that are applied and reverted, and a feed that delivers a script of them.

use metrics_domain::memory::MemoryStore;
use metrics_domain::{BookRules, DecodedTrade, Limits, Method, follow};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use tape::{
    Batch, BlockId, BlockRef, Delivery, Detector, Event, Feed, Partition, Raw, Side, Start, Status, Trade, TradeRecord,
    Trader, Transaction, Unavailable, Usd, Valuation,
};

/// Rules under which some of the random trades are implausible, and one asset of cash has positions on one chain.
pub(crate) fn strict_rules(method: Method) -> BookRules {
    let natives = [("chain1".into(), "asset1".into())].into();
    BookRules { method, natives, max_notional: MAX_PLAUSIBLE.into() }
}

/// What a trade may be worth under those rules.
pub(crate) const MAX_PLAUSIBLE: Usd = Usd(Usd::ONE.0 * 120);

/// Whether a trade claims more than those rules take.
pub(crate) fn is_implausible(trade: &Trade) -> bool {
    let claims = |valuation: &Valuation| valuation.notional.max(valuation.fee.unwrap_or(Usd::ZERO));
    trade.valuation.as_ref().is_some_and(|valuation| claims(valuation) > MAX_PLAUSIBLE)
}

/// Whether a side is cash under those rules.
pub(crate) fn is_cash(trade: &Trade, side: &Side) -> bool {
    side.quote && !(&*trade.chain == "chain1" && side.asset == "asset1")
}

/// The words of a trade's confidence, one that nobody knows among them.
const CONFIDENCES: [Option<&str>; 5] = [None, Some("reported"), Some("estimated"), Some("traced"), Some("guessed")];

/// What is random about a trade.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    pub(crate) user: u8,
    pub(crate) chain: u8,
    pub(crate) height: u64,
    pub(crate) index: u32,
    pub(crate) branch: u8,
    pub(crate) cycle: bool,
    pub(crate) sold: (u8, u32),
    pub(crate) bought: (u8, u32),
    pub(crate) notional: Option<u32>,
    pub(crate) fee: Option<u32>,
    pub(crate) platform: bool,
    pub(crate) confidence: usize,
}

pub(crate) fn sketch() -> impl Strategy<Value = Sketch> {
    let who = (0..2_u8, 0..2_u8, 0..5_u64, 0..3_u32, 0..2_u8, prop::bool::weighted(0.1));
    let what = ((0..4_u8, 0..20_u32), (0..4_u8, 0..20_u32), prop::option::weighted(0.6, 0..1_000_u32));
    let rest = (prop::option::weighted(0.3, 0..9_u32), any::<bool>(), 0..CONFIDENCES.len());
    (who, what, rest).prop_map(
        |((user, chain, height, index, branch, cycle), (sold, bought, notional), (fee, platform, confidence))| Sketch {
            user,
            chain,
            height,
            index,
            branch,
            cycle,
            sold,
            bought,
            notional,
            fee,
            platform,
            confidence,
        },
    )
}

/// Assets 0 and 1 are cash. `again` is the same trade, valued differently by a newer detector.
pub(crate) fn trade(sketch: &Sketch, number: usize, again: bool) -> Trade {
    let side = |(asset, raw): (u8, u32)| Side {
        asset: format!("asset{asset}"),
        raw: Raw::from(raw),
        decimals: (raw % 5 > 0).then_some(6),
        symbol: (raw % 3 > 0).then(|| format!("A{asset}-{}", raw % 2)),
        quote: asset < 2,
    };
    let worth = |n: u32| Usd(Usd::ONE.0 * i128::from(n) / 7 + i128::from(again));
    Trade {
        kind: if sketch.cycle { Trade::CYCLE } else { Trade::SWAP }.to_owned(),
        chain: format!("chain{}", sketch.chain).into(),
        network: "network".into(),
        block: BlockRef {
            id: BlockId { height: sketch.height, hash: format!("block{}-{}", sketch.height, sketch.branch).into() },
            timestamp_ms: sketch.height * 50_000_000,
        },
        transaction: Transaction {
            hash: format!("tx{number}").into(),
            index: sketch.index,
            from: "sender".to_owned(),
            to: None,
        },
        ordinal: 0,
        trader: Trader { address: format!("user{}", sketch.user), evidence: "tx-sender".to_owned() },
        sold: side(sketch.sold),
        bought: side(((sketch.bought.0 + u8::from(again)) % 4, sketch.bought.1)),
        legs: vec![],
        fees: vec![],
        attributes: CONFIDENCES[(sketch.confidence + usize::from(again)) % CONFIDENCES.len()]
            .map(|word| (Trade::CONFIDENCE.to_owned(), word.to_owned()))
            .into_iter()
            .collect(),
        platform: sketch.platform.then(|| "shop".to_owned()),
        valuation: sketch.notional.map(|notional| Valuation {
            notional: worth(notional),
            fee: sketch.fee.map(worth),
            source: "stable-leg".to_owned(),
        }),
        detector: Arc::new(Detector { plugin: "p".into(), version: "1".into(), digest: "d".into() }),
    }
}

pub(crate) fn event(trade: Trade, present: bool, at: usize) -> Event {
    let status = if present { Status::Observed } else { Status::Reverted };
    Event { id: format!("chain/{at}/0"), status, trade: Box::new(trade) }
}

/// Delivers what it is given, then waits for ever.
struct ScriptedFeed(VecDeque<Delivery<DecodedTrade>>);

impl Feed<DecodedTrade> for ScriptedFeed {
    async fn next(&mut self) -> Result<Delivery<DecodedTrade>, Unavailable> {
        match self.0.pop_front() {
            Some(delivery) => Ok(delivery),
            None => pending().await,
        }
    }

    async fn seek(&mut self, _: &Partition, _: Start) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// Follows the script to its end; nothing in it waits, so one poll gets there.
pub(crate) fn run(script: Vec<Delivery<DecodedTrade>>, store: &MemoryStore, limits: Limits) {
    let mut following = pin!(follow(ScriptedFeed(script.into()), store, limits));
    assert!(following.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

pub(crate) fn partition() -> Partition {
    Partition { topic: "trades.executed.v1".into(), index: 7 }
}

pub(crate) fn batches(events: &[Event], cuts: &[usize]) -> Vec<Delivery<DecodedTrade>> {
    let mut script = vec![Delivery::Gained(partition())];
    let mut at = 0;
    for cut in cuts.iter().copied().chain([events.len()]) {
        let end = (at + cut).min(events.len());
        let decoded =
            |at: usize| TradeRecord { position: at as u64, event: events[at].clone(), text: String::new() }.into();
        let part = (at..end).map(decoded).collect();
        script.push(Delivery::Batch(Batch { partition: partition(), events: part, next: end as u64, trace: None }));
        at = end;
    }
    script
}

/// The trades present after these events, by the rule alone.
pub(crate) fn present(events: &[Event]) -> Vec<Trade> {
    let mut live = BTreeMap::new();
    for event in events {
        if event.status == Status::Reverted {
            live.remove(&event.trade.id());
        } else {
            live.entry(event.trade.id()).or_insert_with(|| event.trade.clone());
        }
    }
    let mut trades: Vec<Trade> = live.into_values().map(|trade| *trade).collect();
    trades.sort_by_key(|trade| (trade.place(), trade.id()));
    trades
}
