//! What providers say that assets are worth: read from bodies as they send them, stored beside the balances, and by the day.

use crate::server::{ProviderServer, progress, recorded};
use crate::stores;
use environment::Secret;
use portfolio::names::ProviderNames;
use portfolio::provider::alchemy::Alchemy;
use portfolio::provider::moralis::Moralis;
use portfolio::provider::throttle::Throttle;
use portfolio::settings::{Database, RequestRate};
use portfolio::store::Store;
use portfolio_domain::{
    Balance, Decoration, Holdings, Ledger, Provider, Queue, Refresh, Snapshot, Step, Taken, ToldPrice, TouchedWallet,
    Wallet, WalletFacts, balance_changes,
};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tape::{Partition, Raw, Usd};

const ADDRESS: &str = "0x9e9fbde7c7a83c43913bddc8779158f1368f0413";
const WRAPPED: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
const DAY_MS: u64 = 86_400_000;

fn throttle() -> Throttle {
    Throttle::new(RequestRate { per_1000s: 1_000_000 })
}

/// What Moralis, or Alchemy, returns of a wallet for this body.
async fn snapshot_of(provider: &str, body: impl Into<Vec<u8>>) -> Snapshot {
    let server = ProviderServer::default().then(200, body);
    let url: reqwest::Url = server.listen("").await.parse().unwrap();
    let names = ProviderNames::default();
    names.learn(progress(&[("moralis", "eth"), ("alchemy", "eth-mainnet"), ("wrapped-native", WRAPPED)]));
    let (key, wallet) = (Secret::new("hush"), Wallet::new("ethereum", ADDRESS));
    if provider == "moralis" {
        Moralis::new(url.clone(), url, key, names, throttle()).unwrap().snapshot(&wallet).await.unwrap()
    } else {
        Alchemy::new(&url, None, key, names, throttle()).unwrap().snapshot(&wallet).await.unwrap()
    }
}

/// Of each asset, its price as `dollars for units`.
fn prices(snapshot: &Snapshot) -> Vec<(String, Option<String>)> {
    let shown = |price: &ToldPrice| format!("{} for {}", price.usd, price.raw);
    snapshot.balances().map(|one| (one.asset.clone(), one.price.as_ref().map(shown))).collect()
}

fn token(number: usize) -> String {
    format!("0x{:040x}", number + 1)
}

/// Prices as they may stand in a body, beside what is read of them for a token with six decimals.
fn told_and_read() -> Vec<(Value, Option<&'static str>)> {
    vec![
        (json!(2495.48), Some("2495.48 for 1000000")),
        (json!("2495.48"), Some("2495.48 for 1000000")),
        (json!(1), Some("1 for 1000000")),
        (json!(1.5e-9), Some("0.0000000015 for 1000000")),
        (json!("0.0000000000000000012345"), Some("0.000000000000012345 for 10000000000")),
        (Value::Null, None),
        (json!(0), None),
        (json!("0.00"), None),
        (json!(-3.5), None),
        (json!("-3.5"), None),
        (json!(1e30), None),
        (json!("999999999999999999999999999999999999999999"), None),
        (json!("NaN"), None),
        (json!("usd_price_example"), None),
        (json!(true), None),
        (json!({"usd": "1"}), None),
    ]
}

/// SYNTHETIC: the shape is the documented one; the values are those that tokens of all kinds have been seen with.
#[tokio::test]
async fn moralis_prices_are_read_and_what_is_none_hides_no_balance() {
    let told = told_and_read();
    let row = |(at, (price, _)): (usize, &(Value, Option<&str>))| {
        json!({"token_address": token(at), "symbol": "T", "decimals": 6, "balance": "500", "possible_spam": false,
            "verified_contract": true, "native_token": false, "usd_price": price, "usd_value": price,
            "usd_price_24hr_percent_change": null, "portfolio_percentage": 0})
    };
    let mut rows: Vec<Value> = told.iter().enumerate().map(row).collect();
    let more = |number: usize, fields: Value| {
        let mut row = json!({"token_address": token(number), "decimals": 6, "balance": "500"});
        row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        row
    };
    rows.push(more(100, json!({"usd_value": 12.5})));
    rows.push(more(101, json!({"usd_price": null, "usd_value": "1e31"})));
    rows.push(more(102, json!({"usd_price": 2, "decimals": null})));
    rows.push(
        json!({"token_address": "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "native_token": true, "decimals": 18,
        "balance": "7", "usd_price": 2000.5, "usd_value": 0}),
    );
    let snapshot = snapshot_of("moralis", json!({"cursor": null, "result": rows}).to_string()).await;
    assert_eq!(snapshot.left_out(), None, "a price that is none leaves nothing out");
    let mut expected: Vec<(String, Option<String>)> =
        told.iter().enumerate().map(|(at, (_, read))| (token(at), read.map(str::to_owned))).collect();
    expected.push((token(100), Some("12.5 for 500".to_owned())));
    expected.extend([(token(101), None), (token(102), None)]);
    expected.push((WRAPPED.to_owned(), Some("2000.5 for 1000000000000000000".to_owned())));
    expected.sort();
    assert_eq!(prices(&snapshot), expected);
}

/// SYNTHETIC: the shape is that of the recorded response.
#[tokio::test]
async fn alchemy_prices_are_read_with_their_time_and_what_is_none_hides_no_balance() {
    let told = told_and_read();
    let row = |token: Value, decimals: Value, prices: Value| {
        json!({"address": ADDRESS, "network": "eth-mainnet", "tokenAddress": token, "tokenBalance": "0x1f4",
            "tokenMetadata": {"symbol": "T", "decimals": decimals, "name": "T", "logo": null}, "tokenPrices": prices})
    };
    let of =
        |currency: &str, value: &Value, at: &str| json!({"currency": currency, "value": value, "lastUpdatedAt": at});
    let at = "2025-06-07T11:13:44.539113426Z";
    let mut rows: Vec<Value> = told
        .iter()
        .enumerate()
        .map(|(number, (price, _))| {
            row(json!(token(number)), json!(6), json!([of("eur", &json!("9"), at), of("usd", price, at)]))
        })
        .collect();
    let one = json!("1.25");
    rows.push(row(json!(token(100)), json!(6), Value::Null));
    rows.push(row(json!(token(101)), json!(6), json!([of("eur", &one, at)])));
    rows.push(row(json!(token(102)), json!(6), json!("1.25")));
    rows.push(row(json!(token(103)), json!(6), json!([null, 7, of("USD", &one, "yesterday")])));
    rows.push(row(Value::Null, Value::Null, json!([of("usd", &one, "2999-01-01T00:00:00Z")])));
    let body = json!({"data": {"tokens": rows, "pageKey": null}}).to_string();
    let mut snapshot = snapshot_of("alchemy", body).await;
    assert_eq!(snapshot.left_out(), None, "a price that is none leaves nothing out");
    let mut expected: Vec<(String, Option<String>)> =
        told.iter().enumerate().map(|(at, (_, read))| (token(at), read.map(str::to_owned))).collect();
    expected.extend([100, 101, 102].map(|number| (token(number), None)));
    expected.push((token(103), Some("1.25 for 1000000".to_owned())));
    expected.push((WRAPPED.to_owned(), Some("1.25 for 1000000000000000000".to_owned())));
    expected.sort();
    assert_eq!(prices(&snapshot), expected);
    let at_of = |snapshot: &Snapshot, asset: &str| snapshot.balance_of(asset).unwrap().price.as_ref().unwrap().at;
    assert_eq!(at_of(&snapshot, &token(0)), Some(1_749_294_824_539));
    assert_eq!(at_of(&snapshot, &token(103)), None, "no time that is known");
    let asked_at = 1_764_000_000_000;
    snapshot.date_prices(asked_at);
    assert_eq!(at_of(&snapshot, &token(0)), Some(1_749_294_824_539));
    assert_eq!(at_of(&snapshot, &token(103)), Some(asked_at));
    assert_eq!(at_of(&snapshot, WRAPPED), Some(asked_at), "none is of a time to come");
}

#[tokio::test]
async fn the_recorded_prices_are_read() {
    let Some(body) = recorded("wallets/answers/alchemy_tokens_by_address_response.json") else { return };
    let truth: Value = serde_json::from_slice(&body).unwrap();
    let snapshot = snapshot_of("alchemy", body).await;
    let mut count = 0;
    for balance in snapshot.balances() {
        let row =
            truth["data"]["tokens"].as_array().unwrap().iter().find(|row| {
                row["tokenAddress"].as_str().is_some_and(|token| token.eq_ignore_ascii_case(&balance.asset))
            });
        let row = row.unwrap();
        let told = row["tokenPrices"][0]["value"].as_str();
        assert_eq!(balance.price.is_some(), told.is_some(), "{row}");
        if let (Some(price), Some(told)) = (&balance.price, told) {
            let unit = Raw::from(10).pow(Raw::from(row["tokenMetadata"]["decimals"].as_u64().unwrap()));
            let more_digits = told.split_once('.').map_or(0, |(_, digits)| digits.len().saturating_sub(18));
            assert_eq!(price.raw, unit * Raw::from(10).pow(Raw::from(more_digits)), "{told}");
            if more_digits == 0 {
                assert_eq!(price.usd, Usd::parse(told).unwrap());
            }
            count += 1;
        }
    }
    assert!(count > 0, "some of them have a price");
}

fn balance(asset: &str, raw: u64, dollars: Option<&str>) -> Balance {
    let price = dollars.and_then(|dollars| ToldPrice::of_whole_unit(dollars, 6));
    Balance { asset: asset.to_owned(), raw: Raw::from(raw), decoration: Decoration::default(), kept: false, price }
}

/// Refreshes the wallet at a time; its changes are relative to what was shown before.
async fn refresh(store: &Store, number: u64, at: u64, provider: &'static str, balances: &[Balance]) {
    let wallet = Wallet::new("mock", "0xa");
    let touched = vec![TouchedWallet { wallet: wallet.clone(), last_trade_at: 7, last_trade_height: 7 }];
    let facts = WalletFacts { touched, ..WalletFacts::default() };
    let partition = Partition { topic: "trades.executed.v1".into(), index: 0 };
    let from = (number > 1).then(|| number - 1);
    let step = Step { partition, from, next: number, companions: vec![], facts, due_at: 0, max_queued: 9 };
    store.commit(&step).await.unwrap();
    let Taken::Job(job) = store.take(1, 1000, &[]).await.unwrap() else { panic!("nothing is due") };
    let mut snapshot = Snapshot::default();
    for balance in balances {
        snapshot.add(balance.clone());
    }
    snapshot.date_prices(at);
    let changes = balance_changes(&store.shown(&wallet).await.unwrap().balances, &snapshot);
    let (is_completeness_news, late_again_at, again_at) = (false, None, 0);
    let refresh =
        Refresh { job, provider, taken_at: at, snapshot, changes, is_completeness_news, late_again_at, again_at };
    store.replace(&refresh).await.unwrap();
}

async fn fill(store: &Store) {
    let day = |day: u64, later: u64| day * DAY_MS + later;
    refresh(store, 1, day(5, 10), "moralis", &[balance("cat", 1, Some("2")), balance("dog", 4, None)]).await;
    refresh(store, 2, day(5, 20), "moralis", &[balance("cat", 2, Some("2.5")), balance("dog", 4, None)]).await;
    // A second provider, whose prices are of an earlier day, and which says nothing of the cat.
    let mut old = balance("dog", 3, Some("7"));
    old.price.as_mut().unwrap().at = Some(day(4, 0));
    refresh(store, 3, day(6, 0), "alchemy", &[balance("cat", 2, None), old]).await;
    refresh(store, 4, day(8, 0), "moralis", &[balance("cat", 2, Some("3"))]).await;
}

const SELECT_BALANCES: &str = "SELECT asset || ' ' || CAST(price_usd AS text) || ' ' || CAST(price_raw AS text) || ' '
    || CAST(price_at AS text) FROM portfolio.balances_v1 WHERE price_usd IS NOT NULL ORDER BY asset";
const SELECT_DAYS: &str = "SELECT address || ' ' || asset || ' ' || CAST(day AS text) || ' ' || CAST(raw AS text)
    FROM portfolio.balance_days_v1 ORDER BY asset, day";
const SELECT_PRICES: &str =
    "SELECT asset || ' ' || CAST(day AS text) || ' ' || provider || ' ' || CAST(price_usd AS text)
    || ' ' || CAST(told_at AS text) FROM portfolio.told_prices_v1 ORDER BY asset, day";

fn check([balances, days, prices]: [Vec<String>; 3]) {
    let day = |day: u64, later: u64| day * DAY_MS + later;
    assert_eq!(balances, [format!("cat 3 1000000 {}", day(8, 0))], "the newest snapshot's word");
    assert_eq!(days, ["0xa cat 5 2", "0xa dog 5 4", "0xa dog 6 3", "0xa dog 8 0"], "only of days with changes");
    let expected = [
        format!("cat 5 moralis 2.5 {}", day(5, 20)),
        format!("cat 8 moralis 3 {}", day(8, 0)),
        format!("dog 6 alchemy 7 {}", day(4, 0)),
    ];
    assert_eq!(prices, expected, "the last word of each day");
}

#[tokio::test]
async fn prices_and_days_are_stored_on_sqlite() {
    let fresh = stores::sqlite().await;
    fill(&fresh.store).await;
    let Some(Database::Sqlite(directory)) = &fresh.database else { panic!("no file") };
    let main = SqliteConnectOptions::new().filename(directory.join("reader.db")).create_if_missing(true);
    let mut reader = SqliteConnection::connect_with(&main).await.unwrap();
    let file = directory.join("portfolio.db");
    let attach = sqlx::query("ATTACH DATABASE ? AS portfolio").bind(file.to_str().unwrap());
    attach.execute(&mut reader).await.unwrap();
    let mut rows = vec![];
    for query in [SELECT_BALANCES, SELECT_DAYS, SELECT_PRICES] {
        rows.push(sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut reader).await.unwrap());
    }
    check(rows.try_into().unwrap());
}

#[tokio::test]
async fn prices_and_days_are_stored_on_postgresql() {
    let Some(url) = stores::postgres_url() else {
        println!("skipped: DATABASE_URL names no server");
        return;
    };
    let fresh = stores::postgres(&url).await;
    fill(&fresh.store).await;
    let Some(Database::Postgres(url)) = &fresh.database else { panic!("no server") };
    let mut reader = PgConnection::connect(url.expose()).await.unwrap();
    let mut rows = vec![];
    for query in [SELECT_BALANCES, SELECT_DAYS, SELECT_PRICES] {
        rows.push(sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut reader).await.unwrap());
    }
    check(rows.try_into().unwrap());
    reader.close().await.unwrap();
    fresh.remove().await;
}
