//! Transactions made of any bytes, which the fuzz targets and the bounded test give to the plugin, and what must hold then.
//!
//! The bytes choose among few accounts, tokens and amounts, so that calls, transfers and balances fit together often enough to
//! get through every stage. Instructions with random accounts would move nothing.

use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{Context, Host, Level, Plugin, Request, Response, Span, Trade, UpstreamError};
use serde_json::{Value, json};
use solana_plugin::{Solana, base58, described_programs};

/// Accounts that may hold something: a signer, others, owners of vaults, token accounts.
const HOLDERS: usize = 12;
/// The index from which on these are token accounts.
const FIRST_TOKEN_ACCOUNT: usize = 4;
const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const SYSTEM: &str = "11111111111111111111111111111111";
const MINTS: [&str; 4] = [
    "So11111111111111111111111111111111111111112",
    "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    "mintaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "mintbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
];
/// The data with which an Anchor program calls itself to emit an event, with the discriminator of Pump.fun's.
const PUMP_FUN_EVENT: [u8; 16] =
    [0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d, 0xbd, 0xdb, 0x7f, 0xd3, 0x4e, 0xe6, 0x61, 0xee];

/// Bytes that never end: zeros follow.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn amount(&mut self) -> u64 {
        match self.byte() % 16 {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(64),
            odd => u64::from(odd) * 1_000 + u64::from(self.byte() % 4),
        }
    }
}

/// Every account of a transaction: holders, mints, programs.
fn keys() -> Vec<String> {
    let holders = (0..HOLDERS).map(|at| base58::encode(&[u8::try_from(at).unwrap_or(0) + 1; 32]));
    let programs = [TOKEN, SYSTEM].into_iter().chain(described_programs());
    let others = MINTS.into_iter().chain(programs);
    holders.chain(others.map(str::to_owned)).collect()
}

/// A call with its stack height.
fn call(bytes: &mut Bytes<'_>, keys: &[String], height: usize) -> Value {
    let token = HOLDERS + MINTS.len();
    let account = |bytes: &mut Bytes<'_>| FIRST_TOKEN_ACCOUNT + bytes.below(HOLDERS - FIRST_TOKEN_ACCOUNT);
    let (program, accounts, data) = match bytes.byte() % 8 {
        0..=3 => {
            let data = [&[3_u8][..], &bytes.amount().to_le_bytes()].concat();
            (token, vec![account(bytes), account(bytes), bytes.below(FIRST_TOKEN_ACCOUNT)], data)
        }
        4 => {
            let data = [&2_u32.to_le_bytes()[..], &bytes.amount().to_le_bytes()].concat();
            (token + 1, vec![bytes.below(HOLDERS), bytes.below(HOLDERS)], data)
        }
        5 => {
            let pump = keys.iter().position(|key| key.starts_with("6EF8")).unwrap_or(token + 2);
            let data = PUMP_FUN_EVENT.into_iter().chain((0..140).map(|_| bytes.byte())).collect();
            (pump, vec![bytes.below(HOLDERS)], data)
        }
        _ => {
            let program = token + 2 + bytes.below(keys.len() - token - 2);
            let accounts = (0..bytes.below(14)).map(|_| bytes.below(keys.len())).collect();
            (program, accounts, (0..bytes.below(24)).map(|_| bytes.byte()).collect())
        }
    };
    json!({"programIdIndex": program, "accounts": accounts, "data": base58::encode(&data), "stackHeight": height})
}

fn balances(bytes: &mut Bytes<'_>, keys: &[String]) -> Value {
    let balance = |at: usize, bytes: &mut Bytes<'_>| {
        json!({
            "accountIndex": at, "mint": MINTS[at % MINTS.len()], "owner": keys[at % FIRST_TOKEN_ACCOUNT], "programId": TOKEN,
            "uiTokenAmount": {"amount": bytes.amount().to_string(), "decimals": 6},
        })
    };
    (FIRST_TOKEN_ACCOUNT..HOLDERS).map(|at| balance(at, bytes)).collect()
}

fn transaction(bytes: &mut Bytes<'_>) -> Value {
    let keys = keys();
    let top: Vec<Value> = (0..=bytes.below(3)).map(|_| call(bytes, &keys, 1)).collect();
    let inner: Vec<Value> = (0..top.len())
        .map(|index| {
            let calls: Vec<Value> = (0..bytes.below(14))
                .map(|_| {
                    let height = 2 + bytes.below(3);
                    call(bytes, &keys, height)
                })
                .collect();
            json!({"index": index, "instructions": calls})
        })
        .collect();
    let mut lamports = || keys.iter().map(|_| bytes.amount() >> 16).collect::<Vec<u64>>();
    let (before, after) = (lamports(), lamports());
    json!({
        "transaction": {
            "signatures": [base58::encode(&[9; 64])],
            "message": {"header": {"numRequiredSignatures": 1}, "accountKeys": keys, "instructions": top},
        },
        "meta": {
            "err": null, "fee": 5_000, "preBalances": before, "postBalances": after, "innerInstructions": inner,
            "preTokenBalances": balances(bytes, &keys), "postTokenBalances": balances(bytes, &keys),
        },
    })
}

/// A host that answers `getBlocks` with one slot and `getBlock` with the given bytes.
pub struct OneBlock(pub Vec<u8>);

impl Host for OneBlock {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let answer = |request: Request| {
            let body = request.body.unwrap_or_default();
            let lists = String::from_utf8_lossy(&body).contains("getBlocks");
            let listed = br#"{"jsonrpc":"2.0","result":[7],"id":0}"#.to_vec();
            Ok(Response { status: 200, headers: vec![], body: if lists { listed } else { self.0.clone() } })
        };
        requests.into_iter().map(answer).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        vec![None; keys.len()]
    }

    fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}

    fn log(&mut self, _level: Level, _message: &str) {}
}

/// The trades of a scan of one block with this response. Scans it twice: both scans must give the same.
pub fn trades_in(answer: Vec<u8>) -> Vec<Trade> {
    let context = Context { settings: "{}".to_owned(), now_ms: 0, attributes: vec![] };
    let mut host = OneBlock(answer);
    let mut once = || Solana::scan(&mut host, &context, Span { first: 7, last: 7 });
    let (first, second) = (once(), once());
    assert_eq!(format!("{first:?}"), format!("{second:?}"), "two scans of the same block differ");
    first.map(|scanned| scanned.blocks.into_iter().flat_map(|block| block.trades).collect()).unwrap_or_default()
}

/// Scans a transaction made of these bytes; returns its number of trades. Whatever the bytes: the scan ends without a panic,
/// and its trades keep the contract.
pub fn scan(bytes: &[u8]) -> usize {
    let block = json!({
        "jsonrpc": "2.0", "id": 0,
        "result": {
            "blockhash": "h7", "previousBlockhash": "h6", "parentSlot": 6, "blockTime": 1,
            "transactions": [transaction(&mut Bytes(bytes))],
        },
    });
    let trades = trades_in(block.to_string().into_bytes());
    for (ordinal, trade) in (0..).zip(&trades) {
        assert_eq!(trade.ordinal, ordinal, "ordinals are not in order");
        assert_contract(trade);
    }
    trades.len()
}

fn assert_contract(trade: &Trade) {
    assert!(base58::decode(&trade.trader.address).is_some_and(|key| key.len() == 32), "{trade:?}");
    for side in [&trade.sold, &trade.bought] {
        assert!(!from_uint256(side.raw).is_zero(), "a side is zero: {trade:?}");
    }
    assert_eq!(trade.kind == "cycle", trade.sold.asset == trade.bought.asset, "{trade:?}");
    assert!(trade.legs.len() <= 256, "{} legs", trade.legs.len());
    for leg in &trade.legs {
        assert!(leg.sold.asset != leg.bought.asset, "a leg from an asset to itself: {leg:?}");
        assert!(!from_uint256(leg.sold.raw).is_zero() && !from_uint256(leg.bought.raw).is_zero(), "{leg:?}");
    }
    for fee in &trade.fees {
        assert!(!from_uint256(fee.raw).is_zero(), "a fee is zero: {trade:?}");
    }
}
