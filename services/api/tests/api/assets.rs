//! Assets, candles and what holdings are worth, as clients see them; the same on both databases.

use crate::ground::{Ground, position_row, totals_row, wallet_rows};
use crate::rest::problem;
use crate::serving::Serving;
use reqwest::Method;
use serde_json::{Value, json};

const HOUR_MS: u64 = 3_600_000;

/// The statement that inserts an asset; its price as dollars, quantity, time.
pub(crate) fn asset_row(
    chain: &str,
    asset: &str,
    symbol: &str,
    decimals: Option<u8>,
    price: Option<(&str, &str, u64)>,
) -> String {
    let decimals = decimals.map_or("NULL".to_owned(), |decimals| decimals.to_string());
    let price =
        price.map_or("NULL, NULL, NULL, NULL".to_owned(), |(usd, raw, at)| format!("'{usd}', '{raw}', 9, {at}"));
    format!(
        "INSERT INTO assets (chain, asset, symbol, decimals, price_usd, price_raw, price_height, price_ms) \
         VALUES ('{chain}', '{asset}', '{symbol}', {decimals}, {price})"
    )
}

/// The statement that inserts a candle; open, high, low and close as dollars for ten units.
pub(crate) fn candle_row(asset: &str, span: &str, start: u64, prices: Option<[&str; 4]>, volume: &str) -> String {
    let prices = prices.map_or(["NULL"; 10].join(", "), |prices| {
        format!("{}, 9, {}", prices.map(|usd| format!("'{usd}', '10'")).join(", "), start * 60_000)
    });
    format!(
        "INSERT INTO candles (chain, asset, span, start_minute, open_usd, open_raw, high_usd, high_raw, low_usd, low_raw, \
         close_usd, close_raw, close_height, close_ms, volume_usd, trades, priced) \
         VALUES ('mock', '{asset}', '{span}', {start}, {prices}, '{volume}', 3, 2)"
    )
}

#[tokio::test]
async fn assets_are_found_by_ticker_and_by_id() {
    for ground in Ground::all().await {
        let now = environment::now_ms();
        let hour = now / HOUR_MS * 60;
        let rows = [
            asset_row("mock", "0xcat", "CAT", Some(1), Some(("20", "10", 5))),
            asset_row("mock", "0xcatnip", "catnip", Some(6), None),
            asset_row("other", "0xcat", "Catalan", None, Some(("20", "10", 5))),
            asset_row("mock", "0xdog", "DOG", Some(6), None),
            candle_row("0xcatnip", "1h", hour, None, "7.5"),
            candle_row("0xcatnip", "1h", hour - 60, None, "2"),
            // Yesterday, and candles of other spans: in no sum.
            candle_row("0xcat", "1h", hour - 24 * 60, None, "900"),
            candle_row("0xcat", "1d", hour / 1_440 * 1_440, None, "900"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let found = async |query: &str| -> Vec<String> {
            let list = api.get(&format!("/v1/assets?{query}")).await;
            assert_eq!(list["truncated"], false);
            let id = |item: &Value| format!("{}/{}", item["chain"].as_str().unwrap(), item["asset"].as_str().unwrap());
            list["items"].as_array().unwrap().iter().map(id).collect()
        };
        assert_eq!(
            found("search=Cat").await,
            ["mock/0xcatnip", "mock/0xcat", "other/0xcat"],
            "the largest volume first"
        );
        assert_eq!(found("search=cat&chain=other").await, ["other/0xcat"]);
        assert_eq!(found("search=0xcat").await, ["mock/0xcat", "other/0xcat"]);
        assert_eq!(found("search=cow").await, Vec::<String>::new());
        assert_eq!(found("search=%25").await, Vec::<String>::new(), "no pattern");
        let list = api.get("/v1/assets?search=cat&chain=mock").await;
        assert_eq!(list["items"][0]["volume24hUsd"], "9.5");
        let mut price = list["items"][1]["price"].clone();
        assert!(price["ageMs"].as_u64().unwrap() >= now - 5);
        price.as_object_mut().unwrap().remove("ageMs");
        assert_eq!(price, json!({ "usd": "20", "source": "tape", "at": 5, "height": 9 }));
        let unknown = api.get("/v1/assets?search=catalan").await;
        assert_eq!(unknown["items"][0]["price"]["usd"], Value::Null, "nobody knows how much a whole unit is");
        for query in ["", "?search=", "?search=%00"] {
            let refused = api.request(Method::GET, &format!("/v1/assets{query}"), &[]).await;
            assert_eq!(problem(refused, 400, "bad-parameter").await["field"], "search");
        }
    }
}

#[tokio::test]
async fn an_asset_shows_its_last_day() {
    for ground in Ground::all().await {
        let hour = environment::now_ms() / HOUR_MS * 60;
        let mut rows = vec![
            asset_row("mock", "0xcat", "CAT", Some(1), Some(("21", "10", 5))),
            asset_row("mock", "0xnew", "NEW", Some(1), Some(("21", "10", 5))),
            candle_row("0xcat", "1h", hour, Some(["20"; 4]), "5"),
            candle_row("0xcat", "1h", hour - 23 * 60, Some(["1"; 4]), "6"),
            candle_row("0xcat", "1h", hour - 24 * 60, Some(["1", "25", "1", "20"]), "8"),
            candle_row("0xcat", "1h", hour - 25 * 60, Some(["7"; 4]), "8"),
            candle_row("0xcat", "1h", hour - 24 * 60 * 30, None, "8"),
        ];
        for number in 0..25 {
            let newest = if number == 7 { 90 } else { number };
            let (chain, asset) = ("mock", "0xcat");
            rows.push(format!("INSERT INTO asset_pools VALUES ('{chain}', '{asset}', 'pool{number}', {newest})"));
        }
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let asset = api.get("/v1/assets/mock/0xcat").await;
        assert_eq!((&asset["symbol"], &asset["decimals"], &asset["trades24h"]), (&json!("CAT"), &json!(1), &json!(6)));
        assert_eq!((&asset["volume24hUsd"], &asset["change24h"]), (&json!("11"), &json!("0.05")));
        assert_eq!(asset["pools"].as_array().unwrap().len(), 20);
        assert_eq!(asset["pools"][0], json!({ "pool": "pool7", "newestHour": 90 * HOUR_MS }));
        let new = api.get("/v1/assets/mock/0xnew").await;
        assert_eq!((&new["change24h"], &new["volume24hUsd"], &new["pools"]), (&Value::Null, &json!("0"), &json!([])));
        for path in ["/v1/assets/mock/CAT", "/v1/assets/eth/0xcat", "/v1/assets/eth/0xcat/candles"] {
            let refused = problem(api.request(Method::GET, path, &[]).await, 404, "no-such-asset").await;
            assert!(refused["detail"].as_str().unwrap().contains("search="), "{refused}");
        }
    }
}

#[tokio::test]
async fn candles_come_oldest_first_and_bounded() {
    for ground in Ground::all().await {
        let rows = [
            asset_row("mock", "0xcat", "CAT", Some(1), None),
            asset_row("mock", "0xodd", "ODD", None, None),
            candle_row("0xcat", "1m", 120, Some(["20", "30", "10", "25"]), "5"),
            candle_row("0xcat", "1m", 119, None, "0.5"),
            candle_row("0xcat", "1m", 60, Some(["20"; 4]), "5"),
            candle_row("0xcat", "1h", 120, Some(["1"; 4]), "5"),
            candle_row("0xodd", "1h", 120, Some(["1"; 4]), "5"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let list = api.get("/v1/assets/mock/0xcat/candles?interval=1m&from=6000000&to=7200001").await;
        let expected = json!({
            "chain": "mock", "asset": "0xcat", "decimals": 1, "interval": "1m", "from": 6_000_000, "to": 7_260_000,
            "items": [
                { "at": 7_140_000, "volumeUsd": "0.5", "trades": 3, "priced": 2 },
                {
                    "at": 7_200_000, "openUsd": "20", "highUsd": "30", "lowUsd": "10", "closeUsd": "25", "volumeUsd": "5",
                    "trades": 3, "priced": 2,
                },
            ],
        });
        assert_eq!(list, expected);
        let hours = api.get("/v1/assets/mock/0xodd/candles?to=7200001").await;
        assert_eq!(
            hours["items"],
            json!([{ "at": 7_200_000, "volumeUsd": "5", "trades": 3, "priced": 2 }]),
            "no decimals"
        );
        for (query, field) in [
            ("interval=2m", "interval"),
            ("from=yesterday", "from"),
            ("to=-1", "to"),
            ("to=99999999999999999999", "to"),
            ("from=9&to=5&interval=1m&chain=mock", "chain"),
            ("from=90000000&to=5", "from"),
            ("interval=1m&from=0&to=90060000", "from"),
        ] {
            let refused = api.request(Method::GET, &format!("/v1/assets/mock/0xcat/candles?{query}"), &[]).await;
            assert_eq!(problem(refused, 400, "bad-parameter").await["field"], field, "{query}");
        }
    }
}

#[tokio::test]
async fn positions_carry_what_they_are_worth() {
    for ground in Ground::all().await {
        let unknown = |asset: &str, quantity: &str| {
            format!("UPDATE positions SET unknown_quantity = '{quantity}' WHERE asset = '{asset}'")
        };
        let rows = [
            totals_row("mock", "0xa", "100", 3),
            position_row("mock", "0xa", "0xcat", "10"),
            position_row("mock", "0xa", "0xdog", "5"),
            position_row("mock", "0xa", "0xnil", "0"),
            unknown("0xcat", "30"),
            asset_row("mock", "0xcat", "CAT", Some(18), Some(("42", "20", 77))),
            asset_row("mock", "0xnil", "NIL", Some(18), Some(("42", "20", 3))),
        ];
        ground.write("metrics", &rows).await;
        let mut wallet = wallet_rows("mock", "0xa", &[("0xcat", "10"), ("0xdog", "7"), ("0xnil", "9")], 42);
        wallet.push("UPDATE balances SET spam = true WHERE asset = '0xnil'".to_owned());
        ground.write("portfolio", &wallet).await;
        let api = Serving::on(&ground).await;
        let items = api.get("/v1/users/0xa/positions").await["items"].clone();
        let figures = |item: &Value| {
            let names =
                ["priceUsd", "priceAt", "priceSource", "valueUsd", "unknownValueUsd", "unrealizedPnlUsd", "coverage"];
            names.map(|name| item[name].clone())
        };
        let expected = ["2100000000000000000", "", "tape", "21", "63", "0.5", "0.25"].map(|text| json!(text));
        let mut cat = figures(&items[0]);
        assert_eq!(std::mem::replace(&mut cat[1], json!("")), json!(77));
        assert_eq!(cat, expected);
        assert_eq!(items[0]["averageCostUsd"], "2050000000000000000");
        let dog = figures(&items[1]);
        assert_eq!(dog[..6].iter().filter(|figure| figure.is_null()).count(), 6, "no price, no figure");
        assert_eq!((&dog[6], &items[1]["basisUsd"]), (&json!("1"), &json!("20.5")));
        assert!(figures(&items[2]).iter().all(Value::is_null), "nothing is held");
        let worth = api.get("/v1/users/0xA/worth").await;
        let expected = json!({
            "valueUsd": "21", "unknownValueUsd": "63", "basisUsd": "20.5", "unrealizedPnlUsd": "0.5",
            "realizedPnlUsd": "-1.25", "pnlUsd": "-0.75", "pnlNetUsd": "-1.25", "priced": 1, "unpriced": 1,
            "unpricedBasisUsd": "20.5", "oldestPriceAt": 77, "coverage": "0.25",
        });
        assert_eq!(worth["total"], expected);
        let mut chain = expected;
        chain["chain"] = "mock".into();
        assert_eq!(worth["chains"], json!([chain]));
        let mut wallet = json!({
            "valueUsd": "21", "priced": 1, "unpriced": 1, "spam": 1, "implausible": 0, "oldestPriceAt": 77,
            "sources": [{ "source": "tape", "priced": 1, "valueUsd": "21" }],
        });
        assert_eq!(worth["walletsTotal"], wallet);
        wallet["chain"] = "mock".into();
        assert_eq!(worth["wallets"], json!([wallet]), "spam is in no sum");
        let balances = api.get("/v1/users/0xa/portfolio").await["items"].clone();
        let figures = |item: &Value| ["priceUsd", "priceAt", "priceSource", "valueUsd"].map(|name| item[name].clone());
        assert_eq!(figures(&balances[0]), [json!("2100000"), json!(77), json!("tape"), json!("21")]);
        assert!(figures(&balances[1]).iter().all(Value::is_null), "no price, no figure");
        assert_eq!((&worth["address"], &worth["truncated"]), (&json!("0xa"), &json!(false)));
        let nobody = api.get("/v1/users/0xb/worth").await;
        assert_eq!((&nobody["total"]["valueUsd"], &nobody["total"]["coverage"]), (&json!("0"), &Value::Null));
    }
}
