//! The chains as clients see them: from progress, with what keeps a chain from its head.

use crate::ground::Ground;
use crate::serving::{EVENT_TIMEOUT, Serving};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tape_log::topics;
use wire::v1::progress::{ChainProgressed, State};

#[tokio::test]
async fn chains_are_served_from_progress() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let progress = ChainProgressed { at: environment::now_ms(), ..crate::stream::progress(7) };
    let chains = chains_after(&api, &progress).await;
    let chain = &chains["items"][0];
    assert_eq!(
        (&chain["chain"], &chain["state"], &chain["plugin"]["version"]),
        (&json!("mock"), &json!("live"), &json!("1.2.3"))
    );
    assert!(chain.get("providers").is_none(), "what providers call a chain is no one's business");
}

/// Publishes progress of a chain; returns `/v1/chains` once it is in there.
async fn chains_after(api: &Serving, progress: &ChainProgressed) -> Value {
    api.publish_record(&topics::PROGRESS, &progress.chain, wire::v1::progress::encode(progress)).await;
    let seen = async {
        loop {
            let chains = api.get("/v1/chains").await;
            if chains["items"][0]["lagBlocks"] == progress.lag_blocks {
                return chains;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(EVENT_TIMEOUT, seen).await.unwrap()
}

/// A chain that waits, is parked or was not heard of for long says so, with reason, time and endpoint; a chain that was
/// never followed too.
#[tokio::test]
async fn a_chain_that_is_not_followed_says_why_and_since_when() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.following().await;
    let now = environment::now_ms();
    let fresh = |lag| ChainProgressed { at: now, since: now - 9_000, ..crate::stream::progress(lag) };
    let reason = Some("endpoint 0: connection refused".to_owned());
    let waiting = ChainProgressed {
        waiting: true,
        reason: reason.clone(),
        endpoint: Some("node.test:8545".to_owned()),
        network: String::new(),
        published: None,
        latest: None,
        finalized: None,
        ..fresh(1)
    };
    let parked = ChainProgressed { state: State::Parked, reason: reason.clone(), at: 5, ..fresh(3) };
    let silent = ChainProgressed { at: now - 40_000, reason, waiting: true, ..fresh(2) };
    for (progress, state, since) in
        [(waiting, "waiting", now - 9_000), (silent, "stale", now - 40_000), (parked, "parked", now - 9_000)]
    {
        let chain = &chains_after(&api, &progress).await["items"][0];
        assert_eq!((&chain["state"], &chain["since"]), (&json!(state), &json!(since)), "{chain}");
        assert!(chain["reason"].as_str().unwrap().ends_with("endpoint 0: connection refused"), "{chain}");
        let ready = api.get("/ready").await;
        let brief = json!({
            "chain": "mock", "state": state, "since": since, "reason": chain["reason"], "endpoint": chain["endpoint"],
        });
        assert_eq!(without_nulls(&brief), ready["chains"][0]);
        let measured = api.request(Method::GET, "/metrics", &[]).await.text().await.unwrap();
        assert!(
            measured.contains(&format!("chaintape_chain_state{{chain=\"mock\",state=\"{state}\"}} 1")),
            "{measured}"
        );
    }
}

fn without_nulls(value: &Value) -> Value {
    let fields = value.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
}
