//! The stream as clients see it: snapshots joined to changes without hole or overlap, slow readers, and resuming.

use crate::ground::{
    Ground, event, folded_row, missing_fields, position_row, read_row, totals_row, trade, wallet_rows,
};
use crate::serving::{EVENT_TIMEOUT, Listener, Serving};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tape::{AssetAmount, Event, Leg, Raw, Status};
use tape_log::settings::KafkaSettings;
use tape_log::{Log, Target, topics};
use wire::v1::metrics::{AsOf, MetricsUpdated, Position, Totals};
use wire::v1::portfolio::{BalanceChange, PortfolioUpdated};
use wire::v1::progress::{Block, ChainProgressed, Generation, State};

/// A progress message of the ingestor.
pub(crate) fn progress(lag_blocks: u64) -> ChainProgressed {
    let block = |height: u64| Some(Block { height, hash: format!("0xb{height:x}") });
    ChainProgressed {
        chain: "mock".into(),
        network: "mock-1".into(),
        step: 1,
        at: 1_700_000_000_000,
        state: State::Live,
        reason: None,
        published: block(100),
        latest: block(100 + lag_blocks),
        finalized: block(90),
        lag_blocks,
        detector: Generation { plugin: "mock".into(), version: "1.2.3".into(), digest: "sha256:00".into() },
        proof: "receipts".into(),
        display: [("name".to_owned(), "Mock".to_owned())].into(),
        providers: [("moralis".to_owned(), "0x1".to_owned())].into(),
        history: vec![],
        covered: vec![],
        partitions: vec![],
        candidates: vec![],
        unbacked: 0,
        dropped: BTreeMap::new(),
        waiting: false,
        since: 0,
        endpoint: None,
        written_by: None,
    }
}

fn applied(height: u64) -> Event {
    event(Status::Observed, trade("mock", height, 0, "0xa"))
}

fn reverted(height: u64) -> Event {
    event(Status::Reverted, trade("mock", height, 0, "0xa"))
}

fn partition() -> u32 {
    topics::TRADES.partition_of(b"mock/0xa").index
}

fn heights(snapshot: &Value) -> Vec<u64> {
    snapshot["data"]["items"].as_array().unwrap().iter().map(height).collect()
}

fn height(trade: &Value) -> u64 {
    trade["block"]["height"].as_u64().unwrap()
}

/// Type and height of a change.
async fn change(listener: &mut Listener) -> (String, u64) {
    let message = listener.next().await;
    assert_eq!(message["channel"], "trades", "{message}");
    assert!(message["at"].is_string());
    (message["type"].as_str().unwrap().to_owned(), height(&message["data"]))
}

#[tokio::test]
async fn trades_come_and_go() {
    for ground in Ground::all().await {
        // Metrics has folded the first two of four trades; the api has read all four.
        ground.trades(&[applied(1), applied(2)]).await;
        ground.folded(partition(), 2).await;
        let api = Serving::on(&ground).await;
        api.publish(&[applied(1), applied(2), applied(3), reverted(2)]).await;
        api.following().await;
        let mut early = api.stream().await;
        early.send(r#"{"op":"subscribe","channel":"trades","filter":{"chain":"mock"}}"#).await;
        let snapshot = early.next().await;
        assert_eq!((&snapshot["type"], &snapshot["id"]), (&json!("snapshot"), &json!("trades")));
        let mut present: BTreeSet<u64> = heights(&snapshot).into_iter().collect();
        while present != BTreeSet::from([1, 3]) {
            match change(&mut early).await {
                (kind, height) if kind == "apply" => assert!(present.insert(height)),
                (_, height) => assert!(present.remove(&height)),
            }
        }
        let mut late = api.stream().await;
        late.send(r#"{"op":"subscribe","id":"t","channel":"trades","filter":{"trader":"0xA"},"limit":2}"#).await;
        let snapshot = late.next().await;
        assert_eq!((heights(&snapshot), &snapshot["id"]), (vec![3, 1], &json!("t")), "what is not folded yet is in it");
        let mut other = api.stream().await;
        other.send(r#"{"op":"subscribe","channel":"trades","filter":{"asset":"0xnone"}}"#).await;
        assert_eq!(heights(&other.next().await), [0_u64; 0]);
        api.publish(&[applied(4)]).await;
        api.publish(&[reverted(4), reverted(3)]).await;
        for listener in [&mut early, &mut late] {
            assert_eq!(change(listener).await, ("apply".into(), 4));
            assert_eq!(change(listener).await, ("revert".into(), 4));
            assert_eq!(change(listener).await, ("revert".into(), 3));
        }
        other.expect_nothing().await;
        late.send(r#"{"op":"unsubscribe","id":"t"}"#).await;
        assert_eq!(late.next().await["type"], "unsubscribed");
        api.publish(&[applied(5)]).await;
        assert_eq!(change(&mut early).await, ("apply".into(), 5));
        late.expect_nothing().await;
    }
}

/// The same over a real broker, whose positions have holes and whose topics belong to others.
#[tokio::test]
async fn trades_come_over_kafka() {
    let Ok(brokers) = std::env::var("KAFKA_BROKERS") else {
        println!("skipped: KAFKA_BROKERS is not set");
        return;
    };
    let prefix = format!("api-test-{}-{}.", std::process::id(), environment::now_ms());
    let target = Target::Kafka(KafkaSettings::plain(brokers, prefix, "api-test").into());
    let log = Log::open(&target).await.unwrap();
    for topics in [topics::OF_INGESTOR, topics::OF_METRICS, topics::OF_PORTFOLIO] {
        log.own(topics).await.unwrap();
    }
    let ground = Ground::sqlite().await;
    let api = Serving::over(log, &ground.url(), |_| {}).await;
    api.publish(&[applied(1), applied(2)]).await;
    api.following().await;
    let mut listener = api.stream().await;
    listener.send(r#"{"op":"subscribe","channel":"trades"}"#).await;
    let mut present: BTreeSet<u64> = heights(&listener.next().await).into_iter().collect();
    while present != BTreeSet::from([1, 2]) {
        assert!(present.insert(change(&mut listener).await.1));
    }
    api.publish(&[reverted(2)]).await;
    assert_eq!(change(&mut listener).await, ("revert".into(), 2));
}

#[tokio::test]
async fn what_metrics_has_folded_ahead_of_the_api_is_not_delivered_again() {
    let ground = Ground::sqlite().await;
    ground.trades(&[applied(1), applied(2)]).await;
    ground.folded(partition(), 2).await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let mut listener = api.stream().await;
    listener.send(r#"{"op":"subscribe","channel":"trades"}"#).await;
    assert_eq!(heights(&listener.next().await), [2, 1]);
    api.publish(&[applied(1), applied(2), applied(3)]).await;
    assert_eq!(change(&mut listener).await, ("apply".into(), 3));
}

/// Trades come and go while metrics folds behind and clients subscribe at any moment: every client that applies the
/// changes to its snapshot sees each change exactly once and ends with the truth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_sees_a_hole_or_an_overlap() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let history = history(400);
    let truth: BTreeSet<u64> = present_after(&history);
    let folding = async {
        for (at, event) in history.iter().enumerate() {
            tokio::time::sleep(Duration::from_millis(3)).await;
            let rows = [ground.trade_row(event), folded_row(partition(), at as u64 + 1)];
            ground.write("metrics", &rows).await;
        }
    };
    let publishing = async {
        for events in history.chunks(7) {
            api.publish(events).await;
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    };
    let clients = (0..24_u64).map(|number| {
        let (api, truth, last) = (&api, &truth, history.last().unwrap().trade.block.id.height);
        async move {
            tokio::time::sleep(Duration::from_millis(40 * number)).await;
            let mut listener = api.stream().await;
            listener.send(r#"{"op":"subscribe","channel":"trades","limit":200}"#).await;
            let snapshot = listener.next().await;
            assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
            let mut present: BTreeSet<u64> = heights(&snapshot).into_iter().collect();
            while !present.contains(&last) {
                match change(&mut listener).await {
                    (kind, height) if kind == "apply" => {
                        assert!(present.insert(height), "{number}: {height} came twice");
                    }
                    (_, height) => assert!(present.remove(&height), "{number}: {height} went without having come"),
                }
            }
            assert_eq!(present, *truth, "client {number}");
        }
    });
    tokio::join!(folding, publishing, futures_util::future::join_all(clients));
}

/// A made-up history in which blocks are left and taken again; it ends with a trade of its own.
fn history(length: u64) -> Vec<Event> {
    let mut present = vec![];
    let mut events = vec![];
    let mut dice = 7_u64;
    for height in 1..length {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if (dice >> 33) % 5 < 2 && present.len() > 3 {
            let gone: u64 = present.remove((dice >> 40) as usize % present.len());
            events.push(reverted(gone));
            if (dice >> 50).is_multiple_of(3) {
                present.push(gone);
                events.push(applied(gone));
            }
        }
        if present.len() < 150 {
            present.push(height);
            events.push(applied(height));
        }
    }
    events.push(applied(length));
    events
}

fn present_after(events: &[Event]) -> BTreeSet<u64> {
    let mut present = BTreeSet::new();
    for event in events {
        let height = event.trade.block.id.height;
        if event.status == Status::Reverted {
            present.remove(&height)
        } else {
            present.insert(height)
        };
    }
    present
}

fn metrics(offset: u64, swaps: u64, asset: &str) -> Vec<u8> {
    let position = Position {
        asset: asset.into(),
        symbol: None,
        decimals: None,
        quantity: swaps.to_string(),
        unknown_quantity: "0".into(),
        basis_usd: "0".into(),
        realized_pnl_usd: "0".into(),
        proceeds_without_basis_usd: "0".into(),
        proceeds_usd: "0".into(),
        basis_without_proceeds_usd: None,
    };
    wire::v1::metrics::encode(&MetricsUpdated {
        chain: "mock".into(),
        trader: "0xa".into(),
        as_of: AsOf { partition: partition(), offset },
        totals: Totals { swaps, ..Totals::default() },
        positions: vec![position],
    })
}

#[tokio::test]
async fn a_users_metrics_follow_their_snapshot() {
    let ground = Ground::sqlite().await;
    // Three live trades and two that were filled in: five in all, which is what messages count.
    let rows = [
        totals_row("mock", "0xa", "9.5", 5),
        position_row("mock", "0xa", "0xweth", "5"),
        folded_row(partition(), 3),
        read_row("trades.history.v1", partition(), 2),
    ];
    ground.write("metrics", &rows).await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let mut listener = api.stream().await;
    listener.send(r#"{"op":"subscribe","channel":"user.metrics","filter":{"address":"0xA"}}"#).await;
    let snapshot = listener.next().await;
    assert_eq!(snapshot["data"]["total"]["volumeUsd"], "9.5", "{snapshot}");
    assert_eq!(snapshot["data"]["chains"][0]["swaps"], 5);
    assert_eq!(snapshot["data"]["positions"][0]["quantity"], "5");
    // A message of what the snapshot holds already comes late; then one of what it does not.
    api.publish_record(&topics::METRICS_UPDATED, "mock/0xa", metrics(5, 5, "0xweth")).await;
    listener.expect_nothing().await;
    api.publish_record(&topics::METRICS_UPDATED, "mock/0xb", metrics(6, 6, "0xweth")).await;
    let update = listener.next().await;
    assert_eq!((&update["type"], &update["channel"]), (&json!("update"), &json!("user.metrics")));
    let missing = missing_fields(&snapshot["data"]["chains"][0], &update["data"]["totals"]);
    assert_eq!(missing, ["chain", "coverage", "proceedsInDoubtUsd"], "the rest is the same as over REST");
    assert_eq!((&update["data"]["totals"]["swaps"], &update["data"]["asOf"]["offset"]), (&json!(6), &json!(6)));
    listener.expect_nothing().await;
}

#[tokio::test]
async fn a_users_balances_follow_their_snapshot() {
    let ground = Ground::sqlite().await;
    ground.write("portfolio", &wallet_rows("mock", "0xa", &[("0xusdc", "2500000")], 50)).await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let mut listener = api.stream().await;
    listener.send(r#"{"op":"subscribe","channel":"user.portfolio","filter":{"address":"0xa","chain":"mock"}}"#).await;
    let snapshot = listener.next().await;
    assert_eq!(snapshot["data"]["wallets"][0]["takenAt"], 50);
    assert_eq!(snapshot["data"]["items"][0]["amount"], "2.5");
    let message = |taken_at: u64, after: &str| {
        wire::v1::portfolio::encode(&PortfolioUpdated {
            chain: "mock".into(),
            address: "0xa".into(),
            provider: "mock".into(),
            taken_at,
            as_of: Some(7),
            incomplete: true,
            left_out: Some(1),
            incomplete_reason: Some("no answer".into()),
            changes: vec![BalanceChange {
                asset: "0xusdc".into(),
                symbol: None,
                decimals: Some(6),
                before: "2500000".into(),
                after: after.into(),
                spam: None,
                verified: Some(true),
                kept: false,
            }],
        })
    };
    api.publish_record(&topics::PORTFOLIO_UPDATED, "mock/0xa", message(50, "2500000")).await;
    api.publish_record(&topics::PORTFOLIO_UPDATED, "mock/0xa", message(60, "0")).await;
    let update = listener.next().await;
    assert_eq!((&update["data"]["takenAt"], &update["data"]["changes"][0]["after"]), (&json!(60), &json!("0")));
    let change = &update["data"]["changes"][0];
    assert_eq!((&change["spam"], &change["verified"]), (&Value::Null, &json!(true)), "not told is not false");
    let why = json!({"asOf": 7, "incomplete": true, "leftOut": 1, "incompleteReason": "no answer"});
    assert!(why.as_object().unwrap().iter().all(|(name, value)| update["data"][name] == *value), "{update}");
}

#[tokio::test]
async fn chains_move_and_poison_is_counted() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let mut listener = api.stream().await;
    listener.send(r#"{"op":"subscribe","channel":"chains"}"#).await;
    assert_eq!(listener.next().await["data"]["items"], json!([]));
    api.publish_record(&topics::PROGRESS, "other", b"{\"chain\":".to_vec()).await;
    api.publish_record(&topics::TRADES, "mock/0xa", b"no trade".to_vec()).await;
    api.publish_record(&topics::PROGRESS, "mock", wire::v1::progress::encode(&progress(3))).await;
    let update = listener.next().await;
    assert_eq!((&update["channel"], &update["data"]["lagBlocks"]), (&json!("chains"), &json!(3)));
    api.publish(&[applied(1)]).await;
    let counted = async {
        while api.get("/ready").await["log"]["poison"] != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::serving::EVENT_TIMEOUT, counted).await.unwrap();
}

/// A trade of many legs, so that a few thousand fill every buffer between api and client.
fn heavy(height: u64) -> Event {
    let mut event = applied(height);
    let leg = |ordinal| Leg {
        venue: format!("venue-{}", "v".repeat(200)),
        pool: format!("0x{}", "a".repeat(200)),
        sold: AssetAmount { asset: "0xusdc".into(), raw: Raw::from(1) },
        bought: AssetAmount { asset: "0xweth".into(), raw: Raw::from(1) },
        ordinal,
    };
    event.trade.legs = (0..32).map(leg).collect();
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_a_gap_notice_and_slows_no_one() {
    const TOTAL: u64 = 3_000;
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let (mut slow, mut fast) = (api.stream().await, api.stream().await);
    for listener in [&mut slow, &mut fast] {
        listener.send(r#"{"op":"subscribe","channel":"trades","limit":0}"#).await;
        assert_eq!(listener.next().await["type"], "snapshot");
    }
    for first in (0..TOTAL).step_by(100) {
        api.publish(&(first..first + 100).map(heavy).collect::<Vec<_>>()).await;
        for expected in first..first + 100 {
            assert_eq!(change(&mut fast).await, ("apply".into(), expected), "the fast reader misses nothing");
        }
    }
    let mut expected = 0;
    let missed = loop {
        let message = slow.next().await;
        if message["type"] == "gap" {
            assert_eq!(message["channel"], "trades");
            break message["missed"].as_u64().unwrap();
        }
        assert_eq!(height(&message["data"]), expected, "what it gets is in order");
        expected += 1;
    };
    assert!(missed > 0 && expected + missed == TOTAL, "{expected} delivered, {missed} missed");
    api.publish(&[applied(TOTAL)]).await;
    assert_eq!(change(&mut slow).await, ("apply".into(), TOTAL));
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_gets_an_error_or_is_disconnected() {
    let ground = Ground::sqlite().await;
    let api = Serving::with(&ground.url(), |settings| settings.max_connections = 1).await;
    api.following().await;
    let mut listener = api.stream().await;
    for (text, field) in [
        ("{", Value::Null),
        (r#"{"op":"dance"}"#, json!("op")),
        (r#"{"op":"subscribe","channel":"user.metrics"}"#, json!("filter.address")),
        (r#"{"op":"unsubscribe","id":"none"}"#, json!("id")),
    ] {
        listener.send(text).await;
        let error = listener.next().await;
        assert_eq!((&error["type"], &error["field"]), (&json!("error"), &field), "{error}");
    }
    for number in 0..33 {
        listener.send(&format!(r#"{{"op":"subscribe","id":"{number}","channel":"chains"}}"#)).await;
        let answer = listener.next().await;
        let expected = if number < 32 { "snapshot" } else { "error" };
        assert_eq!(answer["type"], expected, "{number}: {answer}");
    }
    let second = tokio_tungstenite::connect_async(format!("ws://{}/v1/stream", api.addr)).await;
    assert!(second.unwrap_err().to_string().contains("503"), "one stream is all there may be");
    listener.send(&format!(r#"{{"op":"ping","id":"{}"}}"#, "x".repeat(17_000))).await;
    assert_eq!(listener.next_if_any().await, None, "a message too large ends the stream");
}

/// The client resumes on another instance that follows the same log; the first one is gone.
#[tokio::test]
async fn a_client_that_resumes_on_another_instance_gets_what_it_missed() {
    let ground = Ground::sqlite().await;
    ground.folded(partition(), 0).await;
    let log = Log::open(&Target::Memory).await.unwrap();
    let api = Serving::over(log.clone(), &ground.url(), |_| {}).await;
    api.publish(&[applied(1)]).await;
    api.following().await;
    let mut listener = api.stream().await;
    listener.send(r#"{"op":"subscribe","channel":"trades"}"#).await;
    assert_eq!(heights(&listener.next().await), [1]);
    api.publish(&[applied(2)]).await;
    let last = listener.next().await;
    assert_eq!(height(&last["data"]), 2);
    drop(api);

    let api = Serving::over(log, &ground.url(), |_| {}).await;
    api.publish(&[applied(3), reverted(2)]).await;
    api.following().await;
    let mut listener = api.stream().await;
    let resume = |at: &Value| json!({"op": "subscribe", "channel": "trades", "resume": at}).to_string();
    listener.send(&resume(&last["at"])).await;
    let answer = listener.next().await;
    assert_eq!((&answer["type"], &answer["id"]), (&json!("resumed"), &json!("trades")));
    assert_eq!(change(&mut listener).await, ("apply".into(), 3));
    assert_eq!(change(&mut listener).await, ("revert".into(), 2));
    api.publish(&[applied(4)]).await;
    assert_eq!(change(&mut listener).await, ("apply".into(), 4), "and goes on");
    listener.expect_nothing().await;
}

#[tokio::test]
async fn a_client_that_resumes_too_late_gets_a_new_snapshot() {
    let ground = Ground::sqlite().await;
    ground.trades(&[applied(1)]).await;
    ground.folded(partition(), 1).await;
    let log = Log::open(&Target::Memory).await.unwrap();
    let api = Serving::over(log, &ground.url(), |_| {}).await;
    api.publish(&[applied(1)]).await;
    api.following().await;
    let mut listener = api.stream().await;
    listener.send(r#"{"op":"subscribe","channel":"trades"}"#).await;
    let at = listener.next().await["at"].clone();
    // More than may be kept of one partition, so that what came first is forgotten.
    let many: Vec<Event> = (0..5_000).map(|n| if n % 2 == 0 { applied(2) } else { reverted(2) }).collect();
    api.publish(&many).await;
    let read = async {
        while !api.request(Method::GET, "/metrics", &[]).await.text().await.unwrap().contains("deliveries_total 5000") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(EVENT_TIMEOUT, read).await.unwrap();
    ground.folded(partition(), 5_001).await;
    let mut late = api.stream().await;
    let message = json!({"op": "subscribe", "id": "back", "channel": "trades", "resume": at}).to_string();
    late.send(&message).await;
    let reset = late.next().await;
    assert_eq!((&reset["type"], &reset["id"]), (&json!("reset"), &json!("back")));
    assert_eq!(late.next().await["type"], "snapshot");
    late.send(r#"{"op":"subscribe","channel":"trades","resume":"nonsense"}"#).await;
    let refused = late.next().await;
    assert_eq!((&refused["type"], &refused["field"]), (&json!("error"), &json!("resume")));
}
