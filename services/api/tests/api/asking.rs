//! What trades can be asked for: time, worth, platform, pool, kind and transaction, in exact pages; and one trade by its id.

use crate::ground::{Ground, event, trade};
use crate::rest::problem;
use crate::serving::Serving;
use reqwest::Method;
use serde_json::{Value, json};
use tape::{Event, Status, Trade, Usd};

/// Time of the block at height 0 in these tests.
const BEGIN_MS: u64 = 1_700_000_000_000;

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|trade| trade["tradeId"].as_str().unwrap()).collect()
}

/// Every trade of a list, read in pages of one; each page is full, so nothing is skipped and nothing comes twice.
async fn all_pages(api: &Serving, path: &str) -> Vec<String> {
    let (mut found, mut cursor) = (vec![], String::new());
    loop {
        let page = api.get(&format!("{path}&limit=1{cursor}")).await;
        found.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

/// A trade with what filters ask for: its worth in 10^-18 dollars, its platform, its kind and its second pool.
fn asked(height: u64, trader: &str, worth: Option<i128>, platform: Option<&str>, pool: &str) -> Trade {
    let mut trade = trade("mock", height, 0, trader);
    match worth {
        Some(units) => trade.valuation.as_mut().unwrap().notional = Usd(units),
        None => trade.valuation = None,
    }
    trade.platform = platform.map(str::to_owned);
    let mut leg = trade.legs[0].clone();
    pool.clone_into(&mut leg.pool);
    trade.legs.push(leg);
    trade
}

fn live(trade: Trade) -> Event {
    event(Status::Observed, trade)
}

#[tokio::test]
async fn trades_are_asked_for_by_time_worth_platform_pool_and_kind() {
    const DOLLAR: i128 = Usd::ONE.0;
    for ground in Ground::all().await {
        let mut cycle = asked(5, "0xa", Some(10 * DOLLAR), Some("shop"), "0xa2");
        cycle.kind = "cycle".to_owned();
        let mut clockless = asked(6, "0xa", Some(7 * DOLLAR), None, "0xa3");
        clockless.block.timestamp_ms = 6_000;
        ground
            .trades(&[
                live(asked(1, "0xa", Some(9 * DOLLAR + DOLLAR / 2), Some("shop"), "0xa1")),
                live(asked(2, "0xb", Some(100 * DOLLAR), Some("shop"), "0xa2")),
                live(asked(3, "0xa", Some(DOLLAR), None, "0xa2")),
                live(asked(4, "0xa", None, Some("Shop"), "0xa1")),
                live(cycle),
                live(clockless),
            ])
            .await;
        let api = Serving::on(&ground).await;
        let at = |height: u64| BEGIN_MS + height * 1_000;
        for (query, heights) in [
            (format!("from={}", at(3)), vec![5, 4, 3]),
            (format!("to={}", at(3)), vec![2, 1]),
            (format!("from={}&to={}", at(2), at(4)), vec![3, 2]),
            (format!("from={}&to={}", at(2), at(2) + 1), vec![2]),
            (format!("from={}", at(9)), vec![]),
            ("platform=shop".to_owned(), vec![5, 2, 1]),
            ("platform=Shop".to_owned(), vec![4]),
            ("platform=none".to_owned(), vec![]),
            ("pool=0xA2".to_owned(), vec![5, 3, 2]),
            ("pool=0xpool".to_owned(), vec![5, 4, 3, 2, 1, 6]),
            ("pool=0xa".to_owned(), vec![]),
            ("kind=cycle".to_owned(), vec![5]),
            ("minUsd=9.5".to_owned(), vec![5, 2, 1]),
            ("minUsd=9.500000000000000001".to_owned(), vec![5, 2]),
            ("minUsd=010.0".to_owned(), vec![5, 2]),
            ("minUsd=99".to_owned(), vec![2]),
            ("minUsd=0".to_owned(), vec![5, 3, 2, 1, 6]),
            ("tx=0xt3".to_owned(), vec![3]),
            ("tx=0xt".to_owned(), vec![]),
            (format!("tx=0xt3&from={}", at(4)), vec![]),
            (format!("trader=0xa&platform=shop&minUsd=9&from={}", at(1)), vec![5, 1]),
            (format!("trader=0xb&pool=0xa2&kind=swap&to={}&chain=mock", at(3)), vec![2]),
            (format!("trader=0xa&pool=0xa2&kind=swap&to={}&asset=0xweth", at(5)), vec![3]),
        ] {
            let path = format!("/v1/trades?{query}");
            let page = api.get(&path).await;
            let found: Vec<u64> = page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|trade| trade["block"]["height"].as_u64().unwrap())
                .collect();
            assert_eq!(found, heights, "{query}");
            assert_eq!(page["next"], Value::Null);
            assert_eq!(all_pages(&api, &path).await, ids(&page), "{query} page by page");
            if let Some(rest) = query.strip_prefix("trader=0xa&") {
                assert_eq!(api.get(&format!("/v1/users/0xA/trades?{rest}")).await, page, "{query} of the user");
            }
        }
    }
}

#[tokio::test]
async fn pages_of_a_filter_stay_exact_while_trades_come_and_go() {
    for ground in Ground::all().await {
        let at = |height: u64| live(asked(height, "0xa", Some(Usd::ONE.0), Some("shop"), "0xa1"));
        ground.trades(&(10..16).map(at).collect::<Vec<_>>()).await;
        let api = Serving::on(&ground).await;
        let path = format!("/v1/trades?platform=shop&minUsd=1&to={}", BEGIN_MS + 16_000);
        let first = api.get(&format!("{path}&limit=3")).await;
        // A trade comes beyond the end of the span and one within it but above the page, the last of the page is taken
        // back, and an older one comes late.
        let mut gone = at(13);
        gone.status = Status::Reverted;
        let mut late = at(15);
        late.trade.ordinal = 1;
        ground.trades(&[at(20), late, gone, at(9)]).await;
        let rest = api.get(&format!("{path}&cursor={}", first["next"].as_str().unwrap())).await;
        let heights = |page: &Value| -> Vec<u64> {
            page["items"].as_array().unwrap().iter().map(|trade| trade["block"]["height"].as_u64().unwrap()).collect()
        };
        assert_eq!((heights(&first), heights(&rest)), (vec![15, 14, 13], vec![12, 11, 10, 9]));
    }
}

#[tokio::test]
async fn one_trade_is_found_by_its_id() {
    for ground in Ground::all().await {
        let (kept, mut gone) = (live(trade("mock", 1, 0, "0xa")), live(trade("mock", 2, 0, "0xa")));
        gone.status = Status::Reverted;
        // Detected again for another trader, then reverted of the first.
        let (mut before, after) = (live(trade("mock", 3, 0, "0xa")), live(trade("mock", 3, 0, "0xb")));
        before.status = Status::Reverted;
        ground.trades(&[kept.clone(), gone, before, after]).await;
        let api = Serving::on(&ground).await;
        let published: Value = serde_json::from_slice(&wire::v1::trade::encode(&kept)).unwrap();
        assert_eq!(api.get("/v1/trades/mock%2F0xb1%2F0xt1%2F0").await, published);
        assert_eq!(api.get("/v1/trades/mock/0xb1/0xt1/0").await, published);
        let reverted = api.get("/v1/trades/mock%2F0xb2%2F0xt2%2F0").await;
        assert_eq!((&reverted["status"], &reverted["tradeId"]), (&json!("reverted"), &json!("mock/0xb2/0xt2/0")));
        let charged = api.get("/v1/trades/mock%2F0xb3%2F0xt3%2F0").await;
        assert_eq!((&charged["status"], &charged["trader"]["address"]), (&json!("observed"), &json!("0xb")));
        for unseen in ["mock/0xb1/0xt1/1", "mock/0xb2/0xt1/0", "mock/0xb1/0xt/0", "other/0xb1/0xt1/0"] {
            let id = unseen.replace('/', "%2F");
            for path in [unseen, &id] {
                let path = format!("/v1/trades/{path}");
                problem(api.request(Method::GET, &path, &[]).await, 404, "no-such-trade").await;
            }
        }
        for wrong in
            ["abc", "mock%2F0xb1%2F0xt1", "mock%2F0xb1%2F0xt1%2Fx", "mock%2F%2F0xt1%2F0", "mock%2F0xb1%2F0xt1%2F-1"]
        {
            let refused =
                problem(api.request(Method::GET, &format!("/v1/trades/{wrong}"), &[]).await, 400, "bad-parameter")
                    .await;
            assert_eq!(refused["field"], "tradeId", "{wrong}");
        }
    }
}

#[tokio::test]
async fn a_transaction_has_its_trades() {
    for ground in Ground::all().await {
        let mut others = trade("other", 1, 0, "0xa");
        others.transaction.hash = "0xt1".into();
        // On no chain that is known a hash has a slash; where one had, it is told from others that begin alike.
        let [mut slash, mut like] = [trade("mock", 4, 0, "0xa"), trade("mock", 5, 0, "0xa")];
        (slash.transaction.hash, like.transaction.hash) = ("a/b".into(), "a/c".into());
        let mut reverted = live(trade("mock", 1, 2, "0xc"));
        reverted.status = Status::Reverted;
        ground
            .trades(&[
                live(trade("mock", 1, 0, "0xa")),
                live(trade("mock", 1, 1, "0xb")),
                reverted,
                live(trade("mock", 11, 0, "0xa")),
                live(others),
                live(slash),
                live(like),
            ])
            .await;
        let api = Serving::on(&ground).await;
        let all = ["mock/0xb1/0xt1/2", "mock/0xb1/0xt1/1", "mock/0xb1/0xt1/0"];
        let page = api.get("/v1/transactions/mock/0xt1").await;
        assert_eq!((ids(&page), &page["items"][0]["status"]), (all.to_vec(), &json!("reverted")));
        assert_eq!(all_pages(&api, "/v1/transactions/mock/0xt1?status=all").await, all);
        assert_eq!(ids(&api.get("/v1/transactions/mock/0xt1?status=live").await), all[1..]);
        assert_eq!(ids(&api.get("/v1/trades?tx=0xt1&trader=0xb").await), all[1..2]);
        assert_eq!(ids(&api.get("/v1/trades?tx=0xt1").await), ["other/0xb1/0xt1/0", all[1], all[2]]);
        assert_eq!(ids(&api.get("/v1/transactions/mock/a%2Fb").await), ["mock/0xb4/a/b/0"]);
        assert_eq!(api.get("/v1/trades/mock%2F0xb5%2Fa%2Fc%2F0").await["block"]["height"], 5);
        assert_eq!(api.get("/v1/transactions/mock/0xt99").await, json!({ "items": [] }));
    }
}

#[tokio::test]
async fn wrong_values_are_named() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    for (query, field, said) in [
        ("from=1700000000", "from", "did you mean `1700000000000`?"),
        ("to=1700000000", "to", "did you mean `1700000000000`?"),
        ("to=5", "to", "from 1231200000000 (January 2009)"),
        ("from=1700000000000000", "from", "in milliseconds"),
        ("from=2023-11-14T22:13:20Z", "from", "in milliseconds"),
        ("from=%2B1700000000000", "from", "in milliseconds"),
        ("from=1700000000001&to=1700000000001", "from", "before `to`"),
        ("minUsd=-1", "minUsd", "as a decimal"),
        ("minUsd=1e3", "minUsd", "as a decimal"),
        ("minUsd=1000000000000000.1", "minUsd", "from 0 to 1000000000000000"),
        ("minUsd=", "minUsd", "as a decimal"),
        ("platform=", "platform", "must not be empty"),
        ("pool=a%00b", "pool", "control characters"),
        ("tx=", "tx", "must not be empty"),
    ] {
        for path in ["/v1/trades", "/v1/users/0xa/trades"] {
            let refused = api.request(Method::GET, &format!("{path}?{query}"), &[]).await;
            let problem = problem(refused, 400, "bad-parameter").await;
            assert_eq!(problem["field"], field, "{query}");
            assert!(problem["detail"].as_str().unwrap().contains(said), "{query}: {problem}");
        }
    }
    let refused = api.request(Method::GET, "/v1/transactions/mock/0xt?from=1700000000000", &[]).await;
    assert_eq!(problem(refused, 400, "bad-parameter").await["field"], "from");
}
