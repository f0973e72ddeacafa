//! One user with several addresses: the sums over them are the sums of the answers for each.

use crate::ground::{Ground, drift_row, hour_row, position_row, totals_row, traded_position, wallet_rows};
use crate::rest::problem;
use crate::serving::Serving;
use reqwest::Method;
use serde_json::{Value, json};
use tape::Usd;

/// Adds up the decimals of two answers, name by name.
fn sum(a: &Value, b: &Value, names: &[&str]) -> Value {
    let usd = |value: &Value, name: &str| Usd::parse(value[name].as_str().unwrap()).unwrap().0;
    names.iter().map(|name| ((*name).to_owned(), json!(Usd(usd(a, name) + usd(b, name)).to_string()))).collect()
}

fn picked(value: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), value[*name].clone())).collect()
}

async fn serving(ground: &Ground) -> Serving {
    let hour = environment::now_ms() / 3_600_000;
    let mut rows = vec![
        totals_row("mock", "0xa", "10", 3),
        totals_row("mock", "0xb", "20.5", 4),
        totals_row("other", "0xb", "0.25", 5),
        totals_row("mock", "0xc", "1000", 9),
        hour_row("mock", "0xa", hour, "7", "2"),
        hour_row("mock", "0xb", hour, "8", "-3"),
        hour_row("other", "0xb", hour - 1, "9", "5"),
        hour_row("mock", "0xc", hour, "1000", "1"),
        position_row("mock", "0xa", "0xcat", "10"),
        position_row("mock", "0xb", "0xcat", "5"),
        traded_position("mock", "0xb", "0xcat", "20", "6"),
    ];
    for (trader, chain, volume) in [("0xa", "mock", "1.5"), ("0xb", "mock", "2"), ("0xb", "other", "4")] {
        rows.push(format!(
            "INSERT INTO platform_hours VALUES ('{trader}', '{chain}', {hour}, 'shop', '', 2, 1, '{volume}', '0.1')"
        ));
    }
    ground.write("metrics", &rows).await;
    // Of what `0xb` bought, a part has left its wallet: some of its sales are in doubt.
    let mut wallets = wallet_rows("mock", "0xa", &[("0xcat", "10")], 42);
    wallets.push(drift_row("mock", "0xb", "0xcat", 1, 5));
    ground.write("portfolio", &wallets).await;
    Serving::on(ground).await
}

#[tokio::test]
async fn sums_over_addresses_are_the_sums_of_their_answers() {
    for ground in Ground::all().await {
        let api = serving(&ground).await;
        let money = ["volumeUsd", "feesUsd", "realizedPnlUsd", "proceedsUsd", "proceedsInDoubtUsd"];
        for window in ["all", "24h", "30d"] {
            let of = async |addresses: &str| api.get(&format!("/v1/users/{addresses}/metrics?window={window}")).await;
            let (a, b, both) = (of("0xa").await, of("0xb").await, of("0xB,0xa,0xb").await);
            assert_eq!(both["address"], "0xb,0xa", "one that is named twice counts once");
            assert_eq!(picked(&both["total"], &money), sum(&a["total"], &b["total"], &money), "{window}");
            assert_ne!(b["total"]["proceedsInDoubtUsd"], "0", "it is told of that wallet alone");
            assert_eq!(picked(&both["chains"][0], &money), sum(&a["chains"][0], &b["chains"][0], &money));
            assert_eq!(both["chains"][1], b["chains"][1], "only one of them is there");
            let of = async |addresses: &str| api.get(&format!("/v1/users/{addresses}/history?window={window}")).await;
            let (both, a, b) = (of("0xa,0xb").await, of("0xa").await, of("0xb").await);
            let volume = |history: &Value| -> i128 {
                let items = history["items"].as_array().unwrap().iter();
                items.map(|item| Usd::parse(item["volumeUsd"].as_str().unwrap()).unwrap().0).sum()
            };
            assert_eq!(volume(&both), volume(&a) + volume(&b));
            assert_eq!(volume(&both), 24 * Usd::ONE.0);
        }
        let of = async |addresses: &str| api.get(&format!("/v1/users/{addresses}/worth")).await;
        let (a, b, both) = (of("0xa").await, of("0xb").await, of("0xa,0xb").await);
        let money = ["valueUsd", "realizedPnlUsd", "pnlUsd", "pnlNetUsd", "unpricedBasisUsd"];
        assert_eq!(picked(&both["total"], &money), sum(&a["total"], &b["total"], &money));
        assert_eq!((&both["total"]["unpriced"], &both["truncated"]), (&json!(2), &json!(false)));
        assert_eq!(both["chains"].as_array().unwrap().len(), 2);
        let shop = api.get("/v1/users/0xa,0xb/platforms?platform=shop").await;
        let volumes: Vec<&Value> = shop["items"].as_array().unwrap().iter().map(|item| &item["volumeUsd"]).collect();
        assert_eq!(volumes, ["3.5", "4"], "by chain");
        let of_chain = api.get("/v1/users/0xa,0xb/metrics?chain=other").await;
        assert_eq!(of_chain["total"]["volumeUsd"], "0.25");
    }
}

#[tokio::test]
async fn too_many_addresses_and_several_where_one_is_told_of_are_sentences() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    let addresses = |count: usize| (0..count).map(|number| format!("0x{number}")).collect::<Vec<_>>().join(",");
    api.get(&format!("/v1/users/{}/metrics", addresses(20))).await;
    let sums = "sums (metrics, history, worth, worth/history, platforms)";
    for (path, said) in [
        (format!("/v1/users/{}/worth", addresses(21)), format!("names 21 addresses; {sums} are of 20 at most")),
        (
            "/v1/users/0xa,0xb/positions".to_owned(),
            format!("names 2 addresses; this is told of one, and {sums} of several"),
        ),
        ("/v1/users/0xa,/metrics".to_owned(), "must not be empty".to_owned()),
    ] {
        let refused = problem(api.request(Method::GET, &path, &[]).await, 400, "bad-parameter").await;
        assert_eq!(refused["field"], "address", "{path}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(&said), "{path}: {detail}");
    }
}

#[tokio::test]
async fn figures_that_belong_to_no_platform_say_where_those_of_one_are() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    for (path, there) in [
        ("/v1/leaderboard?platform=shop", "/v1/platforms/shop/leaderboard"),
        ("/v1/users/0xA/metrics?platform=shop", "/v1/users/0xa/platforms?platform=shop"),
    ] {
        let refused = problem(api.request(Method::GET, path, &[]).await, 400, "bad-parameter").await;
        let said = format!("cannot narrow these figures, some of which belong to no platform; ask {there}");
        assert_eq!((&refused["field"], &refused["detail"]), (&json!("platform"), &json!(format!("`platform` {said}"))));
        api.get(there).await;
    }
}

/// The statement that tells volumes by confidence of one row: exact, reported, estimated, traced.
fn volumes(table: &str, chain: &str, trader: &str, usd: [&str; 4]) -> String {
    let [exact, reported, estimated, traced] = usd;
    format!(
        "UPDATE {table} SET volume_exact_usd = '{exact}', volume_reported_usd = '{reported}', \
         volume_estimated_usd = '{estimated}', volume_traced_usd = '{traced}' WHERE chain = '{chain}' AND trader = '{trader}'"
    )
}

#[tokio::test]
async fn volume_is_told_by_confidence() {
    for ground in Ground::all().await {
        let api = serving(&ground).await;
        let rows = [
            volumes("user_totals", "mock", "0xa", ["4", "3", "2", "0.5"]),
            volumes("user_totals", "mock", "0xb", ["20.5", "0", "0", "0"]),
            volumes("user_hours", "mock", "0xa", ["1", "0", "6", "0"]),
        ];
        ground.write("metrics", &rows).await;
        let told = async |path: &str| api.get(path).await["total"]["volumeByConfidence"].clone();
        let expected = |[exact, reported, estimated, traced, unknown]: [&str; 5]| {
            json!({
                "exactUsd": exact, "reportedUsd": reported, "estimatedUsd": estimated, "tracedUsd": traced,
                "unknownUsd": unknown,
            })
        };
        assert_eq!(told("/v1/users/0xa/metrics").await, expected(["4", "3", "2", "0.5", "0.5"]));
        assert_eq!(told("/v1/users/0xa,0xb/metrics").await, expected(["24.5", "3", "2", "0.5", "0.75"]));
        assert_eq!(told("/v1/users/0xa/metrics?window=24h").await, expected(["1", "0", "6", "0", "0"]));
        let curve = api.get("/v1/users/0xa/history?window=24h").await;
        assert_eq!(curve["items"][0]["volumeByConfidence"], expected(["1", "0", "6", "0", "0"]));
    }
}
