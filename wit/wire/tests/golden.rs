//! The published bytes: golden events, schemas that match the types, and refusals that name the field.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tape::{
    AssetAmount, BlockId, BlockRef, Detector, Event, Fee, Leg, Raw, Side, Status, Trade, Trader, Transaction, Usd,
    Valuation,
};
use wire::v1::{journal, metrics, portfolio, progress, trade};

fn event() -> Event {
    let side = |asset: &str, raw: Raw, decimals, symbol: &str, quote| Side {
        asset: asset.into(),
        raw,
        decimals: Some(decimals),
        symbol: Some(symbol.into()),
        quote,
    };
    let (usdc, weth) = ("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2");
    let amount = |asset: &str, raw: Raw| AssetAmount { asset: asset.into(), raw };
    let (sold, bought) = (Raw::from(95_000_000_u64), Raw::from(57_414_644_167_788_278_u64));
    Event {
        id: "ethereum/7/0".into(),
        status: Status::Observed,
        trade: Box::new(Trade {
            kind: Trade::SWAP.into(),
            chain: "ethereum".into(),
            network: "eip155:1/0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3".into(),
            block: BlockRef {
                id: BlockId { height: 18_000_000, hash: "0x95b1".into() },
                timestamp_ms: 1_693_066_895_000,
            },
            transaction: Transaction {
                hash: "0x6ffd".into(),
                index: 12,
                from: "0x00000000000000000000000000000000000000aa".into(),
                to: Some("0x00000000000000000000000000000000000000bb".into()),
            },
            ordinal: 0,
            trader: Trader {
                address: "0x00000000000000000000000000000000000000aa".into(),
                evidence: "tx-sender".into(),
            },
            sold: side(usdc, sold, 6, "USDC", true),
            bought: side(weth, bought, 18, "WETH", true),
            legs: vec![Leg {
                venue: "uniswap-v2".into(),
                pool: "0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc".into(),
                sold: amount(usdc, sold),
                bought: amount(weth, bought),
                ordinal: 71,
            }],
            fees: vec![Fee {
                kind: "liquidity".into(),
                asset: usdc.into(),
                raw: Raw::from(285_000_u64),
                recipient: None,
                included: true,
            }],
            platform: None,
            attributes: [("router".to_owned(), "uniswapx".to_owned())].into(),
            valuation: Some(Valuation { notional: Usd(95 * Usd::ONE.0), fee: None, source: "stable-leg".into() }),
            detector: Arc::new(Detector { plugin: "evm".into(), version: "0.1.0".into(), digest: "sha256:00".into() }),
        }),
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares with a file of the repository; with UPDATE_GOLDEN set, writes it.
fn check_file(path: &Path, now: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, now).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(kept, now, "{} differs; if that is meant, set UPDATE_GOLDEN=1 once", path.display());
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn an_event_is_written_as_it_always_was() {
    let bytes = trade::encode(&event());
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    check_file(&folder("golden/trade-executed-v1.json"), &pretty(&value));
    assert_eq!(trade::decode(&bytes).unwrap(), event(), "and reads back the same");
}

fn check_schema<T: JsonSchema>(name: &str) -> Value {
    let schema = serde_json::to_value(schema_for!(T)).unwrap();
    check_file(&folder(&format!("schemas/{name}.json")), &pretty(&schema));
    schema
}

#[test]
fn schemas_match_the_types_and_golden_events_match_the_schemas() {
    let schema = check_schema::<trade::TradeExecuted<'static>>("trade-executed-v1");
    check_schema::<progress::ChainProgressed>("chain-progressed-v1");
    check_schema::<metrics::MetricsUpdated>("metrics-updated-v1");
    check_schema::<portfolio::PortfolioUpdated>("portfolio-updated-v1");
    let golden: Value = serde_json::from_slice(&trade::encode(&event())).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&golden));
    let mut closed = golden;
    closed["status"] = json!("pending");
    assert!(!validator.is_valid(&closed), "the list of states is closed");
}

/// Sets one field of a valid event and answers the refusal.
fn refusal(path: &str, value: Value) -> String {
    let mut event: Value = serde_json::from_slice(&trade::encode(&event())).unwrap();
    *event.pointer_mut(path).unwrap() = value;
    trade::decode(&serde_json::to_vec(&event).unwrap()).unwrap_err().to_string()
}

#[test]
fn every_refusal_names_its_field() {
    let cases = [
        ("/status", json!("pending"), "unknown variant `pending`"),
        ("/sold/raw", json!("-1"), "`sold.raw` must be a non-negative decimal integer"),
        ("/sold/raw", json!("1.5"), "`sold.raw` must be a non-negative decimal integer"),
        ("/bought/raw", json!("0x10"), "`bought.raw`"),
        ("/bought/raw", json!("9".repeat(78)), "`bought.raw` must be below 2^256"),
        ("/legs/0/sold/raw", json!(""), "`legs[0].sold.raw`"),
        ("/fees/0/raw", json!("1e3"), "`fees[0].raw`"),
        ("/eventId", json!(""), "`eventId` must not be empty"),
        ("/tradeId", json!("x"), "`tradeId` must be"),
        ("/tradeId", json!(format!("{}0", event().trade.id())), "`tradeId` must be"),
        ("/tradeId", json!(event().trade.id().replacen('/', "", 1)), "`tradeId` must be"),
        ("/attributes/router", json!("a\u{85}"), "`attributes.router` holds control characters"),
        ("/trader/address", json!("a".repeat(300)), "`trader.address` has 300 bytes"),
        ("/trader/address", json!("a\u{0}"), "`trader.address` holds control characters"),
        ("/sold/asset", json!("0x\u{202e}cba"), "`sold.asset` holds control characters, invisible ones or marks"),
        ("/valuation/notionalUsd", json!("-5"), "`valuation.notionalUsd` must lie between"),
        ("/valuation/notionalUsd", json!("1e5"), "`valuation.notionalUsd` is not a decimal"),
        ("/valuation/notionalUsd", json!("1000000000000001"), "`valuation.notionalUsd` must lie between"),
        ("/legs", Value::Array(vec![json!({}); 1]), "missing field `venue`"),
        ("/block/height", json!(-1), "invalid value"),
    ];
    for (path, value, expected) in cases {
        let message = refusal(path, value.clone());
        assert!(message.contains(expected), "{path} = {value}: expected `{expected}`, got `{message}`");
    }
    let mut event: Value = serde_json::from_slice(&trade::encode(&event())).unwrap();
    event.as_object_mut().unwrap().remove("chain");
    let message = trade::decode(&serde_json::to_vec(&event).unwrap()).unwrap_err().to_string();
    assert!(message.contains("missing field `chain`"), "{message}");
    event["chain"] = json!("ethereum");
    event["later"] = json!({"unknown": ["fields", "are", "ignored"]});
    assert!(trade::decode(&serde_json::to_vec(&event).unwrap()).is_ok());
    let leg = event["legs"][0].clone();
    event["legs"] = Value::Array(vec![leg; 257]);
    let message = trade::decode(&serde_json::to_vec(&event).unwrap()).unwrap_err().to_string();
    assert!(message.contains("`legs` has 257 items"), "{message}");
}

#[test]
fn what_decode_would_refuse_is_refused_before_it_is_published() {
    let refused = |change: fn(&mut Trade)| {
        let mut event = event();
        change(&mut event.trade);
        let refusal = trade::check_event(&event.trade).unwrap_err().to_string();
        if let Ok(read) = trade::decode(&trade::encode(&event)) {
            unreachable!("{refusal}, but decode takes {read:?}");
        }
        refusal
    };
    #[expect(clippy::type_complexity, reason = "a table of what is broken and what names it")]
    let cases: [(fn(&mut Trade), &str); 8] = [
        (|trade| trade.trader.address.clear(), "`trader.address` must not be empty"),
        (|trade| trade.block.id.hash = "".into(), "`block.hash` must not be empty"),
        (|trade| trade.sold.asset.push('\u{200b}'), "`sold.asset` holds control characters"),
        (|trade| trade.legs = vec![trade.legs[0].clone(); 257], "`legs` has 257 items"),
        (|trade| trade.legs[0].bought.asset.clear(), "`legs[0].bought.asset` must not be empty"),
        (|trade| drop(trade.attributes.insert("a".into(), String::new())), "`attributes.a` must not be empty"),
        (
            |trade| trade.valuation.as_mut().unwrap().notional = tape::Usd(tape::Usd::MAX_NOTIONAL.0 + 1),
            "`valuation.notionalUsd` must lie between",
        ),
        (
            |trade| {
                trade.legs = vec![trade.legs[0].clone(); 256];
                trade.legs.iter_mut().for_each(|leg| {
                    for text in [&mut leg.venue, &mut leg.pool, &mut leg.sold.asset, &mut leg.bought.asset] {
                        *text = "\"".repeat(256);
                    }
                });
            },
            "`legs` make an event of",
        ),
    ];
    for (change, expected) in cases {
        let message = refused(change);
        assert!(message.contains(expected), "expected `{expected}`, got `{message}`");
    }
    assert_eq!(trade::check_event(&event().trade), Ok(()));
}

#[test]
fn a_decoded_record_keeps_its_text_and_a_refused_one_is_given_back() {
    let text = String::from_utf8(trade::encode(&event())).unwrap().replacen('{', "{ \"later\" : [1.0],", 1);
    let record = trade::decode_record(7, text.clone().into_bytes()).unwrap();
    assert_eq!((record.position, record.event, record.text), (7, event(), text.clone()));
    // Not even what is ignored may be no text: it is stored and served as such.
    let mut broken = text.into_bytes();
    let at = broken.iter().position(|byte| *byte == b'[').unwrap();
    broken.splice(at..=at, *b"[\"\xff\",");
    let (reason, given_back) = trade::decode_record(8, broken.clone()).unwrap_err();
    assert!(reason.to_string().contains("utf-8"), "{reason}");
    assert_eq!(given_back, broken);
}

#[test]
fn a_block_of_any_size_survives_the_journal() {
    for count in [0, 1, 3, 1_000] {
        let trades: Vec<Trade> = std::iter::repeat_n(*event().trade, count).collect();
        let parts = journal::encode_block(7, "0xab", &trades);
        assert!(parts.iter().all(|part| part.len() <= journal::MAX_PART_BYTES));
        let read: Vec<journal::Block> = parts.iter().map(|part| journal::decode_block(part).unwrap()).collect();
        assert!(read.iter().all(|block| (block.height, block.hash.as_str()) == (7, "0xab")));
        assert_eq!(read.into_iter().flat_map(|block| block.trades).collect::<Vec<_>>(), trades);
    }
    assert_eq!(journal::parse_block_key(&journal::block_key("a-b", 9, 2)), Some(("a-b", 9, 2)));
    assert_eq!(journal::parse_block_key("a-b"), None);
    for request in [journal::Request::Backfill { from: 1, to: 9 }, journal::Request::Rewind { to: 3 }] {
        let key = journal::request_key("a-b", "0017", &request);
        assert_eq!(journal::parse_request_key(&key), Some(("a-b", "0017")));
        assert!(journal::is_request_key(key.as_bytes()));
        assert_eq!(journal::parse_block_key(&key), None);
        assert_eq!(journal::parse_range_key(&key), None);
        assert_eq!(journal::decode_request(&journal::encode_request(&request)), Ok(request));
    }
    let range = journal::Range { from: 1, to: 9, digest: "sha256:00".to_owned() };
    let key = journal::range_key("a-b", 4);
    assert!(!journal::is_request_key(key.as_bytes()) && !journal::is_request_key(b"backfill"));
    assert_eq!(journal::parse_range_key(&key), Some(("a-b", 4)));
    assert_eq!((journal::parse_block_key(&key), journal::parse_request_key(&key)), (None, None));
    assert_eq!(journal::decode_range(&journal::encode_range(&range)), Ok(range));
}

#[test]
fn the_point_is_set_exactly() {
    let cases =
        [("0", 0, "0"), ("0", 18, "0"), ("5", 2, "0.05"), ("1234", 3, "1.234"), ("1500", 3, "1.5"), ("7", 0, "7")];
    for (raw, decimals, expected) in cases {
        assert_eq!(trade::with_decimal_point(raw, decimals), expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decode_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = trade::decode(&bytes);
        let _ = progress::decode(&bytes);
        let _ = journal::decode_block(&bytes);
    }

    #[test]
    fn every_raw_amount_survives(limbs in any::<[u64; 4]>()) {
        let mut event = event();
        event.trade.sold.raw = Raw::from_limbs(limbs);
        event.trade.legs[0].bought.raw = Raw::from_limbs(limbs);
        prop_assert_eq!(trade::decode(&trade::encode(&event)).unwrap(), event);
    }
}

/// Whoever deploys a token chooses its symbol; it must not keep trades off the book.
#[test]
fn a_hostile_symbol_is_cleaned_and_the_trade_is_read() {
    let text = String::from_utf8(trade::encode(&event())).unwrap();
    let long = "S".repeat(70);
    for (symbol, begins) in
        [(&*long, &long[..64]), ("\u{202e}CDSU", "CDSU"), ("A\\u0000B\\nC", "ABC"), ("\u{200b}", "")]
    {
        let hostile = text.replacen("\"symbol\":\"", &format!("\"symbol\":\"{symbol}"), 1);
        let decoded = trade::decode(hostile.as_bytes()).unwrap();
        let read = decoded.trade.sold.symbol.clone().unwrap();
        assert!(read.starts_with(begins) && tape::symbol::is_clean_symbol(&read), "{symbol:?}: {read:?}");
        assert_eq!(trade::check_event(&decoded.trade), Ok(()));
        let record = trade::decode_record(7, hostile.into_bytes()).unwrap();
        assert_eq!(record.event, decoded);
        assert_eq!(trade::decode(record.text.as_bytes()).as_ref(), Ok(&decoded), "the text that is kept says the same");
        assert!(!record.text.chars().any(tape::is_hidden) && !record.text.contains("\\u0000"), "{}", record.text);
    }
    assert_eq!(
        trade::decode_record(7, text.clone().into_bytes()).unwrap().text,
        text,
        "what is clean is kept as it is"
    );
}
