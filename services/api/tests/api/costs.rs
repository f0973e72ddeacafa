//! What requests may cost: pages of filters that few trades pass, and requests that wait without keeping others waiting.

use crate::ground::Ground;
use crate::serving::Serving;
use reqwest::Method;
use serde_json::Value;
use sqlx::Executor;
use std::time::{Duration, Instant};

/// Writes many trades of which every `rare`th crosses the venue `rare`.
async fn many_trades(ground: &Ground, trades: u64, rare: u64) {
    let (series, venue, truth) = match ground {
        Ground::Postgres { .. } => (
            format!("FROM generate_series(0, {trades} - 1) i"),
            format!("CASE WHEN i % {rare} = 0 THEN ARRAY['rare'] ELSE ARRAY['usual'] END"),
            "true",
        ),
        Ground::Sqlite { .. } => (
            format!(
                "FROM (WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {trades} - 1) SELECT i FROM n)"
            ),
            format!("CASE WHEN i % {rare} = 0 THEN '[\"rare\"]' ELSE '[\"usual\"]' END"),
            "1",
        ),
    };
    let fill = format!(
        "INSERT INTO trades (block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status, cycle, \
         sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, venues, event) \
         SELECT 1700000000000 + (i / 7) * 1000, 'mock/' || i, 'mock', '0xa', i / 7, i % 7, 0, 'swap', 'live', {truth}, \
         '0xs', '1', {truth}, '0xb', '1', {truth}, {venue}, '{{\"i\":' || i || '}}' {series}"
    );
    ground.write("metrics", &[fill]).await;
}

#[tokio::test]
async fn a_filter_that_few_trades_pass_is_read_in_short_pages_to_the_end() {
    for ground in Ground::all().await {
        many_trades(&ground, 25_000, 12_000).await;
        let api = Serving::on(&ground).await;
        for (venue, expected) in [("rare", vec![24_000, 12_000, 0]), ("zzz", vec![])] {
            let (mut found, mut pages, mut cursor) = (vec![], 0, String::new());
            loop {
                let page = api.get(&format!("/v1/trades?venue={venue}{cursor}")).await;
                found.extend(page["items"].as_array().unwrap().iter().map(|trade| trade["i"].as_u64().unwrap()));
                pages += 1;
                let Some(next) = page["next"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!((found, pages), (expected, 3), "{venue}: 25,000 rows in walks of 10,000");
        }
        let page = api.get("/v1/trades?limit=2").await;
        assert_eq!(page["items"].as_array().unwrap().len(), 2);
        assert!(page["next"].is_string());
    }
}

#[tokio::test]
async fn requests_that_wait_keep_neither_cheap_ones_nor_readiness_waiting() {
    for ground in Ground::all().await {
        let Ground::Postgres { pool, .. } = &ground else { continue };
        let api = Serving::on(&ground).await;
        // Nobody can read trades, as if each reading took very long.
        let mut lock = pool.begin().await.unwrap();
        lock.execute("LOCK TABLE metrics.trades IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let waiting = (0..12).map(|_| api.request(Method::GET, "/v1/trades?venue=zzz", &[]));
        let waiting = futures_util::future::join_all(waiting);
        let others = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            for path in ["/v1/leaderboard", "/ready", "/v1/users/0xa/positions", "/ready"] {
                let begun = Instant::now();
                api.get(path).await;
                assert!(begun.elapsed() < Duration::from_secs(2), "{path} took {:?}", begun.elapsed());
            }
        };
        let (answers, ()) = tokio::join!(waiting, others);
        lock.rollback().await.unwrap();
        let mut kinds = std::collections::BTreeSet::new();
        for answer in answers {
            assert_eq!(answer.status(), 503);
            assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            kinds.insert(problem["type"].as_str().unwrap().replace("urn:chaintape:problem:", ""));
        }
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["busy", "too-slow"]);
        assert_eq!(api.get("/v1/trades?venue=zzz").await["items"], serde_json::json!([]));
    }
}
