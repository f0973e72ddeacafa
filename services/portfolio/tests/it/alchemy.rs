//! Alchemy over HTTP, against a local server with recorded and documented responses.

use crate::server::{ProviderServer, progress, recorded, rows};
use environment::Secret;
use portfolio::names::ProviderNames;
use portfolio::provider::alchemy::Alchemy;
use portfolio::provider::throttle::Throttle;
use portfolio::settings::RequestRate;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use serde_json::{Value, json};

const ADDRESS: &str = "0x9e9fbde7c7a83c43913bddc8779158f1368f0413";
const SOLANA: &str = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM";
const KEY: &str = "hush-hush";

async fn start(server: &ProviderServer, network: &str) -> Alchemy {
    let base = server.listen("/data/v1").await;
    let names = ProviderNames::default();
    names.learn(progress(&[("alchemy", network), ("wrapped-native", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")]));
    Alchemy::new(
        &base.parse().unwrap(),
        None,
        Secret::new(KEY),
        names,
        Throttle::new(RequestRate { per_1000s: 1_000_000 }),
    )
    .unwrap()
}

async fn fetch_snapshot(server: &ProviderServer) -> Result<Snapshot, ProviderError> {
    start(server, "eth-mainnet").await.snapshot(&Wallet::new("ethereum", ADDRESS)).await
}

/// SYNTHETIC: no list of several pages was recorded; these follow the shape of the recorded one.
fn synthetic_page(address: &str, network: &str, tokens: &[(Option<&str>, &str)], page_key: Option<&str>) -> String {
    let row = |(token, balance): &(Option<&str>, &str)| {
        json!({"address": address, "network": network, "tokenAddress": token, "tokenBalance": balance,
            "tokenMetadata": {"symbol": "T\u{202e}KN", "decimals": 6, "name": "Token", "logo": null}, "tokenPrices": []})
    };
    json!({"data": {"tokens": tokens.iter().map(row).collect::<Vec<_>>(), "pageKey": page_key}}).to_string()
}

#[tokio::test]
async fn the_recorded_response_agrees_with_that_of_moralis() {
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
    let snapshot = fetch_snapshot(&ProviderServer::default().then(200, body)).await.unwrap();
    let balances: Vec<(String, String)> = rows(&snapshot).into_iter().map(|(asset, raw, _)| (asset, raw)).collect();
    assert_eq!(balances, expected, "the same six balances; sixteen of zero are left out");
}

#[tokio::test]
async fn the_request_is_the_documented_one_and_pages_are_followed_to_the_last() {
    let page = |tokens, key| synthetic_page(ADDRESS, "eth-mainnet", tokens, key);
    let token = "0x1111111111111111111111111111111111111111";
    let server = ProviderServer::default()
        .then(200, page(&[(None, "0x5"), (Some(token), "0xff")], Some("page two")))
        .then(200, page(&[(Some("0xC02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"), "0x2")], None));
    let snapshot = fetch_snapshot(&server).await.unwrap();
    let wrapped = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
    let expected = [(token, "255"), (wrapped, "7")].map(|(asset, raw)| (asset.to_owned(), raw.to_owned(), None));
    assert_eq!(rows(&snapshot), expected);
    assert!(snapshot.balances().all(|balance| balance.decoration.symbol.as_deref() == Some("TKN")));
    let requests = server.requests();
    assert!(
        requests.iter().all(|one| one.starts_with("POST /data/v1/hush-hush/assets/tokens/by-address ")),
        "{requests:?}"
    );
    let bodies: Vec<Value> = server.bodies().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let query = json!({"addresses": [{"address": ADDRESS, "networks": ["eth-mainnet"]}], "withMetadata": true,
        "withPrices": true, "includeNativeTokens": true});
    assert_eq!(bodies[0], query);
    assert_eq!(bodies[1]["pageKey"], "page two");
}

/// SYNTHETIC: bodies as they were reported of broken tokens; one of them hides no other.
#[tokio::test]
async fn a_token_that_cannot_be_told_is_left_out_and_the_rest_is_read() {
    let token = "0x1111111111111111111111111111111111111111";
    let broken = "0x2222222222222222222222222222222222222222";
    for bad in ["0x", "-1", "1e+30", &format!("0x{}1{}", "0".repeat(63), "f".repeat(192))] {
        let page = synthetic_page(ADDRESS, "eth-mainnet", &[(Some(token), "0x5"), (Some(broken), bad)], None);
        let snapshot = fetch_snapshot(&ProviderServer::default().then(200, page)).await.unwrap();
        assert_eq!(rows(&snapshot), [(token.to_owned(), "5".to_owned(), None)], "{bad}");
        let left_out = snapshot.left_out().unwrap();
        assert!(left_out.rows == 1 && left_out.reason.contains(broken), "{bad}: {left_out:?}");
    }
}

/// SYNTHETIC: what is wrong with a row is shown to everybody.
#[tokio::test]
async fn the_reason_for_what_is_left_out_holds_no_key() {
    let row = json!({"address": ADDRESS, "network": "eth-mainnet", "tokenAddress": null, "tokenBalance": null,
        "error": format!("no answer from /v2/{KEY}")});
    let page = json!({"data": {"tokens": [row], "pageKey": null}}).to_string();
    let snapshot = fetch_snapshot(&ProviderServer::default().then(200, page)).await.unwrap();
    let reason = &snapshot.left_out().unwrap().reason;
    assert!(reason.contains("/v2/***") && !reason.contains(KEY), "{reason}");
}

/// SYNTHETIC: the head is that of a node's JSON-RPC; balances name no height.
#[tokio::test]
async fn the_head_is_asked_for_before_the_balances() {
    for (network, address, method, head) in
        [("eth-mainnet", ADDRESS, "eth_blockNumber", r#""0x65""#), ("solana-mainnet", SOLANA, "getSlot", "101")]
    {
        let page = synthetic_page(address, network, &[(None, "0x5")], None);
        let node = format!(r#"{{"jsonrpc": "2.0", "id": 1, "result": {head}}}"#);
        let server = ProviderServer::default().then(200, node).then(200, page.clone()).then(500, "oh").then(200, page);
        let base = server.listen("").await;
        let names = ProviderNames::default();
        names.learn(progress(&[("alchemy", network)]));
        let (url, node_url) = (base.parse().unwrap(), Some(format!("{base}/{{network}}/v2")));
        let throttle = Throttle::new(RequestRate { per_1000s: 1_000_000 });
        let alchemy = Alchemy::new(&url, node_url, Secret::new(KEY), names, throttle).unwrap();
        let wallet = Wallet::new("ethereum", address);
        assert_eq!(alchemy.snapshot(&wallet).await.unwrap().as_of, Some(101), "{network}");
        assert!(server.requests()[0].starts_with(&format!("POST /{network}/v2/{KEY} ")), "{:?}", server.requests());
        assert!(server.bodies()[0].contains(method), "{:?}", server.bodies());
        assert_eq!(alchemy.snapshot(&wallet).await.unwrap().as_of, None, "without a head the height is unknown");
    }
}

#[tokio::test]
async fn solana_wallets_are_asked_for_in_the_same_way() {
    let mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
    let page = synthetic_page(SOLANA, "solana-mainnet", &[(None, "1000"), (Some(mint), "0x7")], None);
    let server = ProviderServer::default().then(200, page);
    let snapshot = start(&server, "solana-mainnet").await.snapshot(&Wallet::new("ethereum", SOLANA)).await.unwrap();
    let native = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
    let expected = [(native, "1000"), (mint, "7")].map(|(asset, raw)| (asset.to_owned(), raw.to_owned(), None));
    assert_eq!(rows(&snapshot), expected);
}

/// SYNTHETIC: statuses and the error body are those that are documented, none was recorded.
#[tokio::test]
async fn every_documented_status_has_its_error() {
    let error = json!({"error": {"message": format!("no ({KEY})")}}).to_string();
    for status in [400, 401, 403, 404, 429, 500, 502, 503, 504] {
        let server = ProviderServer::default().then(status, error.clone());
        let refused = fetch_snapshot(&server).await.unwrap_err();
        let as_expected = match (&refused, status) {
            (ProviderError::Rejected(reason), 400 | 404) | (ProviderError::Denied(reason), 401 | 403) => {
                reason == "no (***)"
            }
            (ProviderError::Limited { after_ms: 1000 }, 429) => true,
            (ProviderError::Unavailable(error), 500..) => {
                let cause = error.source.to_string();
                cause.contains(&status.to_string()) && !cause.contains(KEY)
            }
            _ => false,
        };
        assert!(as_expected, "{status}: {refused:?}");
        assert_eq!(server.requests().len(), 1, "retrying is up to the queue");
    }
}

/// SYNTHETIC: documented of JSON-RPC, not seen of this API.
#[tokio::test]
async fn an_error_in_a_200_is_read_before_the_data() {
    for data in ["", r#", "data": {"tokens": []}"#] {
        let body = format!(r#"{{"error": {{"code": 429, "message": "exceeded"}}{data}}}"#);
        let refused = fetch_snapshot(&ProviderServer::default().then(200, body)).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Limited { after_ms: 1000 }), "{refused:?}");
    }
    let denied = r#"{"error": {"code": 403, "message": "network not enabled"}}"#;
    let refused = fetch_snapshot(&ProviderServer::default().then(200, denied)).await.unwrap_err();
    assert!(matches!(&refused, ProviderError::Denied(reason) if reason == "network not enabled"), "{refused:?}");
}

#[tokio::test]
async fn an_incomplete_or_contradictory_list_is_not_a_snapshot() {
    let page = |key| synthetic_page(ADDRESS, "eth-mainnet", &[(None, "0x5")], key);
    let other = synthetic_page(SOLANA, "eth-mainnet", &[(None, "0x5")], None);
    let cases: Vec<(ProviderServer, &str)> = vec![
        (ProviderServer::default().then(200, page(Some("next"))).then(500, "oh"), "unavailable"),
        (ProviderServer::default().then(200, page(Some("next"))).then(200, page(Some("next"))), "leads back"),
        (ProviderServer::default().then(200, other), "another wallet"),
        (ProviderServer::default().then(200, "[]"), "not what is documented"),
        (ProviderServer::default().with(302, vec![("location", "http://127.0.0.1:1/".to_owned())], ""), "redirects"),
    ];
    for (server, expected) in cases {
        let failure = match fetch_snapshot(&server).await.unwrap_err() {
            ProviderError::Unavailable(_) => "unavailable".to_owned(),
            ProviderError::Malformed(reason) => reason,
            other => panic!("{expected}: {other:?}"),
        };
        assert!(failure.contains(expected), "{expected}: {failure}");
    }
}

#[tokio::test]
async fn the_error_of_an_outage_holds_no_key() {
    let names = ProviderNames::default();
    names.learn(progress(&[("alchemy", "eth-mainnet")]));
    let nowhere = "http://127.0.0.1:1/data/v1".parse().unwrap();
    let alchemy =
        Alchemy::new(&nowhere, None, Secret::new(KEY), names, Throttle::new(RequestRate { per_1000s: 1_000_000 }))
            .unwrap();
    let error = alchemy.snapshot(&Wallet::new("ethereum", ADDRESS)).await.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error} {error:?}");
        cause = error.source();
    }
    assert!(!text.contains(KEY), "{text}");
}
