//! Moralis over HTTP, against a server on this machine that answers what was recorded, and what is documented.

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use environment::{Rate, RateLimiter, Secret};
use portfolio::names::Names;
use portfolio::provider::moralis::Moralis;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wire::v1::progress::{ChainProgressed, Generation, State as ChainState};

const ADDRESS: &str = "0x9e9fbde7c7a83c43913bddc8779158f1368f0413";
const KEY: &str = "hush-hush";

type Headers = Vec<(&'static str, String)>;
type Answer = (u16, Headers, Vec<u8>);

/// Answers in turn, and remembers what was asked.
#[derive(Clone, Default)]
pub(crate) struct Server {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

async fn answer(State(server): State<Server>, RawQuery(query): RawQuery, request: Request) -> Response {
    let key = request.headers().get("x-api-key").map_or("no key", |key| key.to_str().unwrap()).to_owned();
    let asked = format!("{} {} {} {key}", request.method(), request.uri().path(), query.unwrap_or_default());
    server.asked.lock().unwrap().push(asked);
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    server.bodies.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
    let Some((status, headers, body)) = server.answers.lock().unwrap().pop_front() else {
        return (StatusCode::IM_A_TEAPOT, "asked too often").into_response();
    };
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

impl Server {
    pub(crate) fn then(self, status: u16, body: impl Into<Vec<u8>>) -> Self {
        self.with(status, vec![], body)
    }

    pub(crate) fn with(self, status: u16, headers: Headers, body: impl Into<Vec<u8>>) -> Self {
        self.answers.lock().unwrap().push_back((status, headers, body.into()));
        self
    }

    /// Listens, and says where.
    pub(crate) async fn listen(&self, path: &str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    async fn start(&self) -> Moralis {
        moralis(&self.listen("/api/v2.2").await, RateLimiter::new(Rate::per_second(1_000, 1_000)))
    }

    async fn ask(&self) -> Result<Snapshot, ProviderError> {
        self.start().await.snapshot(&Wallet::new("ethereum", ADDRESS)).await
    }
}

fn moralis(url: &str, limit: RateLimiter) -> Moralis {
    let names = Names::default();
    names.learn(progress(&[("moralis", "eth"), ("wrapped-native", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")]));
    let solana = url.parse().unwrap();
    Moralis::new(url.parse().unwrap(), solana, Secret::new(KEY), names, limit).unwrap()
}

pub(crate) fn progress(providers: &[(&str, &str)]) -> ChainProgressed {
    let text = |text: &&str| (*text).to_owned();
    ChainProgressed {
        chain: "ethereum".to_owned(),
        network: "1".to_owned(),
        step: 1,
        at: 0,
        state: ChainState::Live,
        reason: None,
        published: None,
        latest: None,
        finalized: None,
        lag_blocks: 0,
        detector: Generation { plugin: "evm".to_owned(), version: "1".to_owned(), digest: "d".to_owned() },
        proof: "receipts".to_owned(),
        display: BTreeMap::new(),
        providers: providers.iter().map(|(name, value)| (text(name), text(value))).collect(),
        history: vec![],
        covered: vec![],
        partitions: vec![],
        candidates: vec![],
        unbacked: 0,
    }
}

/// A recorded answer; none, with a printed line, where recordings are not here and nobody promised them.
pub(crate) fn recorded(path: &str) -> Option<Vec<u8>> {
    let promised = std::env::var_os("CHAINTAPE_FIXTURES").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let file = promised.clone().unwrap_or(beside).join(path);
    match std::fs::read(&file) {
        Ok(bytes) => Some(bytes),
        Err(error) if promised.is_some() => panic!("failed to read {}: {error}", file.display()),
        Err(_) => {
            println!("skipped: no recorded answers at {}", file.display());
            None
        }
    }
}

pub(crate) fn rows(snapshot: &Snapshot) -> Vec<(String, String, bool)> {
    snapshot.balances().map(|row| (row.asset.clone(), row.raw.to_string(), row.spam)).collect()
}

/// SYNTHETIC: no answer of several pages was recorded; these follow the documented shape.
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
async fn recorded_answers_become_the_balances_in_them() {
    for path in
        ["wallets/answers/moralis_erc20_response.json", "wallets/moralis/sample_docs_erc20_at_block_16310000.json"]
    {
        let Some(body) = recorded(path) else { return };
        let truth: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
        let mut expected: Vec<_> = truth
            .iter()
            .map(|row| {
                let text = |field: &str| row[field].as_str().unwrap().to_owned();
                (text("token_address").to_lowercase(), text("balance"), row["possible_spam"].as_bool().unwrap_or(false))
            })
            .collect();
        expected.sort();
        assert!(!expected.is_empty());
        let snapshot = Server::default().then(200, body).ask().await.unwrap();
        assert_eq!(rows(&snapshot), expected, "{path}");
    }
}

#[tokio::test]
async fn the_request_is_the_documented_one_and_pages_are_followed_to_the_last() {
    let server = Server::default()
        .then(200, synthetic_page(&[('1', 1), ('e', 5)], Some("a b/c")))
        .then(200, synthetic_page(&[('2', 2)], Some("next")))
        .then(200, synthetic_page(&[], None));
    let snapshot = server.ask().await.unwrap();
    let wrapped = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2".to_owned();
    let token = |digit: &str| format!("0x{}", digit.repeat(40));
    let expected = [(token("1"), "1"), (token("2"), "2"), (wrapped, "5")].map(|(a, raw)| (a, raw.to_owned(), false));
    assert_eq!(rows(&snapshot), expected);
    let path = format!("GET /api/v2.2/wallets/{ADDRESS}/tokens chain=eth&limit=100");
    let asked = ["", "&cursor=a+b%2Fc", "&cursor=next"].map(|cursor| format!("{path}{cursor} {KEY}"));
    assert_eq!(*server.asked.lock().unwrap(), asked);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_no_snapshot() {
    let first = synthetic_page(&[('1', 1)], Some("next"));
    let cases: Vec<(Server, &str)> = vec![
        (Server::default().then(200, first.clone()).then(500, "oh"), "unavailable"),
        (Server::default().then(200, first.clone()).then(200, first.clone()), "leads back"),
        (Server::default().then(200, first.clone()).then(200, synthetic_page(&[('1', 2)], None)), "two balances"),
        (Server::default().then(200, first.clone()).then(200, &first[..first.len() / 2]), "not what is documented"),
        (Server::default().then(200, "<html>fine</html>"), "not what is documented"),
        (Server::default().then(200, ""), "not what is documented"),
        (Server::default().then(200, vec![b' '; 9 * 1024 * 1024]), "longer than"),
        (Server::default().then(204, ""), "instead of 200"),
        (Server::default().with(302, vec![("location", "http://127.0.0.1:1/".to_owned())], ""), "redirects"),
    ];
    for (server, expected) in cases {
        let error = server.ask().await.unwrap_err();
        let said = match &error {
            ProviderError::Unavailable(_) => "unavailable".to_owned(),
            ProviderError::Malformed(reason) => reason.clone(),
            other => panic!("{expected}: {other:?}"),
        };
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

/// SYNTHETIC: statuses and the error body are those that are documented, none was recorded.
#[tokio::test]
async fn every_documented_error_is_what_someone_can_act_upon() {
    let error = |status: u16| serde_json::json!({"message": format!("no ({KEY})"), "statusCode": status}).to_string();
    for status in [400, 401, 403, 404, 429, 500, 502, 503, 504] {
        let server = Server::default().then(status, error(status));
        let refused = server.ask().await.unwrap_err();
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
        assert_eq!(server.asked.lock().unwrap().len(), 1, "trying again is the queue's");
    }
}

/// SYNTHETIC: no answer about limits was recorded.
#[tokio::test]
async fn retry_after_holds_back_everybody() {
    let server = Server::default()
        .with(429, vec![("retry-after", "1".to_owned())], "")
        .then(200, synthetic_page(&[('1', 1)], None));
    let moralis = server.start().await;
    let begun = Instant::now();
    let wallet = Wallet::new("ethereum", ADDRESS);
    let refused = moralis.snapshot(&wallet).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Limited { after_ms: Some(1000) }), "{refused:?}");
    moralis.snapshot(&wallet).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(950), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn requests_keep_to_the_rate() {
    let page = || synthetic_page(&[('1', 1)], None);
    let server = (0..6).fold(Server::default(), |server, _| server.then(200, page()));
    let listening = server.start().await;
    drop(listening);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let moralis = moralis(&url, RateLimiter::new(Rate::per_second(2, 2)));
    let begun = Instant::now();
    for _ in 0..4 {
        moralis.snapshot(&Wallet::new("ethereum", ADDRESS)).await.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(950), "two at once, two after half a second each");
    assert!(server.asked.lock().unwrap()[0].starts_with(&format!("GET /wallets/{ADDRESS}/tokens ")));
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_asked() {
    let server = Server::default();
    let moralis = server.start().await;
    let unknown = moralis.snapshot(&Wallet::new("moon", ADDRESS)).await.unwrap_err();
    assert!(matches!(unknown, ProviderError::UnknownChain(chain) if chain == "moon"));
    for address in ["So11111111111111111111111111111111111111112", "../../other", ""] {
        let refused = moralis.snapshot(&Wallet::new("ethereum", address)).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Rejected(_)), "{refused:?}");
    }
    assert_eq!(*server.asked.lock().unwrap(), [] as [&str; 0]);
}

#[tokio::test]
async fn nobody_there_is_an_outage() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = moralis(&url, RateLimiter::new(Rate::per_second(1_000, 1_000)))
        .snapshot(&Wallet::new("ethereum", ADDRESS))
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable(_)), "{error:?}");
}

/// SYNTHETIC: no answer of the Solana gateway was recorded; this one follows its reference.
#[tokio::test]
async fn a_wallet_on_solana_is_asked_at_the_gateway() {
    let mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
    let body = serde_json::json!({"nativeBalance": {"solana": "0.000000005", "lamports": "5"}, "nfts": [], "tokens": [
        {"mint": mint, "amountRaw": "7", "amount": "0.000007", "decimals": 6, "symbol": "USDC", "possibleSpam": false}]});
    let server = Server::default().then(200, body.to_string());
    let url = server.listen("").await;
    let names = Names::default();
    names.learn(progress(&[("moralis", "solana/mainnet")]));
    let base: reqwest::Url = url.parse().unwrap();
    let moralis =
        Moralis::new(base.clone(), base, Secret::new(KEY), names, RateLimiter::new(Rate::per_second(1_000, 1_000)))
            .unwrap();
    let address = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM";
    let snapshot = moralis.snapshot(&Wallet::new("ethereum", address)).await.unwrap();
    let expected = [(mint, "7"), ("native", "5")].map(|(asset, raw)| (asset.to_owned(), raw.to_owned(), false));
    assert_eq!(rows(&snapshot), expected);
    assert_eq!(server.asked(), [format!("GET /account/mainnet/{address}/portfolio  {KEY}")]);
    let refused = moralis.snapshot(&Wallet::new("ethereum", ADDRESS)).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Rejected(_)), "{refused:?}");
}
