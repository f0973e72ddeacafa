//! Platforms as clients see them: in all, by day, by asset, and of one user.

use crate::ground::Ground;
use crate::rest::problem;
use crate::serving::Serving;
use reqwest::Method;
use serde_json::{Value, json};

const DAY_MS: u64 = 86_400_000;

fn platform_row(platform: &str, users: u64, volume: &str) -> String {
    format!("INSERT INTO platforms VALUES ('{platform}', {users}, 7, 2, '{volume}', '0.5')")
}

fn day_row(platform: &str, day: u64, chain: &str, asset: &str, volume: &str) -> String {
    format!("INSERT INTO platform_days VALUES ('{platform}', {day}, '{chain}', '{asset}', 3, 5, 1, '{volume}', '0.25')")
}

fn hour_row(trader: &str, chain: &str, hour: u64, platform: &str, asset: &str, volume: &str) -> String {
    format!(
        "INSERT INTO platform_hours VALUES ('{trader}', '{chain}', {hour}, '{platform}', '{asset}', 2, 1, '{volume}', '0.1')"
    )
}

fn used(mut item: Value, swaps: u64, unvalued: u64, volume: &str, fees: &str) -> Value {
    for (name, value) in
        [("swaps", json!(swaps)), ("unvalued", json!(unvalued)), ("volumeUsd", json!(volume)), ("feesUsd", json!(fees))]
    {
        item[name] = value;
    }
    item
}

#[tokio::test]
async fn platforms_are_listed_by_name_and_shown_one_by_one() {
    for ground in Ground::all().await {
        ground.write("metrics", &[platform_row("shop", 4, "99.5"), platform_row("bar", 9, "1")]).await;
        let api = Serving::on(&ground).await;
        let [bar, shop] = [("bar", 9, "1"), ("shop", 4, "99.5")]
            .map(|(name, users, volume)| used(json!({"platform": name, "users": users}), 7, 2, volume, "0.5"));
        assert_eq!(api.get("/v1/platforms").await, json!({ "items": [bar, shop] }));
        let first = api.get("/v1/platforms?limit=1").await;
        assert_eq!(first["items"], json!([bar]));
        let next = first["next"].as_str().unwrap();
        assert_eq!(api.get(&format!("/v1/platforms?limit=1&cursor={next}")).await, json!({ "items": [shop] }));
        assert_eq!(api.get("/v1/platforms/shop").await, shop);
        let none = problem(api.request(Method::GET, "/v1/platforms/Shop", &[]).await, 404, "no-such-platform").await;
        assert_eq!(none["detail"], "no trade is of this platform; there are `bar`, `shop`");
        let wrong = api.request(Method::GET, "/v1/platforms?cursor=WzVd", &[]).await;
        assert_eq!(problem(wrong, 400, "bad-parameter").await["field"], "cursor");
    }
}

#[tokio::test]
async fn a_platform_has_days_and_their_assets() {
    for ground in Ground::all().await {
        let rows = [
            day_row("shop", 20_000, "mock", "", "10"),
            day_row("shop", 20_000, "other", "", "20"),
            day_row("shop", 19_999, "mock", "", "30"),
            day_row("bar", 20_001, "mock", "", "1000"),
            day_row("shop", 20_000, "mock", "b", "4"),
            day_row("shop", 20_000, "mock", "a", "5"),
            day_row("shop", 20_000, "other", "a", "6"),
            day_row("shop", 19_999, "mock", "a", "7"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let day = |day: u64, chain: &str, volume: &str| {
            used(json!({"at": day * DAY_MS, "chain": chain, "users": 3}), 5, 1, volume, "0.25")
        };
        let page = api.get("/v1/platforms/shop/days?limit=1").await;
        assert_eq!(page["items"], json!([day(20_000, "mock", "10"), day(20_000, "other", "20")]), "no day is cut");
        let next = page["next"].as_str().unwrap();
        let rest = api.get(&format!("/v1/platforms/shop/days?cursor={next}")).await;
        assert_eq!(rest, json!({"platform": "shop", "items": [day(19_999, "mock", "30")]}));
        let of_mock = api.get("/v1/platforms/shop/days?chain=mock").await;
        assert_eq!(of_mock["items"], json!([day(20_000, "mock", "10"), day(19_999, "mock", "30")]));
        let asset = |chain: &str, asset: &str, volume: &str| {
            used(json!({"chain": chain, "asset": asset, "users": 3}), 5, 1, volume, "0.25")
        };
        let path = format!("/v1/platforms/shop/assets?at={}", 20_000 * DAY_MS + 5);
        let all = json!([asset("mock", "a", "5"), asset("mock", "b", "4"), asset("other", "a", "6")]);
        let expected = json!({"platform": "shop", "at": 20_000 * DAY_MS, "items": all});
        assert_eq!(api.get(&path).await, expected);
        let first = api.get(&format!("{path}&limit=2")).await;
        let rest = api.get(&format!("{path}&limit=2&cursor={}", first["next"].as_str().unwrap())).await;
        assert_eq!(rest["items"], json!([asset("other", "a", "6")]));
        assert_eq!(api.get(&format!("{path}&chain=other")).await["items"], json!([asset("other", "a", "6")]));
        assert_eq!(api.get("/v1/platforms/shop/assets").await["items"], json!([]), "nothing today");
    }
}

#[tokio::test]
async fn a_user_is_shown_by_platform() {
    for ground in Ground::all().await {
        let now = environment::now_ms() / 3_600_000;
        let rows = [
            hour_row("0xa", "mock", now, "shop", "", "1.5"),
            hour_row("0xa", "mock", now, "shop", "a", "1.5"),
            hour_row("0xa", "mock", now - 1, "shop", "", "2"),
            hour_row("0xa", "other", now - 30, "shop", "", "4"),
            hour_row("0xa", "mock", now - 2, "bar", "", "8"),
            hour_row("0xb", "mock", now, "shop", "", "1000"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let item = |platform: &str, chain: &str, hours: u64, volume: &str, fees: &str| {
            used(json!({"platform": platform, "chain": chain}), 2 * hours, hours, volume, fees)
        };
        let (bar, shop) = (item("bar", "mock", 1, "8", "0.1"), item("shop", "mock", 2, "3.5", "0.2"));
        let elsewhere = item("shop", "other", 1, "4", "0.1");
        let all = api.get("/v1/users/0xA/platforms").await;
        assert_eq!(all, json!({"address": "0xa", "window": "all", "items": [bar, shop, elsewhere]}));
        let items = async |query: &str| api.get(&format!("/v1/users/0xa/platforms?{query}")).await["items"].clone();
        assert_eq!(items("window=24h").await, json!([bar, shop]));
        assert_eq!(items("platform=shop").await, json!([shop, elsewhere]));
        assert_eq!(items("platform=shop&chain=other").await, json!([elsewhere]));
        assert_eq!(items("platform=none").await, json!([]));
    }
}

#[tokio::test]
async fn a_platform_has_a_leaderboard() {
    for ground in Ground::all().await {
        let leader = |platform: &str, span: &str, measure: &str, rank: u32, trader: &str, volume: &str| {
            format!(
                "INSERT INTO platform_leaders VALUES ('{platform}', '{span}', '{measure}', {rank}, '{trader}', 7, 2, \
                 '{volume}', '0.5', 77)"
            )
        };
        let rows = [
            leader("shop", "all", "volume", 1, "0xb", "99.5"),
            leader("shop", "all", "volume", 2, "0xa", "3"),
            leader("shop", "24h", "fees", 1, "0xa", "3"),
            leader("bar", "all", "volume", 1, "0xc", "1000"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let place = |rank: u32, address: &str, volume: &str| {
            used(json!({"rank": rank, "address": address}), 7, 2, volume, "0.5")
        };
        let all = api.get("/v1/platforms/shop/leaderboard").await;
        let expected = json!({
            "platform": "shop", "window": "all", "by": "volume", "builtAt": 77,
            "items": [place(1, "0xb", "99.5"), place(2, "0xa", "3")],
        });
        assert_eq!(all, expected);
        let first = api.get("/v1/platforms/shop/leaderboard?limit=1").await;
        let next = first["next"].as_str().unwrap();
        let rest = api.get(&format!("/v1/platforms/shop/leaderboard?limit=1&cursor={next}")).await;
        assert_eq!(rest["items"], json!([place(2, "0xa", "3")]));
        assert!(rest["next"].is_null());
        let by_fees = api.get("/v1/platforms/shop/leaderboard?by=fees&window=24h").await;
        assert_eq!(by_fees["items"], json!([place(1, "0xa", "3")]));
        assert_eq!(api.get("/v1/platforms/none/leaderboard").await["items"], json!([]));
        let refused = api.request(Method::GET, "/v1/platforms/shop/leaderboard?by=pnl", &[]).await;
        assert_eq!(problem(refused, 400, "bad-parameter").await["field"], "by");
    }
}
