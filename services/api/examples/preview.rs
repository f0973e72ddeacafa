//! Temporary preview.
#![allow(dead_code, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::allow_attributes)]
#[path = "../tests/api/ground.rs"]
mod ground;
use ground::*;
use tape::*;
use tape_log::{Log, Record, Target, topics};
use std::sync::Arc;

fn rec(topic: &tape_log::Topic, key: &str, value: Vec<u8>) -> Record {
    Record { share: topic.share_of(key.as_bytes()), key: key.into(), headers: vec![], value: Some(value) }
}
fn made(n: u64, now: u64) -> Trade {
    let chain = ["mock", "ethereum", "base"][(n % 3) as usize];
    let trader = format!("0x{:040x}", 0xa7d398351b8be11c439e05c5b3259a9bu128.wrapping_mul((n * 7 % 5 + 1) as u128));
    let mut t = trade(chain, 19_000_000 + n, (n % 4) as u32, &trader);
    t.block.timestamp_ms = now;
    let assets = [("0xusdc", 6u8, "USDC", 1_000_000u128), ("0xweth", 18, "WETH", 10u128.pow(18) / 3200), ("0xpepe", 18, "PEPE", 10u128.pow(23)), ("0xwbtc", 8, "WBTC", 100_000_000 / 64000), ("0xunknown000000000000000000000000000000001", 18, "", 10u128.pow(17))];
    let pick = |i: u64, usd: u128| { let (a, d, s, one) = assets[(i % 5) as usize]; Side { asset: a.into(), raw: Raw::from(one * usd), decimals: (!s.is_empty()).then_some(d), symbol: (!s.is_empty()).then(|| s.to_string()), quote: i % 5 < 2 } };
    let usd = (n * 7919 % 48_611 + 3) as u128;
    t.sold = pick(n, usd); t.bought = pick(n + 1 + n % 3, usd);
    let venues = ["uniswap-v2", "uniswap-v3", "v3-like", "sushiswap"];
    let leg = t.legs[0].clone();
    t.legs = (0..(n % 4 / 2 + 1)).map(|i| { let mut l = leg.clone(); l.venue = venues[((n + i) % 4) as usize].into(); l }).collect();
    t.valuation = (n % 9 != 0).then(|| Valuation { notional: Usd(usd as i128 * Usd::ONE.0 + 370_000_000_000_000_000), fee: None, source: "stable-leg".into() });
    t
}
fn progress(chain: &str, name: &str, height: u64, lag: u64, state: wire::v1::progress::State, reason: Option<&str>) -> Vec<u8> {
    use wire::v1::progress::*;
    let b = |h: u64| Some(Block { height: h, hash: format!("0x{h:x}") });
    encode(&ChainProgressed { chain: chain.into(), network: "1".into(), step: 1, at: environment::now_ms(), state, reason: reason.map(Into::into), published: b(height), latest: b(height + lag), finalized: b(height - 64), lag_blocks: lag, detector: Generation { plugin: if chain == "mock" { "mock" } else { "evm" }.into(), version: "1.0.0".into(), digest: "sha256:00".into() }, proof: "receipts".into(), display: [("name".to_string(), name.to_string()), ("explorer_tx".to_string(), "https://etherscan.io/tx/{}".to_string())].into(), providers: Default::default(), partitions: vec![], unbacked: 0 })
}
#[tokio::main]
async fn main() {
    environment::telemetry::start("api");
    let ground = Ground::sqlite().await;
    let log = Log::open(&Target::Memory).await.unwrap();
    let who = made(0, 0).trader.address;
    println!("user {who}");
    let now = environment::now_ms();
    let events: Vec<_> = (0..40).map(|n| { let mut e = event(if n < 20 { Status::Finalized } else { Status::Observed }, made(n, now - (40 - n) * 1500)); e.id = format!("x/{n}/0"); e }).collect();
    ground.trades(&events).await;
    let mut rows = vec![totals_row("mock", &who, "1284210.25", 311), totals_row("ethereum", &who, "99120.5", 40)];
    for (a, q) in [("0xweth", "1200000000000000000"), ("0xusdc", "0"), ("0xpepe", "98237498237498237498237498")] { rows.push(position_row("ethereum", &who, a, q)); }
    ground.write("metrics", &rows).await;
    ground.write("portfolio", &wallet_rows("ethereum", &who, &[("0xusdc", "2500000123"), ("0xweth", "8812345")], now - 60_000)).await;
    let settings = api::Settings { addr: "127.0.0.1:18080".parse().unwrap(), database: environment::Secret::new(ground.url()), rate: None, lookback: std::time::Duration::from_secs(60), max_connections: 100 };
    tokio::spawn(api::run(settings, log.clone(), environment::Shutdown::default()));
    use wire::v1::progress::State;
    let mut n = 40;
    let ends = Arc::new(());
    let _ = ends;
    loop {
        let (h, now) = (19_000_000 + n, environment::now_ms());
        log.publish(vec![
            rec(&topics::PROGRESS, "mock", progress("mock", "Mock", h, 0, State::Live, None)),
            rec(&topics::PROGRESS, "ethereum", progress("ethereum", "Ethereum, recorded", h, 1, State::Live, None)),
            rec(&topics::PROGRESS, "base", progress("base", "Base", h, 1840, State::Catching, None)),
            rec(&topics::PROGRESS, "polygon", progress("polygon", "Polygon", 71_000_000, 0, State::Parked, Some("endpoint answers for network 1, not 137"))),
        ]).await.unwrap();
        let t = made(n, now);
        log.publish(vec![rec(&topics::TRADES, &t.key(), wire::v1::trade::encode(&event(Status::Observed, t.clone())))]).await.unwrap();
        if n % 5 == 0 { let t = made(n - 2, now - 1400); let _ = &t; let t2 = LAST.lock().unwrap().clone(); if let Some(t2) = t2 { log.publish(vec![rec(&topics::TRADES, &t2.key(), wire::v1::trade::encode(&event(Status::Reverted, t2)))]).await.unwrap(); } }
        *LAST.lock().unwrap() = Some(t);
        n += 1;
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    }
}
static LAST: std::sync::Mutex<Option<Trade>> = std::sync::Mutex::new(None);
