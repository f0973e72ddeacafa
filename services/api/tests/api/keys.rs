//! API keys: who sends one is counted by it and not by an address, and a file that changes is in force within seconds.

use crate::ground::Ground;
use crate::serving::Serving;
use api::KeyFile;
use reqwest::Method;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const KEY: &str = "c7b9f0a1d2e3f4a5b6c7d8e9f0a1b2c3";
/// Longest wait for a file that changed to be in force.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(20);

fn entry(key: &str, quota: &str) -> String {
    format!("[[key]]\nname = \"acme\"\nsha256 = \"{}\"\n{quota}\n", hex::encode(Sha256::digest(key)))
}

async fn status(api: &Serving, headers: &[(&str, &str)]) -> (u16, String) {
    let response = api.request(Method::GET, "/v1/chains", headers).await;
    let status = response.status().as_u16();
    let kind = response.json::<serde_json::Value>().await.unwrap()["type"].as_str().unwrap_or_default().to_owned();
    (status, kind.rsplit(':').next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_key_has_its_own_quota_and_can_be_withdrawn() {
    let ground = Ground::sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    std::fs::write(&path, entry(KEY, "per_day = 5\nstreams = 1")).unwrap();
    let api = Serving::with(&ground.url(), |settings| {
        Serving::rated(1, 2)(settings);
        settings.keys = Some(KeyFile::read(&path).unwrap());
    })
    .await;
    let key = [("x-api-key", KEY)];
    for _ in 0..5 {
        assert_eq!(status(&api, &key).await, (200, String::new()));
    }
    assert_eq!(status(&api, &key).await, (429, "quota-used-up".to_owned()));
    let response = api.request(Method::GET, "/v1/chains", &key).await;
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    let wrong = [("authorization", "Bearer c7b9f0a1d2e3f4a5b6c7d8e9f0a1b2c4")];
    let guesses = [status(&api, &wrong).await, status(&api, &wrong).await, status(&api, &wrong).await];
    assert_eq!(guesses.map(|(status, _)| status), [401, 401, 429], "guesses are counted by address");

    std::fs::write(&path, entry(KEY, "per_day = 100000")).unwrap();
    let begun = Instant::now();
    while status(&api, &key).await.0 != 200 {
        assert!(begun.elapsed() < RELOAD_TIMEOUT, "the larger quota is not in force");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::fs::write(&path, "").unwrap();
    while status(&api, &key).await.0 == 200 {
        assert!(begun.elapsed() < 2 * RELOAD_TIMEOUT, "the key is not withdrawn");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_streams_of_a_key_are_its_own() {
    let ground = Ground::sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    std::fs::write(&path, entry(KEY, "streams = 1")).unwrap();
    let api = Serving::with(&ground.url(), |settings| settings.keys = Some(KeyFile::read(&path).unwrap())).await;
    let open = async || {
        let mut request = format!("ws://{}/v1/stream", api.addr).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
        tokio_tungstenite::connect_async(request).await
    };
    let first = open().await.unwrap();
    assert!(open().await.is_err(), "a second stream of this key");
    let _stranger = api.stream().await;
    drop(first);
    let begun = Instant::now();
    while open().await.is_err() {
        assert!(begun.elapsed() < RELOAD_TIMEOUT, "a closed stream keeps its permit");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
