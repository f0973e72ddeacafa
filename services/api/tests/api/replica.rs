//! Answers from a replica: they say how far it is behind, and streams begin with what the first database has.

use crate::ground::{Ground, event, trade};
use crate::serving::{EVENT_TIMEOUT, Serving};
use environment::{Secret, now_ms};
use reqwest::Method;
use std::time::Duration;
use tape::{Event, Status};
use tape_log::topics;

/// Longer than it takes a replica that does not lag to be seen as such.
const LAG_SEEN_MS: u64 = 10_000;

fn applied(height: u64) -> Event {
    event(Status::Observed, trade("mock", height, 0, "0xalice"))
}

/// What an answer says it is as of, and how many trades are in it.
async fn answer(api: &Serving) -> (Option<u64>, usize) {
    let response = api.request(Method::GET, "/v1/trades", &[]).await;
    let as_of = response.headers().get("chaintape-as-of").unwrap().to_str().unwrap().to_owned();
    let body: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    // Either a time, or what is not known.
    assert!(as_of == "unknown" || as_of.parse::<u64>().is_ok(), "{as_of}");
    (as_of.parse().ok(), body["items"].as_array().unwrap().len())
}

/// Asks until an answer is as wanted.
async fn until(api: &Serving, is_wanted: impl Fn(Option<u64>) -> bool) -> (Option<u64>, usize) {
    let asked = async {
        loop {
            let (as_of, trades) = answer(api).await;
            if is_wanted(as_of) {
                return (as_of, trades);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(EVENT_TIMEOUT, asked).await.unwrap()
}

#[tokio::test]
async fn a_replica_that_lags_is_seen() {
    for (primary, replica) in Ground::all().await.into_iter().zip(Ground::all().await) {
        let partition = topics::TRADES.partition_of(applied(1).trade.key().as_bytes()).index;
        primary.trades(&[applied(1), applied(2)]).await;
        primary.folded(partition, 2).await;
        replica.trades(&[applied(1)]).await;
        replica.folded(partition, 1).await;
        let url = replica.url();
        let api = Serving::with(&primary.url(), |settings| settings.database_read = Some(Secret::new(url))).await;
        api.following().await;
        api.publish(&[applied(1)]).await;
        let published_first = now_ms();
        let (_, trades) = until(&api, |as_of| as_of.is_some_and(|as_of| as_of > published_first)).await;
        assert_eq!(trades, 1);

        let published_second = now_ms();
        api.publish(&[applied(2)]).await;
        let lags = |as_of: Option<u64>| as_of.is_some_and(|as_of| now_ms() - as_of > LAG_SEEN_MS);
        let (as_of, trades) = until(&api, lags).await;
        assert!(as_of.is_some_and(|as_of| as_of <= published_second), "{as_of:?}, {published_second}");
        assert_eq!(trades, 1, "REST reads the replica");
        let mut stream = api.stream().await;
        stream.send(r#"{"op":"subscribe","channel":"trades"}"#).await;
        let snapshot = stream.next().await;
        assert_eq!(snapshot["data"]["items"].as_array().unwrap().len(), 2, "{snapshot}");

        replica.trades(&[applied(2)]).await;
        replica.folded(partition, 2).await;
        let (_, trades) = until(&api, |as_of| as_of.is_some_and(|as_of| as_of > published_second)).await;
        assert_eq!(trades, 2, "it has caught up");
        // What is not read from the database does not say.
        let chains = api.request(Method::GET, "/v1/chains", &[]).await;
        assert!(!chains.headers().contains_key("chaintape-as-of"));
    }
}

#[tokio::test]
async fn either_database_that_cannot_be_reached_is_waited_for() {
    let ground = Ground::sqlite().await;
    let nowhere = "sqlite:/nowhere/at/all".to_owned();
    let databases =
        [(ground.url(), ground.url(), true), (ground.url(), nowhere.clone(), false), (nowhere, ground.url(), false)];
    for (primary, replica, answers) in databases {
        let api = Serving::with(&primary, |settings| settings.database_read = Some(Secret::new(&*replica))).await;
        let ready = api.request(Method::GET, "/ready", &[]).await;
        let status = ready.status();
        let ready: serde_json::Value = serde_json::from_str(&ready.text().await.unwrap()).unwrap();
        let waits = ready["waitingFor"].as_array().unwrap().contains(&"database".into());
        assert_eq!((waits, status == 503), (!answers, !answers), "{primary}, {replica}: {ready}");
    }
}
