//! A client that resumes states after its connection was lost.

use crate::ground::Ground;
use crate::serving::Serving;
use serde_json::json;
use tape_log::topics;
use wire::v1::metrics::{AsOf, MetricsUpdated, Totals};

#[tokio::test]
async fn states_are_resumed_too() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let mut listener = api.stream().await;
    let ask = json!({"op": "subscribe", "channel": "user.metrics", "filter": {"address": "0xa"}});
    listener.send(&ask.to_string()).await;
    let at = listener.next().await["at"].clone();
    drop(listener);
    let state = |trader: &str, offset| MetricsUpdated {
        chain: "mock".into(),
        trader: trader.into(),
        as_of: AsOf { partition: 0, offset },
        totals: Totals { swaps: offset, ..Totals::default() },
        positions: vec![],
    };
    for (trader, offset) in [("0xa", 1), ("0xb", 2), ("0xa", 3)] {
        api.publish_record(&topics::METRICS_UPDATED, "mock/0xa", wire::v1::metrics::encode(&state(trader, offset)))
            .await;
    }
    let mut back = api.stream().await;
    let mut ask = ask;
    ask["resume"] = at;
    back.send(&ask.to_string()).await;
    assert_eq!(back.next().await["type"], "resumed");
    let mut newest = 0;
    while newest < 3 {
        let update = back.next().await;
        assert_eq!((&update["type"], &update["data"]["trader"]), (&json!("update"), &json!("0xa")));
        newest = update["data"]["totals"]["swaps"].as_u64().unwrap();
    }
}
