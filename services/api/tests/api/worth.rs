//! What wallets are worth: by the tape's prices and by providers', now and by the day; the same on both databases.

use crate::assets::{asset_row, candle_row};
use crate::ground::{Ground, day_row, told_price, told_row, wallet_rows};
use crate::rest::problem;
use crate::serving::Serving;
use reqwest::Method;
use serde_json::{Value, json};

const DAY_MS: u64 = 86_400_000;

#[tokio::test]
async fn a_providers_price_stands_beside_the_tapes_and_in_its_place() {
    for ground in Ground::all().await {
        let prices = [
            asset_row("mock", "0xboth", "BOTH", Some(6), Some(("2", "1", 10 * DAY_MS))),
            asset_row("mock", "0xold", "OLD", Some(6), Some(("2", "1", DAY_MS))),
            asset_row("mock", "0xtape", "TAPE", Some(6), Some(("2", "1", 7))),
        ];
        ground.write("metrics", &prices).await;
        let held = ["0xboth", "0xnone", "0xold", "0xrich", "0xscam", "0xtape", "0xtold"].map(|asset| (asset, "10"));
        let mut rows = wallet_rows("mock", "0xa", &held, 11 * DAY_MS);
        rows.push("UPDATE wallets SET provider = 'moralis'".to_owned());
        rows.push("UPDATE balances SET provider = 'moralis'".to_owned());
        for (asset, usd) in
            [("0xboth", "3"), ("0xold", "5"), ("0xrich", "100000000001"), ("0xscam", "9"), ("0xtold", "0.5")]
        {
            rows.push(told_price(asset, "moralis", usd, "1", 10 * DAY_MS + 1));
        }
        rows.push("UPDATE balances SET spam = true WHERE asset = '0xscam'".to_owned());
        ground.write("portfolio", &rows).await;
        let api = Serving::on(&ground).await;
        let items = api.get("/v1/users/0xa/portfolio").await["items"].clone();
        let told = |at: usize| {
            let item = &items[at];
            let figures = ["asset", "valueUsd", "priceSource", "priceAt", "priceUsd"].map(|name| item[name].clone());
            (figures, item["prices"].clone())
        };
        let figures = |asset: &str, value: &str, source: &str, at: u64, usd: &str| {
            [json!(asset), json!(value), json!(source), json!(at), json!(usd)]
        };
        let (both, said) = told(0);
        assert_eq!(both, figures("0xboth", "20", "tape", 10 * DAY_MS, "2000000"));
        let expected = json!([
            { "source": "tape", "usd": "2000000", "at": 10 * DAY_MS },
            { "source": "moralis", "usd": "3000000", "at": 10 * DAY_MS + 1 },
        ]);
        assert_eq!(said, expected, "what the other says stands beside it");
        let (none, said) = told(1);
        assert!(none[1..].iter().all(Value::is_null) && said.is_null(), "no price, no figure: {none:?}");
        assert_eq!(told(2).0, figures("0xold", "50", "moralis", 10 * DAY_MS + 1, "5000000"), "a day newer");
        let (rich, said) = told(3);
        assert_eq!(
            (&rich[1], &rich[2], said[0]["usd"].as_str()),
            (&Value::Null, &json!("moralis"), Some("100000000001000000"))
        );
        assert_eq!(told(5).0, figures("0xtape", "20", "tape", 7, "2000000"));
        assert_eq!(told(6).0, figures("0xtold", "5", "moralis", 10 * DAY_MS + 1, "500000"));
        let worth = api.get("/v1/users/0xa/worth").await;
        let expected = json!({
            "valueUsd": "95", "priced": 4, "unpriced": 1, "spam": 1, "implausible": 1, "oldestPriceAt": 7,
            "sources": [
                { "source": "moralis", "priced": 2, "valueUsd": "55" },
                { "source": "tape", "priced": 2, "valueUsd": "40" },
            ],
        });
        assert_eq!(worth["walletsTotal"], expected);
    }
}

#[tokio::test]
async fn a_history_has_a_total_for_each_day() {
    for ground in Ground::all().await {
        let today = environment::now_ms() / DAY_MS;
        let candle = |asset: &str, day: u64, usd: &str| candle_row(asset, "1d", day * 24 * 60, Some([usd; 4]), "5");
        let candles =
            [candle("0xcat", today - 40, "10"), candle("0xcat", today - 2, "30"), candle("0xdog", today, "50")];
        ground.write("metrics", &candles).await;
        let rows = [
            day_row("0xa", "0xcat", today - 4, "10", false),
            day_row("0xa", "0xcat", today - 1, "20", false),
            day_row("0xa", "0xdog", today - 3, "10", false),
            day_row("0xa", "0xscam", today - 3, "10", true),
            day_row("0xa", "0xgone", today - 3, "10", false),
            day_row("0xa", "0xgone", today - 2, "0", false),
            day_row("0xb", "0xcat", today - 1, "1", false),
            told_row("0xdog", today - 60, "1", "10"),
            told_row("0xdog", today - 2, "4", "10"),
            told_row("0xscam", today - 3, "4", "10"),
        ];
        ground.write("portfolio", &rows).await;
        let api = Serving::on(&ground).await;
        let shown = |answer: &Value| -> Vec<String> {
            let line = |item: &Value| {
                let day = item["at"].as_u64().unwrap() / DAY_MS;
                let sources = item["sources"].as_array().unwrap().iter().map(|one| one["source"].as_str().unwrap());
                let sources = sources.collect::<Vec<_>>().join("+");
                let value = item["valueUsd"].as_str().unwrap();
                format!("{} {value} {} {} {sources}", today - day, item["unpriced"], item["spam"])
            };
            answer["items"].as_array().unwrap().iter().map(line).collect()
        };
        let all = api.get("/v1/users/0xA/worth/history").await;
        assert_eq!((&all["address"], &all["truncated"]), (&json!("0xa"), &json!(false)));
        let expected = [
            "4 10 0 0 tape",
            "3 11 1 1 moralis+tape",
            "2 34 0 1 moralis+tape",
            "1 64 0 1 moralis+tape",
            "0 110 0 1 tape",
        ];
        assert_eq!(shown(&all), expected);
        let two = api.get("/v1/users/0xa,0xb/worth/history?days=2&chain=mock").await;
        assert_eq!(shown(&two), ["1 67 0 1 moralis+tape", "0 113 0 1 tape"]);
        assert_eq!(shown(&api.get("/v1/users/0xc/worth/history").await), [] as [&str; 0]);
        for (query, field) in [("days=0", "days"), ("days=367", "days"), ("days=x", "days"), ("window=all", "window")] {
            let refused = api.request(Method::GET, &format!("/v1/users/0xa/worth/history?{query}"), &[]).await;
            assert_eq!(problem(refused, 400, "bad-parameter").await["field"], field, "{query}");
        }
    }
}
