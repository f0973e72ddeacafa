//! Boards, the rules of the book, and what lowers coverage, as clients see them.

use crate::ground::{Ground, drift_row, hour_row, leader_row, position_row, totals_row, traded_position};
use crate::rest::problem;
use crate::serving::Serving;
use reqwest::Method;
use serde_json::{Value, json};

/// Buy 10 for $10, send them away without a trade, buy 10 for $20, sell 10 for $20: the wallet is empty, and which 10 were
/// sold is not known.
#[tokio::test]
async fn what_the_wallet_no_longer_holds_lowers_coverage() {
    for ground in Ground::all().await {
        let now = environment::now_ms() / 3_600_000;
        let totals = |chain: &str, trader: &str| {
            totals_row(chain, trader, "50", 3).replace("'6', '2', 0, 0, 0", "'20', '0', 0, 0, 0")
        };
        let rows = [
            totals("mock", "0xa"),
            totals("other", "0xa"),
            totals("mock", "0xb"),
            position_row("mock", "0xa", "0xcat", "10"),
            traded_position("mock", "0xa", "0xcat", "20", "20"),
            position_row("other", "0xa", "0xcat", "10"),
            traded_position("other", "0xa", "0xcat", "20", "20"),
            hour_row("mock", "0xa", now, "10", "1"),
            hour_row("other", "0xa", now, "10", "1"),
            leader_row("24h", 1, "0xa", "9", ["6", "2", "0"]),
            leader_row("24h", 2, "0xb", "8", ["6", "2", "0"]),
            leader_row("24h", 3, "0xc", "7", ["0", "0", "0"]),
            leader_row("24h", 4, "0xd", "6", ["0", "0", "5"]),
        ];
        ground.write("metrics", &rows).await;
        let drifts = [
            drift_row("mock", "0xa", "0xcat", 0, 10),
            drift_row("other", "0xa", "0xcat", 15, 10),
            drift_row("mock", "0xb", "0xother", 0, 10),
        ];
        ground.write("portfolio", &drifts).await;
        let api = Serving::on(&ground).await;
        let positions = api.get("/v1/users/0xa/positions").await;
        let elsewhere: Vec<&Value> =
            positions["items"].as_array().unwrap().iter().map(|one| &one["heldElsewhere"]).collect();
        assert_eq!(elsewhere, [&json!("10"), &Value::Null], "more than the trades say is no sign of leaving");
        let metrics = api.get("/v1/users/0xa/metrics").await;
        let shown = |one: &Value| [one["proceedsInDoubtUsd"].clone(), one["coverage"].clone()];
        assert_eq!(shown(&metrics["chains"][0]), [json!("20"), json!("0")]);
        assert_eq!(shown(&metrics["chains"][1]), [json!("0"), json!("1")]);
        assert_eq!(shown(&metrics["total"]), [json!("20"), json!("0.5")]);
        let window = api.get("/v1/users/0xa/metrics?window=24h").await;
        assert_eq!(shown(&window["chains"][0]), [json!("3"), json!("0")], "as much of it as of all time");
        assert_eq!(shown(&window["chains"][1]), [json!("0"), json!("0.75")]);
        let curve = api.get("/v1/users/0xa/history?window=24h").await;
        assert_eq!(shown(&curve["items"][0]), [json!("3"), json!("0.375")]);
        let board = async |query: &str| -> Vec<(u64, Value)> {
            let page = api.get(&format!("/v1/leaderboard?window=24h{query}")).await;
            assert_eq!(page["builtAt"], 77);
            let items = page["items"].as_array().unwrap().iter();
            items.map(|one| (one["rank"].as_u64().unwrap(), one["coverage"].clone())).collect()
        };
        let all = [(1, json!("0.375")), (2, json!("0.75")), (3, Value::Null), (4, json!("0"))];
        assert_eq!(board("").await, all);
        assert_eq!(board("&minCoverage=0.5").await, [all[1].clone(), all[2].clone()]);
        assert_eq!(board("&minCoverage=0.375001&limit=1").await, [all[1].clone()]);
        assert_eq!(board("&minCoverage=1").await, [all[2].clone()]);
        for wrong in ["2", "-1", "0.5x", ".5", "1.000001", "0.", "0.1234567", ""] {
            let path = format!("/v1/leaderboard?minCoverage={wrong}");
            problem(api.request(Method::GET, &path, &[]).await, 400, "bad-parameter").await;
        }
    }
}

#[tokio::test]
async fn an_amount_that_is_too_large_is_cut_and_said() {
    for ground in Ground::all().await {
        let (huge, now) = ("9".repeat(60), environment::now_ms() / 3_600_000);
        let rows = [
            totals_row("mock", "0xa", &huge, 3),
            totals_row("other", "0xa", "1", 1),
            hour_row("mock", "0xa", now, "1", &format!("-{huge}")),
            hour_row("other", "0xa", now, &huge, "1"),
            leader_row("24h", 1, "0xa", &huge, ["6", "2", "0"]),
            position_row("mock", "0xa", "0xcat", "10").replace("20.5", &huge),
            format!("INSERT INTO fees VALUES ('0xa', 'mock', '', 1, 0, 2, '{huge}')"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let largest = "170141183460469231731.687303715884105727";
        let metrics = api.get("/v1/users/0xa/metrics").await;
        assert_eq!((&metrics["total"]["volumeUsd"], &metrics["total"]["saturated"]), (&json!(largest), &json!(true)));
        assert_eq!(metrics["chains"][1]["saturated"], Value::Null, "only where it is so");
        let window = api.get("/v1/users/0xa/metrics?window=24h").await;
        assert_eq!(window["chains"][0]["realizedPnlUsd"], format!("-{largest}"));
        assert_eq!(window["total"]["saturated"], true);
        let board = api.get("/v1/leaderboard?window=24h").await;
        assert_eq!((&board["items"][0]["volumeUsd"], &board["items"][0]["saturated"]), (&json!(largest), &json!(true)));
        assert_eq!(api.get("/v1/users/0xa/positions").await["items"][0]["basisUsd"], largest);
        assert_eq!(api.get("/v1/users/0xa/fees").await["items"][0]["feesUsd"], largest);
        assert_eq!(api.get("/v1/users/0xa/history").await["items"][0]["saturated"], true);
    }
}

#[tokio::test]
async fn the_rules_of_the_book_are_served() {
    for ground in Ground::all().await {
        let api = Serving::on(&ground).await;
        problem(api.request(Method::GET, "/v1/book", &[]).await, 404, "no-book").await;
        ground.write("metrics", &["INSERT INTO method (name) VALUES ('fifo')".to_owned()]).await;
        assert_eq!(
            api.get("/v1/book").await,
            json!({"method": "fifo", "quote": "dollars-and-native", "natives": [], "maxNotionalUsd": "1000000000"})
        );
        ground.write("metrics", &["UPDATE method SET natives = 'base=0x42,solana=So1'".to_owned()]).await;
        let natives = json!([{"chain": "base", "asset": "0x42"}, {"chain": "solana", "asset": "So1"}]);
        let book = api.get("/v1/book").await;
        assert_eq!((&book["quote"], &book["natives"]), (&json!("dollars"), &natives));
    }
}

#[tokio::test]
async fn leaders_are_served_by_rank() {
    for ground in Ground::all().await {
        let row = |rank, trader: &str, volume: &str| leader_row("24h", rank, trader, volume, ["3", "1", "0"]);
        ground.write("metrics", &[row(1, "0xa", "9"), row(2, "0xb", "8"), row(3, "0xc", "7")]).await;
        let api = Serving::on(&ground).await;
        let page = api.get("/v1/leaderboard?window=24h&limit=2").await;
        assert_eq!((&page["by"], &page["builtAt"]), (&json!("volume"), &json!(77)));
        let first = json!({"rank": 1, "address": "0xa", "volumeUsd": "9", "netVolumeUsd": "2.5", "washUsd": "4", "counterparties": 7, "swaps": 3, "feesUsd": "0.5", "realizedPnlUsd": "-1", "coverage": "0.75", "implausible": 0, "implausibleUsd": "0"});
        assert_eq!(page["items"][0], first);
        let next = page["next"].as_str().unwrap();
        let rest = api.get(&format!("/v1/leaderboard?window=24h&cursor={next}")).await;
        assert_eq!((&rest["items"][0]["address"], &rest["next"]), (&json!("0xc"), &Value::Null));
        for by in ["netVolume", "pnl", "fees"] {
            let board = api.get(&format!("/v1/leaderboard?by={by}")).await;
            assert_eq!((&board["by"], &board["items"]), (&json!(by), &json!([])));
        }
    }
}
