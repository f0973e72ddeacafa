//! Names that mean nothing here are answered with a sentence: chains that are not followed, addresses and hashes of no chain,
//! tickers where the id of an asset is expected.

use crate::ground::{Ground, event, trade};
use crate::rest::problem;
use crate::serving::{EVENT_TIMEOUT, Serving};
use crate::stream::progress;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tape::Status;
use tape_log::{Log, Target, topics};

const WETH: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
const FAKE: &str = "0x00000000000000000000000000000000000000fa";
const TRADER: &str = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045";
const MINT: &str = "So11111111111111111111111111111111111111112";

/// An api that follows an Ethereum called `eth` and a Solana called `sol`, where the ether is traded twice and its
/// imitation once.
async fn api(ground: &Ground) -> Serving {
    let log = Log::open(&Target::Memory).await.unwrap();
    let api = Serving::over(log, &ground.url(), |_| {}).await;
    for (chain, name, network) in [("eth", "Ethereum", "eip155:1/0xd4e5"), ("sol", "Solana", "solana:5eykt")] {
        let mut progress = progress(0);
        (progress.chain, progress.network) = (chain.to_owned(), network.to_owned());
        progress.display = [("name".to_owned(), name.to_owned())].into();
        api.publish_record(&topics::PROGRESS, chain, wire::v1::progress::encode(&progress)).await;
    }
    let of = |height: u64, asset: &str| {
        let mut trade = trade("eth", height, 0, TRADER);
        trade.sold.asset = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48".into();
        trade.bought.asset = asset.into();
        event(Status::Observed, trade)
    };
    let events = [of(1, FAKE), of(2, WETH), of(3, WETH)];
    ground.trades(&events).await;
    api.publish(&events).await;
    let read = async {
        loop {
            let chains = api.get("/v1/chains").await["items"].as_array().unwrap().len();
            let measured = api.request(Method::GET, "/ready", &[]).await.text().await.unwrap();
            let ready: Value = serde_json::from_str(&measured).unwrap();
            let refused = api.request(Method::GET, "/v1/trades?chain=ethereum", &[]).await.status() == 400;
            if chains == 2 && ready["log"]["unfolded"] == 3 && refused {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(EVENT_TIMEOUT, read).await.unwrap();
    api
}

#[tokio::test]
async fn a_name_that_means_nothing_is_answered_with_a_sentence() {
    let ground = Ground::sqlite().await;
    let api = api(&ground).await;
    let followed = "is `ethereum`, but no such chain is followed; followed are `eth`, `sol`; did you mean `eth`?";
    for (path, field, said) in [
        ("/v1/trades?chain=ethereum", "chain", followed),
        ("/v1/users/0xd8da6bf26964af9d7eed9e03e53415d37aa96045/metrics?chain=ethereum", "chain", followed),
        ("/v1/users/0xd8da6bf26964af9d7eed9e03e53415d37aa96045/fees?chain=ethereum", "chain", followed),
        ("/v1/transactions/ethereum/0x12", "chain", followed),
        ("/v1/trades/ethereum%2F0xb%2F0xt%2F0", "tradeId", followed),
        ("/v1/users/0xd8da6bf26964af9d7eed9e03e53415d37aa96045/positions/ethereum/WETH/explain", "chain", followed),
        (
            "/v1/trades?trader=0x12",
            "trader",
            "is `0x12`, which is not an address on any chain that is followed: on `eth` it is `0x` and 40 hexadecimal digits; on `sol` it is 32 bytes in base58",
        ),
        ("/v1/users/vitalik.eth/metrics", "address", "is `vitalik.eth`, which is not an address"),
        ("/v1/users/0x12/portfolio", "address", "is `0x12`, which is not an address"),
        (
            "/v1/users/So11111111111111111111111111111111111111112/trades?chain=eth",
            "address",
            "which is not an address: on `eth` it is `0x`",
        ),
        (
            "/v1/transactions/eth/0x12",
            "hash",
            "`hash` is `0x12`, which is not the hash of a transaction: on `eth` it is `0x` and 64",
        ),
        ("/v1/trades?tx=0x12", "tx", "`tx` is `0x12`, which is not the hash of a transaction on any chain"),
        (
            "/v1/trades?asset=WETH",
            "asset",
            "did you mean one of `0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2` (WETH on eth), `0x00000000000000000000000000000000000000fa` (WETH on eth)?",
        ),
        (
            "/v1/trades?asset=usdc&chain=eth",
            "asset",
            "on `eth` it is a contract: `0x` and 40 hexadecimal digits; did you mean `0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48` (USDC on eth)?",
        ),
        ("/v1/trades?asset=weth&chain=sol", "asset", "no asset of this ticker was traded lately"),
        (
            "/v1/users/0xd8da6bf26964af9d7eed9e03e53415d37aa96045/positions/eth/WETH/explain",
            "asset",
            "did you mean one of",
        ),
    ] {
        let refused = problem(api.request(Method::GET, path, &[]).await, 400, "bad-parameter").await;
        assert_eq!(refused["field"], field, "{path}: {refused}");
        assert!(refused["detail"].as_str().unwrap().contains(said), "{path}: {refused}");
    }
    // What is well formed but unseen is no mistake, and neither is the case of hexadecimal digits.
    let count = async |path: &str| api.get(path).await["items"].as_array().unwrap().len();
    assert_eq!(count(&format!("/v1/trades?trader=0x{}", &TRADER[2..].to_uppercase())).await, 3);
    assert_eq!(count(&format!("/v1/trades?asset=0X{}&chain=eth", &WETH[2..].to_uppercase())).await, 2);
    assert_eq!(count(&format!("/v1/trades?asset={MINT}")).await, 0);
    assert_eq!(count(&format!("/v1/users/{MINT}/trades?chain=sol")).await, 0);
    assert_eq!(count(&format!("/v1/transactions/eth/0x{}", "aB".repeat(32))).await, 0);
    let nothing = format!("/v1/users/{TRADER}/positions/sol/{MINT}/explain");
    let refused = api.request(Method::GET, &nothing, &[]).await;
    assert_eq!(problem(refused, 400, "bad-parameter").await["field"], "address", "no address of that chain");
}

#[tokio::test]
async fn subscriptions_are_refused_with_the_same_sentences() {
    let ground = Ground::sqlite().await;
    let api = api(&ground).await;
    let mut listener = api.stream().await;
    for (channel, filter, field, said) in [
        ("trades", json!({"chain": "ethereum"}), "filter.chain", "did you mean `eth`?"),
        ("trades", json!({"trader": "0x12"}), "filter.trader", "is not an address"),
        ("trades", json!({"asset": "WETH"}), "filter.asset", "(WETH on eth)"),
        ("user.metrics", json!({"address": TRADER, "chain": "ETH"}), "filter.chain", "did you mean `eth`?"),
        ("user.portfolio", json!({"address": MINT, "chain": "eth"}), "filter.address", "is not an address"),
    ] {
        let message = json!({"op": "subscribe", "id": "mine", "channel": channel, "filter": filter}).to_string();
        listener.send(&message).await;
        let refused = listener.next().await;
        assert_eq!(
            (&refused["type"], &refused["code"], &refused["id"], &refused["field"]),
            (&json!("error"), &json!("bad-message"), &json!("mine"), &json!(field)),
            "{refused}"
        );
        assert!(refused["detail"].as_str().unwrap().contains(said), "{refused}");
    }
    listener
        .send(&json!({"op": "subscribe", "channel": "user.metrics", "filter": {"address": MINT}}).to_string())
        .await;
    assert_eq!(listener.next().await["type"], "snapshot");
}

#[tokio::test]
async fn before_it_is_known_which_chains_are_followed_every_name_may_mean_something() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    api.following().await;
    for path in ["/v1/trades?chain=ethereum&asset=WETH", "/v1/trades?trader=0x12&tx=0x12", "/v1/transactions/eth/0x12"]
    {
        assert_eq!(api.get(path).await, json!({ "items": [] }), "{path}");
    }
}
