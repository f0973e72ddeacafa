//! Alchemy over HTTP, against a server on this machine that answers what was recorded, and what is documented.

use crate::moralis::{Server, progress, recorded, rows};
use environment::{Rate, RateLimiter, Secret};
use portfolio::names::Names;
use portfolio::provider::alchemy::Alchemy;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use serde_json::{Value, json};

const ADDRESS: &str = "0x9e9fbde7c7a83c43913bddc8779158f1368f0413";
const SOLANA: &str = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM";
const KEY: &str = "hush-hush";

async fn start(server: &Server, network: &str) -> Alchemy {
    let base = server.listen("/data/v1").await;
    let names = Names::default();
    names.learn(progress(&[("alchemy", network), ("wrapped-native", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")]));
    Alchemy::new(&base.parse().unwrap(), Secret::new(KEY), names, RateLimiter::new(Rate::per_second(1_000, 1_000)))
        .unwrap()
}

async fn ask(server: &Server) -> Result<Snapshot, ProviderError> {
    start(server, "eth-mainnet").await.snapshot(&Wallet::new("ethereum", ADDRESS)).await
}

/// SYNTHETIC: no answer of several pages was recorded; these follow the shape of the recorded one.
fn synthetic_page(address: &str, network: &str, tokens: &[(Option<&str>, &str)], page_key: Option<&str>) -> String {
    let row = |(token, balance): &(Option<&str>, &str)| {
        json!({"address": address, "network": network, "tokenAddress": token, "tokenBalance": balance,
            "tokenMetadata": {"symbol": "T\u{202e}KN", "decimals": 6, "name": "Token", "logo": null}, "tokenPrices": []})
    };
    json!({"data": {"tokens": tokens.iter().map(row).collect::<Vec<_>>(), "pageKey": page_key}}).to_string()
}

#[tokio::test]
async fn the_recorded_answer_is_the_wallet_that_moralis_saw() {
    let (Some(body), Some(other)) = (
        recorded("wallets/answers/alchemy_tokens_by_address_response.json"),
        recorded("wallets/answers/moralis_erc20_response.json"),
    ) else {
        return;
    };
    let truth: Vec<Value> = serde_json::from_slice(&other).unwrap();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let mut expected: Vec<(String, String)> =
        truth.iter().map(|row| (text(row, "token_address").to_lowercase(), text(row, "balance"))).collect();
    expected.sort();
    let snapshot = ask(&Server::default().then(200, body)).await.unwrap();
    let told: Vec<(String, String)> = rows(&snapshot).into_iter().map(|(asset, raw, _)| (asset, raw)).collect();
    assert_eq!(told, expected, "the same six balances; sixteen of nothing are left out");
}

#[tokio::test]
async fn the_request_is_the_documented_one_and_pages_are_followed_to_the_last() {
    let page = |tokens, key| synthetic_page(ADDRESS, "eth-mainnet", tokens, key);
    let token = "0x1111111111111111111111111111111111111111";
    let server = Server::default()
        .then(200, page(&[(None, "0x5"), (Some(token), "0xff")], Some("page two")))
        .then(200, page(&[(Some("0xC02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"), "0x2")], None));
    let snapshot = ask(&server).await.unwrap();
    let wrapped = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
    let expected = [(token, "255"), (wrapped, "7")].map(|(asset, raw)| (asset.to_owned(), raw.to_owned(), false));
    assert_eq!(rows(&snapshot), expected);
    assert!(snapshot.balances().all(|balance| balance.symbol.as_deref() == Some("TKN")));
    let asked = server.asked();
    assert!(asked.iter().all(|one| one.starts_with("POST /data/v1/hush-hush/assets/tokens/by-address ")), "{asked:?}");
    let bodies: Vec<Value> = server.bodies().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let question = json!({"addresses": [{"address": ADDRESS, "networks": ["eth-mainnet"]}], "withMetadata": true,
        "withPrices": false, "includeNativeTokens": true});
    assert_eq!(bodies[0], question);
    assert_eq!(bodies[1]["pageKey"], "page two");
}

#[tokio::test]
async fn solana_is_asked_alike() {
    let mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
    let page = synthetic_page(SOLANA, "solana-mainnet", &[(None, "1000"), (Some(mint), "0x7")], None);
    let server = Server::default().then(200, page);
    let snapshot = start(&server, "solana-mainnet").await.snapshot(&Wallet::new("ethereum", SOLANA)).await.unwrap();
    let native = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
    let expected = [(native, "1000"), (mint, "7")].map(|(asset, raw)| (asset.to_owned(), raw.to_owned(), false));
    assert_eq!(rows(&snapshot), expected);
}

/// SYNTHETIC: statuses and the error body are those that are documented, none was recorded.
#[tokio::test]
async fn every_documented_error_is_what_someone_can_act_upon() {
    let error = json!({"error": {"message": format!("no ({KEY})")}}).to_string();
    for status in [400, 401, 403, 404, 429, 500, 502, 503, 504] {
        let server = Server::default().then(status, error.clone());
        let refused = ask(&server).await.unwrap_err();
        let as_expected = match (&refused, status) {
            (ProviderError::Rejected(said), 400 | 404) | (ProviderError::Denied(said), 401 | 403) => said == "no (***)",
            (ProviderError::Limited { after_ms: None }, 429) => true,
            (ProviderError::Unavailable(error), 500..) => {
                let cause = error.source.to_string();
                cause.contains(&status.to_string()) && !cause.contains(KEY)
            }
            _ => false,
        };
        assert!(as_expected, "{status}: {refused:?}");
        assert_eq!(server.asked().len(), 1, "trying again is the queue's");
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_or_lies_is_no_snapshot() {
    let page = |key| synthetic_page(ADDRESS, "eth-mainnet", &[(None, "0x5")], key);
    let other = synthetic_page(SOLANA, "eth-mainnet", &[(None, "0x5")], None);
    let cases: Vec<(Server, &str)> = vec![
        (Server::default().then(200, page(Some("next"))).then(500, "oh"), "unavailable"),
        (Server::default().then(200, page(Some("next"))).then(200, page(Some("next"))), "leads back"),
        (Server::default().then(200, other), "another wallet"),
        (Server::default().then(200, "[]"), "not what is documented"),
        (Server::default().with(302, vec![("location", "http://127.0.0.1:1/".to_owned())], ""), "redirects"),
    ];
    for (server, expected) in cases {
        let said = match ask(&server).await.unwrap_err() {
            ProviderError::Unavailable(_) => "unavailable".to_owned(),
            ProviderError::Malformed(reason) => reason,
            other => panic!("{expected}: {other:?}"),
        };
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[tokio::test]
async fn an_outage_tells_no_key() {
    let names = Names::default();
    names.learn(progress(&[("alchemy", "eth-mainnet")]));
    let nowhere = "http://127.0.0.1:1/data/v1".parse().unwrap();
    let alchemy =
        Alchemy::new(&nowhere, Secret::new(KEY), names, RateLimiter::new(Rate::per_second(1_000, 1_000))).unwrap();
    let error = alchemy.snapshot(&Wallet::new("ethereum", ADDRESS)).await.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error} {error:?}");
        cause = error.source();
    }
    assert!(!text.contains(KEY), "{text}");
}
