//! Prices and candles on the stream: a state at the beginning, then what has changed in the database.

use crate::assets::{asset_row, candle_row};
use crate::ground::Ground;
use crate::serving::{Listener, Serving};
use serde_json::{Value, json};

/// The next update in which a field is so; earlier states may be repeated.
async fn update_with(listener: &mut Listener, pointer: &str, expected: &Value) -> Value {
    loop {
        let message = listener.next().await;
        assert_eq!(message["type"], "update", "{message}");
        if message["data"].pointer(pointer) == Some(expected) {
            return message;
        }
    }
}

#[tokio::test]
async fn a_price_is_told_when_it_changes() {
    for ground in Ground::all().await {
        let price =
            |usd: &str| format!("UPDATE assets SET price_usd = '{usd}' WHERE chain = 'mock' AND asset = '0xcat'");
        ground.write("metrics", &[asset_row("mock", "0xcat", "CAT", Some(1), Some(("20", "10", 5)))]).await;
        let api = Serving::on(&ground).await;
        api.following().await;
        let mut listener = api.stream().await;
        listener
            .send(r#"{"op":"subscribe","channel":"prices","id":"p","filter":{"chain":"mock","asset":"0xcat"}}"#)
            .await;
        let snapshot = listener.next().await;
        let expected = json!({
            "chain": "mock", "asset": "0xcat", "symbol": "CAT", "decimals": 1, "priceUsd": "20", "priceAt": 5,
            "priceSource": "tape", "volume24hUsd": "0",
        });
        assert_eq!((&snapshot["type"], &snapshot["data"]), (&json!("snapshot"), &expected));
        ground.write("metrics", &[price("25")]).await;
        let update = update_with(&mut listener, "/priceUsd", &json!("25")).await;
        assert_eq!((&update["channel"], &update["ids"]), (&json!("prices"), &json!(["p"])));
        // A second one is told the newest, and what comes reaches both; one that resumes begins anew.
        let mut other = api.stream().await;
        let at = update["at"].as_str().unwrap();
        let resumed = json!({
            "op": "subscribe", "channel": "prices", "filter": {"chain": "mock", "asset": "0xcat"}, "resume": at,
        });
        other.send(&resumed.to_string()).await;
        assert_eq!(other.next().await["type"], "reset");
        assert_eq!(other.next().await["data"]["priceUsd"], "25");
        ground.write("metrics", &[price("30")]).await;
        for listener in [&mut listener, &mut other] {
            update_with(listener, "/priceUsd", &json!("30")).await;
        }
        listener.send(r#"{"op":"unsubscribe","id":"p"}"#).await;
        while listener.next().await["type"] != "unsubscribed" {}
        ground.write("metrics", &[price("35")]).await;
        update_with(&mut other, "/priceUsd", &json!("35")).await;
        listener.expect_nothing().await;
        let mut stranger = api.stream().await;
        stranger.send(r#"{"op":"subscribe","channel":"prices","filter":{"chain":"mock","asset":"0xnone"}}"#).await;
        let none = stranger.next().await;
        assert_eq!(
            none["data"],
            json!({ "chain": "mock", "asset": "0xnone", "volume24hUsd": "0" }),
            "no price, no figure"
        );
    }
}

#[tokio::test]
async fn candles_are_told_one_by_one_when_they_change_or_are_gone() {
    for ground in Ground::all().await {
        let rows = [
            asset_row("mock", "0xcat", "CAT", Some(1), None),
            candle_row("0xcat", "1m", 118, Some(["1"; 4]), "5"),
            candle_row("0xcat", "1m", 119, Some(["2"; 4]), "5"),
            candle_row("0xcat", "1m", 120, Some(["3"; 4]), "5"),
            candle_row("0xcat", "1h", 120, Some(["9"; 4]), "5"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        api.following().await;
        let mut listener = api.stream().await;
        let filter = json!({"chain": "mock", "asset": "0xcat", "interval": "1m"});
        let request = json!({"op": "subscribe", "channel": "candles", "filter": filter, "limit": 2});
        listener.send(&request.to_string()).await;
        let snapshot = listener.next().await;
        let starts: Vec<&Value> = snapshot["data"]["items"].as_array().unwrap().iter().map(|one| &one["at"]).collect();
        assert_eq!(starts, [119 * 60_000, 120 * 60_000], "the newest, oldest first");
        assert_eq!(snapshot["data"]["interval"], "1m");
        let changed = "UPDATE candles SET close_usd = '4' WHERE asset = '0xcat' AND span = '1m' AND start_minute = 119";
        ground.write("metrics", &[changed.to_owned(), candle_row("0xcat", "1m", 121, Some(["7"; 4]), "6")]).await;
        let older = update_with(&mut listener, "/candle/closeUsd", &json!("4")).await;
        assert_eq!(older["data"]["candle"]["at"], 119 * 60_000);
        update_with(&mut listener, "/candle/at", &json!(121 * 60_000)).await;
        let gone = "DELETE FROM candles WHERE asset = '0xcat' AND span = '1m' AND start_minute = 121";
        ground.write("metrics", &[gone.to_owned()]).await;
        let gone = update_with(&mut listener, "/candle/trades", &json!(0)).await;
        assert_eq!(gone["data"]["candle"]["at"], 121 * 60_000);
        listener.expect_nothing().await;
    }
}
