//! REST as clients see it: answers, pages, tags, and a problem document for everything that is wrong.

use crate::ground::{Ground, event, hour_row, position_row, totals_row, trade, wallet_rows};
use crate::serving::Serving;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tape::Status;

pub(crate) async fn problem(response: Response, status: u16, kind: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:chaintape:problem:{kind}"));
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    problem
}

#[tokio::test]
async fn a_trade_is_served_as_it_was_published() {
    for ground in Ground::all().await {
        let event = event(Status::Observed, trade("mock", 1, 0, "0xa11ce"));
        ground.trades(std::slice::from_ref(&event)).await;
        let api = Serving::on(&ground).await;
        let page = api.get("/v1/trades").await;
        let travelled: Value = serde_json::from_slice(&wire::v1::trade::encode(&event)).unwrap();
        assert_eq!(page, json!({ "items": [travelled] }));
        assert_eq!(page["items"][0]["sold"]["amount"], "95");
        assert_eq!(api.get("/v1/users/0xA11CE/trades?venue=uniswap-v2").await, page, "addresses in any case");
        assert_eq!(api.get("/v1/users/0xA11CE/trades?venue=v3").await, json!({ "items": [] }));
    }
}

#[tokio::test]
async fn cursors_lead_through_all_pages() {
    let ground = Ground::sqlite().await;
    let events: Vec<_> = (1..=7).map(|height| event(Status::Observed, trade("mock", height, 0, "0xa"))).collect();
    ground.trades(&events).await;
    let api = Serving::on(&ground).await;
    let (mut heights, mut path) = (vec![], "/v1/trades?limit=3".to_owned());
    loop {
        let page = api.get(&path).await;
        heights
            .extend(page["items"].as_array().unwrap().iter().map(|trade| trade["block"]["height"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        // Between pages the chain goes on: this must not disturb the pages to come.
        ground.trades(&[event(Status::Observed, trade("mock", 100 + heights.len() as u64, 0, "0xa"))]).await;
        path = format!("/v1/trades?limit=3&cursor={next}");
    }
    assert_eq!(heights, [7, 6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_user_has_metrics_positions_and_a_portfolio() {
    for ground in Ground::all().await {
        let rows = [
            totals_row("mock", "0xa", "100.5", 3),
            totals_row("other", "0xa", "7", 1),
            position_row("mock", "0xa", "0xweth", "12"),
            position_row("other", "0xa", "0xdai", "0"),
        ];
        ground.write("metrics", &rows).await;
        ground.write("portfolio", &wallet_rows("mock", "0xa", &[("0xusdc", "2500000")], 42)).await;
        let api = Serving::on(&ground).await;
        let of_unknown_confidence = |volume: &str| json!({"exactUsd": "0", "reportedUsd": "0", "estimatedUsd": "0", "tracedUsd": "0", "unknownUsd": volume});
        let totals = |volume: &str, swaps: u64, times: i64| {
            json!({
                "volumeUsd": volume, "volumeByConfidence": of_unknown_confidence(volume), "swaps": swaps, "unvalued": times, "cycles": 2 * times,
                "feesUsd": if times == 1 { "0.5" } else { "1" },
                "realizedPnlUsd": if times == 1 { "-1.25" } else { "-2.5" },
                "realizedPnlNetUsd": if times == 1 { "-1.75" } else { "-3.5" },
                "proceedsUsd": if times == 1 { "6" } else { "12" },
                "proceedsWithoutBasisUsd": if times == 1 { "2" } else { "4" },
                "basisWithoutProceedsUsd": "0", "proceedsInDoubtUsd": "0", "coverage": "0.75",
                "implausible": 0, "implausibleUsd": "0",
            })
        };
        let on = |chain: &str, mut totals: Value| {
            totals["chain"] = chain.into();
            totals
        };
        let expected = json!({
            "address": "0xa", "window": "all", "total": totals("107.5", 4, 2),
            "chains": [on("mock", totals("100.5", 3, 1)), on("other", totals("7", 1, 1))],
        });
        assert_eq!(api.get("/v1/users/0xA/metrics?window=all").await, expected);
        let position = |chain: &str, asset: &str, quantity: &str| {
            let mut position = json!({
                "chain": chain, "asset": asset, "symbol": "TKN", "decimals": 18, "quantity": quantity,
                "unknownQuantity": "0", "basisUsd": "20.5", "realizedPnlUsd": "-3", "proceedsUsd": "0",
                "proceedsWithoutBasisUsd": "0", "basisWithoutProceedsUsd": "0",
            });
            if quantity != "0" {
                position["averageCostUsd"] = "1708333333333333333.333333333333333333".into();
                position["coverage"] = "1".into();
            }
            position
        };
        let first = api.get("/v1/users/0xa/positions?limit=1").await;
        assert_eq!(first["items"], json!([position("mock", "0xweth", "12")]));
        let next = first["next"].as_str().unwrap();
        let second = api.get(&format!("/v1/users/0xa/positions?limit=1&cursor={next}")).await;
        assert_eq!(second, json!({ "address": "0xa", "items": [position("other", "0xdai", "0")] }));
        let expected = json!({
            "address": "0xa",
            "incomplete": false,
            "wallets": [{ "chain": "mock", "provider": "mock", "takenAt": 42, "incomplete": false }],
            "items": [{
                "chain": "mock", "asset": "0xusdc", "symbol": "TKN", "decimals": 6, "raw": "2500000", "amount": "2.5",
                "spam": false, "verified": null, "provider": "mock", "takenAt": 42, "kept": false,
            }],
        });
        assert_eq!(api.get("/v1/users/0xa/portfolio").await, expected);
        let nobody = api.get("/v1/users/0xb/metrics").await;
        assert_eq!((&nobody["total"]["volumeUsd"], &nobody["chains"]), (&json!("0"), &json!([])));
    }
}

#[tokio::test]
async fn windows_and_curves_are_sums_of_hours() {
    for ground in Ground::all().await {
        let now = environment::now_ms() / 3_600_000;
        let rows = [
            hour_row("mock", "0xa", now, "9", "1"),
            // The chain's clock is ahead of this one: the trade is in every window.
            hour_row("mock", "0xa", now + 30, "1", "0"),
            hour_row("other", "0xa", now, "5", "-2"),
            hour_row("mock", "0xa", now - 23, "20", "0.5"),
            hour_row("mock", "0xa", now - 24, "40", "4"),
            hour_row("mock", "0xa", now - 31 * 24, "80", "8"),
            hour_row("mock", "0xb", now, "1000", "1"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let day = api.get("/v1/users/0xA/metrics?window=24h").await;
        assert_eq!((&day["window"], &day["total"]["volumeUsd"]), (&json!("24h"), &json!("35")));
        assert_eq!(
            (&day["total"]["realizedPnlUsd"], &day["total"]["realizedPnlNetUsd"]),
            (&json!("-0.5"), &json!("-2.5"))
        );
        assert_eq!(day["total"]["coverage"], "0.75");
        assert_eq!(day["chains"][0]["volumeUsd"], "30");
        let volume = async |path: &str| api.get(path).await["total"]["volumeUsd"].clone();
        assert_eq!(volume("/v1/users/0xa/metrics?window=7d").await, "75");
        assert_eq!(volume("/v1/users/0xa/metrics?window=30d&chain=mock").await, "70");
        let curve = api.get("/v1/users/0xa/history?window=24h").await;
        assert_eq!(curve["stepMs"], 3_600_000);
        let points: Vec<(u64, &str)> = curve["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| (point["at"].as_u64().unwrap() / 3_600_000, point["realizedPnlUsd"].as_str().unwrap()))
            .collect();
        assert_eq!(points, [(now - 23, "0.5"), (now, "-1"), (now + 30, "0")]);
        let all = api.get("/v1/users/0xa/history").await;
        let first = &all["items"][0];
        assert_eq!((&first["at"], &first["volumeUsd"]), (&json!((now - 31 * 24) / 24 * 24 * 3_600_000), &json!("80")));
    }
}

#[tokio::test]
async fn fees_are_served_by_day() {
    for ground in Ground::all().await {
        let fee = |trader: &str, chain: &str, platform: &str, day: u64, usd: &str| {
            format!("INSERT INTO fees VALUES ('{trader}', '{chain}', '{platform}', {day}, 0, 2, '{usd}')")
        };
        let rows = [
            fee("0xa", "mock", "shop", 20_000, "1"),
            fee("0xa", "other", "shop", 20_000, "2"),
            fee("0xa", "mock", "", 19_999, "4"),
            fee("0xb", "mock", "shop", 20_000, "8"),
        ];
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let page = api.get("/v1/users/0xa/fees?limit=1").await;
        let day = |days: u64| days * 86_400_000;
        let item = |at: u64, chain: &str, usd: &str| json!({"at": day(at), "chain": chain, "platform": "shop", "trades": 2, "feesUsd": usd});
        assert_eq!(page["items"], json!([item(20_000, "mock", "1"), item(20_000, "other", "2")]), "no day is cut");
        let next = page["next"].as_str().unwrap();
        let rest = api.get(&format!("/v1/users/0xa/fees?cursor={next}")).await;
        assert_eq!(rest, json!({"items": [{"at": day(19_999), "chain": "mock", "trades": 2, "feesUsd": "4"}]}));
        let of_shop = api.get("/v1/users/0xa/fees?platform=shop&chain=other").await;
        assert_eq!(of_shop, json!({"items": [item(20_000, "other", "2")]}));
        assert_eq!(api.get("/v1/users/0xa/fees?platform=bar").await, json!({"items": []}));
        let earned = api.get("/v1/platforms/shop/fees").await;
        assert_eq!(earned, json!({"items": [{"at": day(20_000), "platform": "shop", "trades": 6, "feesUsd": "11"}]}));
    }
}

#[tokio::test]
async fn a_figure_is_explained_by_its_trades() {
    for ground in Ground::all().await {
        let (mut buy, mut sell) = (trade("mock", 1, 0, "0xa"), trade("mock", 2, 0, "0xa"));
        (buy.bought.quote, sell.bought.quote) = (false, false);
        std::mem::swap(&mut sell.sold, &mut sell.bought);
        let events = [event(Status::Observed, buy.clone()), event(Status::Observed, sell)];
        ground.trades(&events).await;
        let effects = [
            "INSERT INTO method (name) VALUES ('fifo')".to_owned(),
            "UPDATE trades SET bought_quantity_after = '30', bought_unknown_after = '0', bought_basis_after = '95', \
             bought_trades_after = 1 WHERE height = 1"
                .to_owned(),
            format!(
                "UPDATE trades SET sold_quantity_after = '0', sold_unknown_after = '0', sold_basis_after = '0', \
                 realized_pnl_usd = '-1', proceeds_without_basis_usd = '5', sold_taken = '[[\"{}\", \"30\", \"91\"]]', \
                 sold_trades_after = 2 WHERE height = 2",
                buy.id()
            ),
            position_row("mock", "0xa", "0xweth", "0"),
        ];
        ground.write("metrics", &effects).await;
        let api = Serving::on(&ground).await;
        let path = "/v1/users/0xA/positions/mock/0xweth/explain";
        let first = api.get(&format!("{path}?limit=1")).await;
        assert_eq!((&first["method"], &first["position"]["basisUsd"]), (&json!("fifo"), &json!("20.5")));
        let bought = &first["items"][0];
        assert_eq!(
            (&bought["side"], &bought["worthUsd"], &bought["tradeId"]),
            (&json!("buy"), &json!("95"), &json!(buy.id()))
        );
        assert_eq!(bought["after"], json!({"quantity": "30", "unknownQuantity": "0", "basisUsd": "95"}));
        let next = first["next"].as_str().unwrap();
        let rest = api.get(&format!("{path}?cursor={next}")).await;
        let sold = &rest["items"][0];
        assert_eq!((&bought["number"], &sold["number"]), (&json!(1), &json!(2)));
        let figures = ["side", "realizedPnlUsd", "basisReleasedUsd", "proceedsUsd", "proceedsWithoutBasisUsd"];
        assert_eq!(figures.map(|figure| sold[figure].as_str().unwrap()), ["sell", "-1", "91", "90", "5"]);
        assert_eq!(sold["lots"], json!([{"tradeId": buy.id(), "quantity": "30", "basisUsd": "91"}]));
        assert_eq!(rest["next"], Value::Null);
        let nothing = api.request(Method::GET, "/v1/users/0xa/positions/mock/0xnone/explain", &[]).await;
        problem(nothing, 404, "no-such-position").await;
    }
}

#[tokio::test]
async fn a_position_is_explained_by_block_time_also_where_the_clock_goes_backwards() {
    for ground in Ground::all().await {
        let (mut events, mut rows) = (vec![], vec!["INSERT INTO method (name) VALUES ('average')".to_owned()]);
        for (height, later_ms) in [(1, 9), (2, 0), (3, 0)] {
            let mut buy = trade("mock", height, 0, "0xa");
            (buy.bought.quote, buy.block.timestamp_ms) = (false, 1_700_000_000_000 + later_ms);
            events.push(event(Status::Observed, buy));
            rows.push(format!(
                "UPDATE trades SET bought_quantity_after = '1', bought_unknown_after = '0', bought_basis_after = '1', \
                 bought_trades_after = {height} WHERE height = {height}"
            ));
        }
        rows.push(position_row("mock", "0xa", "0xweth", "0"));
        ground.trades(&events).await;
        ground.write("metrics", &rows).await;
        let api = Serving::on(&ground).await;
        let (mut numbers, mut cursor) = (vec![], String::new());
        for _ in 0..3 {
            let path = format!("/v1/users/0xa/positions/mock/0xweth/explain?limit=1{cursor}");
            let page = api.get(&path).await;
            numbers.push(page["items"][0]["number"].as_u64().unwrap());
            cursor = page["next"].as_str().map_or(String::new(), |next| format!("&cursor={next}"));
        }
        assert_eq!((numbers, cursor), (vec![2, 3, 1], String::new()));
    }
}

#[tokio::test]
async fn a_wallet_says_what_its_provider_could_not_tell() {
    for ground in Ground::all().await {
        let mut rows = wallet_rows("mock", "0xa", &[("0xgood", "5"), ("0xbroken", "7")], 42);
        rows.extend(wallet_rows("other", "0xa", &[], 42));
        rows.push("UPDATE balances SET kept = true, spam = NULL, verified = true WHERE asset = '0xbroken'".to_owned());
        rows.push(
            "UPDATE wallets SET left_out = 2, left_out_reason = 'no answer', as_of = 7 WHERE chain = 'mock'".to_owned(),
        );
        rows.push(
            "UPDATE wallets SET failures = 3, failure = 'unavailable', retry_at = 99 WHERE chain = 'other'".to_owned(),
        );
        ground.write("portfolio", &rows).await;
        let api = Serving::on(&ground).await;
        let shown = api.get("/v1/users/0xa/portfolio").await;
        assert_eq!(shown["incomplete"], json!(true));
        let incomplete = json!({
            "chain": "mock", "provider": "mock", "takenAt": 42, "asOf": 7, "incomplete": true, "leftOut": 2,
            "incompleteReason": "no answer",
        });
        let complete = json!({
            "chain": "other", "provider": "mock", "takenAt": 42, "incomplete": false, "failures": 3,
            "failure": "unavailable", "retryAt": 99,
        });
        assert_eq!(shown["wallets"], json!([incomplete, complete]));
        let said = |item: &Value| json!([item["asset"], item["kept"], item["spam"], item["verified"], item["asOf"]]);
        let said: Vec<Value> = shown["items"].as_array().unwrap().iter().map(said).collect();
        assert_eq!(said, [json!(["0xbroken", true, null, true, null]), json!(["0xgood", false, false, null, 7])]);
    }
}

#[tokio::test]
async fn drift_is_served_beside_balances_and_alone() {
    for ground in Ground::all().await {
        let mut rows = wallet_rows("mock", "0xa", &[("0xusdc", "2500000")], 42);
        let drift = |asset: &str, balance: &str, net: &str, drift: &str| {
            format!(
                "INSERT INTO drift VALUES ('mock', '0xa', '{asset}', NULL, NULL, '{balance}', '{net}', '{drift}', 42)"
            )
        };
        rows.push(drift("0xusdc", "2500000", "-500000", "3000000"));
        rows.push(drift("0xsold", "0", "-7", "7"));
        rows.push(drift("0xeven", "7", "7", "0"));
        ground.write("portfolio", &rows).await;
        let api = Serving::on(&ground).await;
        let held = &api.get("/v1/users/0xa/portfolio").await["items"][0];
        assert_eq!((&held["net"], &held["drift"]), (&json!("-500000"), &json!("3000000")));
        let page = api.get("/v1/users/0xa/drift?limit=1").await;
        let first =
            json!({"chain": "mock", "asset": "0xsold", "balance": "0", "net": "-7", "drift": "7", "takenAt": 42});
        assert_eq!(page["items"], json!([first]));
        let next = page["next"].as_str().unwrap();
        let rest = api.get(&format!("/v1/users/0xa/drift?cursor={next}")).await;
        assert_eq!((&rest["items"][0]["asset"], rest["items"].as_array().unwrap().len()), (&json!("0xusdc"), 1));
    }
}

#[tokio::test]
async fn measurements_are_served_for_prometheus() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.get("/v1/trades").await;
    api.request(Method::GET, "/nothing", &[]).await;
    let response = api.request(Method::GET, "/metrics", &[]).await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    for line in ["chaintape_api_requests_total{status=\"2xx\"} 1", "chaintape_api_requests_total{status=\"4xx\"} 1"] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
    for name in ["chaintape_api_stream_readers 0", "chaintape_api_request_seconds_count 2"] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
}

#[tokio::test]
async fn other_origins_read_where_they_may() {
    let ground = Ground::sqlite().await;
    let closed = Serving::on(&ground).await;
    let from = [("origin", "https://a.example")];
    assert!(
        closed.request(Method::GET, "/v1/trades", &from).await.headers().get("access-control-allow-origin").is_none()
    );
    let open = Serving::with(&ground.url(), |settings| settings.origins = "https://a.example".parse().ok()).await;
    let read = open.request(Method::GET, "/v1/trades", &from).await;
    assert_eq!(read.headers()["access-control-allow-origin"], "https://a.example");
    let asked = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let preflight = open.request(Method::OPTIONS, "/v1/trades", &asked).await;
    assert_eq!(
        (preflight.status().as_u16(), &preflight.headers()["access-control-allow-methods"]),
        (200, &"GET,HEAD".parse().unwrap())
    );
    let other = open.request(Method::GET, "/v1/trades", &[("origin", "https://b.example")]).await;
    assert!(other.headers().get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    for (path, field) in [
        ("/v1/trades?limit=501", "limit"),
        ("/v1/trades?limit=0", "limit"),
        ("/v1/trades?limit=%2B5", "limit"),
        ("/v1/trades?status=reverted", "status"),
        ("/v1/trades?cursor=abc", "cursor"),
        ("/v1/trades?cursor=WyJhIiwiYiJd", "cursor"),
        ("/v1/trades?chain=", "chain"),
        ("/v1/trades?chain=a%00b", "chain"),
        ("/v1/trades?chain=a&chain=b", "chain"),
        ("/v1/trades?chian=a", "chian"),
        ("/v1/users/%ff/metrics", "address"),
        ("/v1/users//metrics", "address"),
        ("/v1/users/a%07/positions", "address"),
        ("/v1/users/0xa/trades?trader=0xb", "trader"),
        ("/v1/users/0xa/metrics?window=1h", "window"),
        ("/v1/users/0xa/history?window=", "window"),
        ("/v1/users/0xa/fees?cursor=WyJhIl0", "cursor"),
        ("/v1/users/0xa/positions/mock/0xb/explain?cursor=abc", "cursor"),
        ("/v1/users/0xa/positions/mo%00ck/0xb/explain", "chain"),
        ("/v1/leaderboard?by=luck", "by"),
        ("/v1/leaderboard?cursor=WzE4NDQ2NzQ0MDczNzA5NTUxNjE1XQ", "cursor"),
        ("/metrics?x=1", "x"),
        ("/v1/users/0xa/portfolio?cursor=*", "cursor"),
        ("/v1/chains?all=1", "all"),
    ] {
        let problem = problem(api.request(Method::GET, path, &[]).await, 400, "bad-parameter").await;
        assert_eq!(problem["field"], field, "{path}: {problem}");
    }
    let long = format!("/v1/users/{}/trades", "a".repeat(257));
    problem(api.request(Method::GET, &long, &[]).await, 400, "bad-parameter").await;
    for path in ["/v2/trades", "/v1/users", "/v1/trades/"] {
        problem(api.request(Method::GET, path, &[]).await, 404, "no-such-path").await;
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let response = api.request(method, "/v1/trades", &[]).await;
        assert_eq!(response.headers()["allow"], "GET, HEAD");
        problem(response, 405, "read-only").await;
    }
    let body = reqwest::Client::new().get(format!("http://{}/v1/trades", api.addr)).body("x".repeat(100));
    problem(body.send().await.unwrap(), 413, "too-large").await;
    let address = format!("/v1/trades?cursor={}", "a".repeat(9_000));
    problem(api.request(Method::GET, &address, &[]).await, 414, "too-long").await;
    problem(api.request(Method::GET, "/v1/stream", &[]).await, 400, "no-handshake").await;
}

#[tokio::test]
async fn a_greedy_client_waits() {
    let ground = Ground::sqlite().await;
    let api = Serving::with(&ground.url(), Serving::rated(1, 2)).await;
    for _ in 0..2 {
        assert_ne!(api.request(Method::GET, "/v1/chains", &[]).await.status(), 429);
    }
    let response = api.request(Method::GET, "/v1/chains", &[]).await;
    assert_eq!(response.headers()["retry-after"], "1");
    problem(response, 429, "too-many-requests").await;
    assert_eq!(api.request(Method::GET, "/health", &[]).await.status(), 200, "probes are never refused");
}

#[tokio::test]
async fn responses_have_tags_compression_and_security_headers() {
    let ground = Ground::sqlite().await;
    ground.trades(&[event(Status::Observed, trade("mock", 1, 0, "0xa"))]).await;
    let api = Serving::on(&ground).await;
    let response = api.request(Method::GET, "/v1/trades", &[]).await;
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["cache-control"], "no-cache");
    let again = api.request(Method::GET, "/v1/trades", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status().as_u16(), again.headers()["etag"].to_str().unwrap()), (304, tag.as_str()));
    assert_eq!(again.text().await.unwrap(), "");
    ground.trades(&[event(Status::Observed, trade("mock", 2, 0, "0xa"))]).await;
    assert_eq!(api.request(Method::GET, "/v1/trades", &[("if-none-match", &tag)]).await.status(), 200);
    let head = api.request(Method::HEAD, "/v1/trades", &[]).await;
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
    let packed = api.request(Method::GET, "/v1/trades", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    for path in ["/", "/v1/trades", "/nowhere"] {
        let response = api.request(Method::GET, path, &[]).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    }
}

#[tokio::test]
async fn the_page_and_the_document_are_served() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    let page = api.request(Method::GET, "/", &[]).await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let text = page.text().await.unwrap();
    assert!(text.starts_with("<!doctype html>") && !text.contains("<script>") && !text.contains("style=\""));
    for part in text.split(['"']).filter(|part| part.starts_with("/page/") || *part == "/favicon.svg") {
        assert_eq!(api.request(Method::GET, part, &[]).await.status(), 200, "{part}");
    }
    assert_eq!(api.get("/openapi.json").await["openapi"], "3.1.0");
}

#[tokio::test]
async fn it_starts_before_its_database() {
    let home = tempfile::tempdir().unwrap();
    let api = Serving::with(&format!("sqlite:{}", home.path().display()), |_| {}).await;
    assert_eq!(api.get("/health").await, json!({ "status": "ok" }));
    let waiting = api.request(Method::GET, "/ready", &[]).await;
    assert_eq!(waiting.status(), 503);
    let waiting: Value = serde_json::from_str(&waiting.text().await.unwrap()).unwrap();
    assert_eq!((&waiting["status"], &waiting["waitingFor"]), (&json!("waiting"), &json!(["database"])));
    problem(api.request(Method::GET, "/v1/trades", &[]).await, 503, "unavailable").await;
    let Ground::Sqlite { directory, metrics, portfolio } = Ground::sqlite().await else { unreachable!() };
    metrics.close().await;
    portfolio.close().await;
    for owner in ["metrics", "portfolio"] {
        let name = format!("{owner}.db");
        std::fs::copy(directory.path().join(&name), home.path().join(&name)).unwrap();
    }
    api.following().await;
    let ready = api.get("/ready").await;
    assert_eq!((&ready["status"], &ready["log"]["poison"]), (&json!("ready"), &json!(0)));
}
