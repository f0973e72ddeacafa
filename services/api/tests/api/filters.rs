//! Subscriptions with filters, and the changes that name the subscriptions they belong to.

use crate::ground::{Ground, event, folded_row, trade};
use crate::serving::{Listener, Serving};
use serde_json::{Value, json};
use tape::{Event, Status, Usd};
use tape_log::topics;
use wire::v1::metrics::{AsOf, MetricsUpdated, Totals};

/// A trade of some dollars on a platform, of a trader whose trades are in order.
fn worth(height: u64, dollars: i128, platform: Option<&str>) -> Event {
    let mut trade = trade("mock", height, 0, "0xa");
    trade.valuation.as_mut().unwrap().notional = Usd(dollars * Usd::ONE.0);
    trade.platform = platform.map(str::to_owned);
    event(Status::Observed, trade)
}

async fn subscribe(listener: &mut Listener, id: &str, filter: Value) -> Value {
    listener.send(&json!({"op": "subscribe", "id": id, "channel": "trades", "filter": filter}).to_string()).await;
    let snapshot = listener.next().await;
    assert_eq!((&snapshot["type"], &snapshot["id"]), (&json!("snapshot"), &json!(id)), "{snapshot}");
    snapshot["data"]["items"].as_array().unwrap().iter().map(|trade| trade["block"]["height"].clone()).collect()
}

/// Type, height and subscriptions of a change.
async fn change(listener: &mut Listener) -> Value {
    let message = listener.next().await;
    json!([message["type"], message["data"]["block"]["height"], message["ids"]])
}

#[tokio::test]
async fn each_change_names_the_subscriptions_whose_filters_it_passes() {
    for ground in Ground::all().await {
        // Metrics holds the second for implausible: it stores no worth of it. The third it has not folded yet.
        let (shop, absurd, late) = (worth(1, 50, Some("shop")), worth(2, 2_000_000_000, None), worth(3, 60, None));
        ground.trades(&[shop.clone(), absurd.clone()]).await;
        let rules = [
            "INSERT INTO method (name) VALUES ('average')".to_owned(),
            "UPDATE trades SET notional_usd = NULL, implausible_usd = '2000000000' WHERE height = 2".to_owned(),
            folded_row(topics::TRADES.partition_of(b"mock/0xa").index, 2),
        ];
        ground.write("metrics", &rules).await;
        let api = Serving::on(&ground).await;
        api.publish(&[shop, absurd, late]).await;
        api.following().await;
        let mut probe = api.stream().await;
        let known = subscribe(&mut probe, "probe", json!({})).await;
        if known[0] != 3 {
            while change(&mut probe).await[1] != 3 {}
        }
        let mut listener = api.stream().await;
        // The api has read all three: a snapshot holds what metrics has folded and what was read since.
        assert_eq!(subscribe(&mut listener, "all", json!({})).await, json!([3, 2, 1]));
        assert_eq!(subscribe(&mut listener, "large", json!({"minUsd": "50"})).await, json!([3, 1]));
        assert_eq!(subscribe(&mut listener, "shop", json!({"platform": "shop"})).await, json!([1]));
        assert_eq!(subscribe(&mut listener, "asset", json!({"asset": "0xNone"})).await, json!([]));
        assert_eq!(subscribe(&mut listener, "pool", json!({"pool": "0xother", "kind": "swap"})).await, json!([]));
        let mut elsewhere = worth(7, 1, None);
        elsewhere.trade.legs[0].pool = "0xother".into();
        let mut gone = worth(4, 70, Some("shop"));
        gone.status = Status::Reverted;
        api.publish(&[worth(4, 70, Some("shop")), worth(5, 1_000_000_001, None), worth(6, 49, None), elsewhere]).await;
        api.publish(&[gone]).await;
        for expected in [
            json!(["apply", 4, ["all", "large", "shop"]]),
            json!(["apply", 5, ["all"]]),
            json!(["apply", 6, ["all"]]),
            json!(["apply", 7, ["all", "pool"]]),
            json!(["revert", 4, ["all", "large", "shop"]]),
        ] {
            assert_eq!(change(&mut listener).await, expected);
        }
        listener.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_filter_holds_for_a_client_that_resumes() {
    let ground = Ground::sqlite().await;
    ground.write("metrics", &["INSERT INTO method (name) VALUES ('average')".to_owned()]).await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let ask =
        json!({"op": "subscribe", "id": "large", "channel": "trades", "filter": {"minUsd": "50", "platform": "shop"}});
    let mut first = api.stream().await;
    first.send(&ask.to_string()).await;
    let at = first.next().await["at"].clone();
    drop(first);
    let shop = |height, dollars| worth(height, dollars, Some("shop"));
    api.publish(&[shop(1, 49), shop(2, 50), shop(3, 2_000_000_000), worth(4, 80, None), shop(5, 90)]).await;
    let mut back = api.stream().await;
    let mut again = ask;
    again["resume"] = at;
    back.send(&again.to_string()).await;
    assert_eq!(back.next().await["type"], "resumed");
    assert_eq!(change(&mut back).await, json!(["apply", 2, ["large"]]));
    assert_eq!(change(&mut back).await, json!(["apply", 5, ["large"]]));
    back.expect_nothing().await;
}

#[tokio::test]
async fn a_state_names_every_subscription_of_its_user() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let mut listener = api.stream().await;
    for (id, filter) in [
        ("mine", json!({"address": "0xA"})),
        ("a \"quoted\" id", json!({"address": "0xa", "chain": "mock"})),
        ("elsewhere", json!({"address": "0xa", "chain": "other"})),
    ] {
        listener
            .send(&json!({"op": "subscribe", "id": id, "channel": "user.metrics", "filter": filter}).to_string())
            .await;
        assert_eq!(listener.next().await["type"], "snapshot");
    }
    let state = MetricsUpdated {
        chain: "mock".into(),
        trader: "0xa".into(),
        as_of: AsOf { partition: 0, offset: 1 },
        totals: Totals::default(),
        positions: vec![],
    };
    api.publish_record(&topics::METRICS_UPDATED, "mock/0xa", wire::v1::metrics::encode(&state)).await;
    let update = listener.next().await;
    assert_eq!((&update["type"], &update["ids"]), (&json!("update"), &json!(["mine", "a \"quoted\" id"])));
}
