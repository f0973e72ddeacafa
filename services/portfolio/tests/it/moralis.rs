//! Moralis over HTTP, against a local server with recorded and documented responses.

use crate::server::{ProviderServer, progress, recorded, rows};
use environment::Secret;
use portfolio::names::ProviderNames;
use portfolio::provider::moralis::Moralis;
use portfolio::provider::throttle::Throttle;
use portfolio::settings::RequestRate;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use std::time::{Duration, Instant};

const ADDRESS: &str = "0x9e9fbde7c7a83c43913bddc8779158f1368f0413";
const KEY: &str = "hush-hush";

async fn start(server: &ProviderServer) -> Moralis {
    moralis(&server.listen("/api/v2.2").await, Throttle::new(RequestRate { per_1000s: 1_000_000 }))
}

async fn fetch_snapshot(server: &ProviderServer) -> Result<Snapshot, ProviderError> {
    start(server).await.snapshot(&Wallet::new("ethereum", ADDRESS)).await
}

fn moralis(url: &str, throttle: Throttle) -> Moralis {
    moralis_of(url, throttle, &[("moralis", "eth"), ("wrapped-native", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")])
}

/// Moralis where the chain file has these `[providers]`.
fn moralis_of(url: &str, throttle: Throttle, providers: &[(&str, &str)]) -> Moralis {
    let names = ProviderNames::default();
    names.learn(progress(providers));
    let solana = url.parse().unwrap();
    Moralis::new(url.parse().unwrap(), solana, Secret::new(KEY), names, throttle).unwrap()
}

/// SYNTHETIC: no list of several pages was recorded; these follow the documented shape.
fn synthetic_page(tokens: &[(char, u64)], cursor: Option<&str>) -> String {
    let rows: Vec<_> = tokens
        .iter()
        .map(|(digit, raw)| {
            let address = format!("0x{}", digit.to_string().repeat(40));
            serde_json::json!({"token_address": address, "symbol": "T", "decimals": 18, "balance": raw.to_string(),
                "possible_spam": false, "native_token": false, "usd_price": null, "total_supply": null})
        })
        .collect();
    serde_json::json!({"page": 1, "page_size": 100, "block_number": 17_000_000, "cursor": cursor, "result": rows})
        .to_string()
}

#[tokio::test]
async fn recorded_responses_become_balances() {
    for path in
        ["wallets/answers/moralis_erc20_response.json", "wallets/moralis/sample_docs_erc20_at_block_16310000.json"]
    {
        let Some(body) = recorded(path) else { return };
        let truth: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
        let mut expected: Vec<_> = truth
            .iter()
            .map(|row| {
                let text = |field: &str| row[field].as_str().unwrap().to_owned();
                (text("token_address").to_lowercase(), text("balance"), row["possible_spam"].as_bool())
            })
            .collect();
        expected.sort();
        assert!(!expected.is_empty());
        let snapshot = fetch_snapshot(&ProviderServer::default().then(200, body)).await.unwrap();
        assert_eq!(rows(&snapshot), expected, "{path}");
    }
}

#[tokio::test]
async fn the_request_is_the_documented_one_and_pages_are_followed_to_the_last() {
    let server = ProviderServer::default()
        .then(200, synthetic_page(&[('1', 1), ('e', 5)], Some("a b/c")))
        .then(200, synthetic_page(&[('2', 2)], Some("next")))
        .then(200, synthetic_page(&[], None));
    let snapshot = fetch_snapshot(&server).await.unwrap();
    let wrapped = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2".to_owned();
    let token = |digit: &str| format!("0x{}", digit.repeat(40));
    let expected =
        [(token("1"), "1"), (token("2"), "2"), (wrapped, "5")].map(|(a, raw)| (a, raw.to_owned(), Some(false)));
    assert_eq!(rows(&snapshot), expected);
    let path = format!("GET /api/v2.2/wallets/{ADDRESS}/tokens chain=eth&limit=100");
    let requests = ["", "&cursor=a+b%2Fc", "&cursor=next"].map(|cursor| format!("{path}{cursor} {KEY}"));
    assert_eq!(server.requests(), requests);
}

/// SYNTHETIC: the native coin of these chains is listed a second time, as the contract that it is.
#[tokio::test]
async fn a_native_coin_that_is_its_own_token_counts_once() {
    for contract in [
        "0x0000000000000000000000000000000000001010",
        "0x471EcE3750Da237f93B8E339c536989b8978a438",
        "0xDeadDeAddeAddEAddeadDEaDDEAdDeaDDeAD0000",
        "0x000000000000000000000000000000000000800A",
    ] {
        let row = |address: &str, balance: &str, native: bool| serde_json::json!({"token_address": address, "balance": balance, "native_token": native});
        let native = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
        let body = serde_json::json!({"result": [row(native, "7", true), row(&contract.to_lowercase(), "7", false)]});
        let server = ProviderServer::default().then(200, body.to_string());
        let url = server.listen("").await;
        let throttle = Throttle::new(RequestRate { per_1000s: 1_000_000 });
        let moralis = moralis_of(&url, throttle, &[("moralis", "chain"), ("native-token", contract)]);
        let snapshot = moralis.snapshot(&Wallet::new("ethereum", ADDRESS)).await.unwrap();
        assert_eq!(rows(&snapshot), [(contract.to_lowercase(), "7".to_owned(), None)], "{contract}");
    }
}

#[tokio::test]
async fn an_incomplete_list_is_not_a_snapshot() {
    let first = synthetic_page(&[('1', 1)], Some("next"));
    let cut_short = &first[..first.len() / 2];
    let cases: Vec<(ProviderServer, &str)> = vec![
        (ProviderServer::default().then(200, first.clone()).then(500, "oh"), "unavailable"),
        (ProviderServer::default().then(200, first.clone()).then(200, first.clone()), "leads back"),
        (
            ProviderServer::default().then(200, first.clone()).then(200, synthetic_page(&[('1', 2)], None)),
            "two balances",
        ),
        (ProviderServer::default().then(200, first.clone()).then(200, cut_short), "not what is documented"),
        (ProviderServer::default().then(200, "<html>fine</html>"), "not what is documented"),
        (ProviderServer::default().then(200, ""), "not what is documented"),
        (ProviderServer::default().then(200, vec![b' '; 9 * 1024 * 1024]), "longer than"),
        (ProviderServer::default().then(204, ""), "instead of 200"),
        (ProviderServer::default().with(302, vec![("location", "http://127.0.0.1:1/".to_owned())], ""), "redirects"),
    ];
    for (server, expected) in cases {
        let error = fetch_snapshot(&server).await.unwrap_err();
        let failure = match &error {
            ProviderError::Unavailable(_) => "unavailable".to_owned(),
            ProviderError::Malformed(reason) => reason.clone(),
            other => panic!("{expected}: {other:?}"),
        };
        assert!(failure.contains(expected), "{expected}: {failure}");
    }
}

/// SYNTHETIC: statuses and the error body are those that are documented, none was recorded.
#[tokio::test]
async fn every_documented_status_has_its_error() {
    let error = |status: u16| serde_json::json!({"message": format!("no ({KEY})"), "statusCode": status}).to_string();
    for status in [400, 401, 403, 404, 429, 500, 502, 503, 504] {
        let server = ProviderServer::default().then(status, error(status));
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

/// SYNTHETIC: no response about limits was recorded. The time of the second pause grows in spite of what is asked for.
#[tokio::test]
async fn a_refusal_without_a_usable_time_pauses_all_requests_for_longer_and_longer() {
    for asked in [None, Some("0"), Some("Thu, 01 Jan 1970 00:01:00 GMT"), Some("soon")] {
        let headers = || asked.map(|text| ("retry-after", text.to_owned())).into_iter().collect();
        let server = ProviderServer::default().with(429, headers(), "").with(429, headers(), "");
        let moralis = start(&server).await;
        let wallet = Wallet::new("ethereum", ADDRESS);
        for pause in [1000, 2000] {
            let refused = moralis.snapshot(&wallet).await.unwrap_err();
            assert!(
                matches!(refused, ProviderError::Limited { after_ms } if after_ms == pause),
                "{asked:?}: {refused:?}"
            );
        }
        assert_eq!(server.requests().len(), 2, "{asked:?}");
    }
    let server = ProviderServer::default().with(429, vec![("retry-after", "1.5".to_owned())], "");
    let refused = start(&server).await.snapshot(&Wallet::new("ethereum", ADDRESS)).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Limited { after_ms: 2000 }), "{refused:?}");
}

/// SYNTHETIC: no response about limits was recorded.
#[tokio::test]
async fn retry_after_pauses_all_requests() {
    let server = ProviderServer::default()
        .with(429, vec![("retry-after", "1".to_owned())], "")
        .then(200, synthetic_page(&[('1', 1)], None));
    let moralis = start(&server).await;
    let start_time = Instant::now();
    let wallet = Wallet::new("ethereum", ADDRESS);
    let refused = moralis.snapshot(&wallet).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Limited { after_ms: 1000 }), "{refused:?}");
    moralis.snapshot(&wallet).await.unwrap();
    assert!(start_time.elapsed() >= Duration::from_millis(950), "{:?}", start_time.elapsed());
}

#[tokio::test]
async fn requests_are_rate_limited() {
    let page = || synthetic_page(&[('1', 1)], None);
    let server = (0..6).fold(ProviderServer::default(), |server, _| server.then(200, page()));
    let url = server.listen("").await;
    let moralis = moralis(&url, Throttle::new(RequestRate { per_1000s: 2000 }));
    let start_time = Instant::now();
    for _ in 0..4 {
        moralis.snapshot(&Wallet::new("ethereum", ADDRESS)).await.unwrap();
    }
    assert!(start_time.elapsed() >= Duration::from_millis(950), "two at once, two after half a second each");
    assert!(server.requests()[0].starts_with(&format!("GET /wallets/{ADDRESS}/tokens ")));
}

#[tokio::test]
async fn unknown_chains_and_invalid_addresses_are_not_asked_for() {
    let server = ProviderServer::default();
    let moralis = start(&server).await;
    let unknown = moralis.snapshot(&Wallet::new("moon", ADDRESS)).await.unwrap_err();
    assert!(matches!(unknown, ProviderError::UnknownChain(chain) if chain == "moon"));
    for address in ["So11111111111111111111111111111111111111112", "../../other", ""] {
        let refused = moralis.snapshot(&Wallet::new("ethereum", address)).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Rejected(_)), "{refused:?}");
    }
    assert_eq!(server.requests(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = moralis(&url, Throttle::new(RequestRate { per_1000s: 1_000_000 }))
        .snapshot(&Wallet::new("ethereum", ADDRESS))
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable(_)), "{error:?}");
}

/// SYNTHETIC: no response of the Solana gateway was recorded; this one follows its reference.
#[tokio::test]
async fn solana_wallets_are_asked_for_at_the_gateway() {
    let mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
    let body = serde_json::json!({"nativeBalance": {"solana": "0.000000005", "lamports": "5"}, "nfts": [], "tokens": [
        {"mint": mint, "amountRaw": "7", "amount": "0.000007", "decimals": 6, "symbol": "USDC", "possibleSpam": false}]});
    let server = ProviderServer::default().then(200, body.to_string());
    let url = server.listen("").await;
    let names = ProviderNames::default();
    names.learn(progress(&[("moralis", "solana/mainnet")]));
    let base: reqwest::Url = url.parse().unwrap();
    let moralis =
        Moralis::new(base.clone(), base, Secret::new(KEY), names, Throttle::new(RequestRate { per_1000s: 1_000_000 }))
            .unwrap();
    let address = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM";
    let snapshot = moralis.snapshot(&Wallet::new("ethereum", address)).await.unwrap();
    let expected = [(mint, "7", Some(false)), ("native", "5", None)];
    let expected = expected.map(|(asset, raw, spam)| (asset.to_owned(), raw.to_owned(), spam));
    assert_eq!(rows(&snapshot), expected);
    assert_eq!(server.requests(), [format!("GET /account/mainnet/{address}/portfolio  {KEY}")]);
    let refused = moralis.snapshot(&Wallet::new("ethereum", ADDRESS)).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Rejected(_)), "{refused:?}");
}
