//! Transactions made of any bytes: what the fuzz targets and the bounded test give to the plugin, and what must hold then.
//!
//! Bytes choose among few accounts, tokens and amounts, so that events, transfers and pools meet often enough to get
//! through every stage: a log of random words alone would be refused at the first.

use alloy_primitives::{Address, U256, address, keccak256};
use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{Context, Host, Level, Plugin, Request, Response, Span, Trade, UpstreamError};
use evm_plugin::Evm;
use evm_plugin::hex;
use evm_plugin::model::Venue;
use evm_plugin::settlement::COW_SETTLEMENT;
use evm_plugin::venues::{dex_lite, ekubo, euler_swap};
use serde_json::{Value, json};

/// The wrapped coin and two dollars of Ethereum, a token of no fame, and what stands for native coin.
const TOKENS: [Address; 6] = [
    address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
    address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"),
    address!("6b175474e89094c44da98b954eedeac495271d0f"),
    Address::repeat_byte(0x77),
    Address::repeat_byte(0xee),
    Address::ZERO,
];
/// Who sent the transaction, whom it called, a platform's account, a filler, and pools.
const ACCOUNTS: [Address; 8] = [
    Address::repeat_byte(0x01),
    Address::repeat_byte(0x02),
    Address::repeat_byte(0x03),
    Address::repeat_byte(0x04),
    Address::repeat_byte(0x11),
    Address::repeat_byte(0x12),
    Address::repeat_byte(0x13),
    Address::repeat_byte(0x14),
];
const ENTRY_POINT: Address = address!("0000000071727de22e5e9d8baf0edac6f37da032");
const SETTINGS: &str =
    r#"{"verify":"none","platforms":{"shop":{"fee-recipients":["0x0303030303030303030303030303030303030303"]}}}"#;
/// Events that are no swaps but change what becomes of them.
const OTHERS: [&str; 6] = [
    "Trade(address,address,address,uint256,uint256,uint256,bytes)",
    "Fill(bytes32,address,address,uint256)",
    "UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)",
    "Withdrawal(address,uint256)",
    "Deposit(address,uint256)",
    "Initialize(bytes32,address,address,uint24,int24,address,uint160,int24)",
];

/// Bytes that are never at an end.
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

    fn amount(&mut self) -> U256 {
        match self.byte() % 16 {
            0 => U256::ZERO,
            1 => U256::from(1),
            2 => U256::MAX,
            3 => U256::from(1) << 255,
            4 => U256::from(1) << 127,
            5 => (U256::from(1) << 128) - U256::from(1),
            6 => U256::from(self.byte()) << self.below(256),
            odd => U256::from(odd) * U256::from(1_000_000) + U256::from(self.byte() % 4),
        }
    }

    fn account(&mut self) -> Address {
        match self.byte() % 8 {
            0 => TOKENS[self.below(TOKENS.len())],
            1 => COW_SETTLEMENT,
            _ => ACCOUNTS[self.below(ACCOUNTS.len())],
        }
    }

    fn token(&mut self) -> Address {
        TOKENS[self.below(TOKENS.len())]
    }

    fn word(&mut self) -> U256 {
        match self.byte() % 8 {
            0..=2 => self.amount(),
            3 => self.amount().wrapping_neg(),
            4 => word_of(self.account()),
            5 => word_of(self.token()),
            6 => U256::from(self.below(200)),
            _ => U256::from_be_bytes(std::array::from_fn::<u8, 32, _>(|_| self.byte())),
        }
    }
}

fn word_of(address: Address) -> U256 {
    U256::from_be_bytes(address.into_word().0)
}

fn encode_word(word: U256) -> String {
    format!("0x{word:064x}")
}

/// How many words an event has, topics and data together; nested words count one by one.
fn arity(signature: &str) -> usize {
    signature.matches(',').count() + 1
}

fn transfer(bytes: &mut Bytes<'_>) -> Value {
    let (token, from, to, raw) = (bytes.token(), bytes.account(), bytes.account(), bytes.amount());
    moved(token, from, to, raw)
}

fn moved(token: Address, from: Address, to: Address, raw: U256) -> Value {
    json!({
        "address": hex::encode(token),
        "topics": [hex::encode(keccak256("Transfer(address,address,uint256)")), encode_word(word_of(from)), encode_word(word_of(to))],
        "data": encode_word(raw),
    })
}

/// An event with as many topics as the bytes say, and most often with as many words as it should have.
fn event(bytes: &mut Bytes<'_>, signature: &str, emitter: Address) -> Value {
    let count = bytes.below(4);
    let mut topics = vec![hex::encode(keccak256(signature))];
    for _ in 0..count {
        topics.push(match bytes.byte() % 4 {
            0 => encode_word(word_of(bytes.token())),
            1 => encode_word(bytes.word()),
            _ => encode_word(word_of(bytes.account())),
        });
    }
    let words = if bytes.byte().is_multiple_of(8) { bytes.below(12) } else { arity(signature).saturating_sub(count) };
    let words: Vec<String> = (0..words).map(|_| format!("{:064x}", bytes.word())).collect();
    let mut data = words.concat();
    if bytes.byte().is_multiple_of(16) {
        data.truncate(bytes.below(data.len() + 1));
    }
    json!({"address": hex::encode(emitter), "topics": topics, "data": format!("0x{data}")})
}

/// A swap at a venue whose event no generic one resembles: its log, and most often the transfers that bear it out.
fn shaped_swap(bytes: &mut Bytes<'_>, venue: &Venue) -> Option<Vec<Value>> {
    let is_known = [ekubo::EKUBO, dex_lite::DEX_LITE, euler_swap::EULER_SWAP_V1, euler_swap::EULER_SWAP_V2]
        .iter()
        .any(|known| known.signature == venue.signature);
    if !is_known {
        return None;
    }
    let [sold, bought] = [bytes.token(), bytes.token()];
    let [payer, taker, pool, vault] = [(); 4].map(|()| bytes.account());
    let [into, out] = [(); 2].map(|()| bytes.amount() >> bytes.below(16));
    let first_is_sold = bytes.byte().is_multiple_of(2);
    let topic = hex::encode(keccak256(venue.signature));
    let (event, holder, giver, [into, out]) = match venue.signature {
        ekubo::ANONYMOUS => {
            let core = venue.emitters[bytes.below(venue.emitters.len())];
            let [into, out]: [U256; 2] = [into, out].map(|raw| raw & (U256::MAX >> 129));
            let signed = if first_is_sold { [into, out.wrapping_neg()] } else { [out.wrapping_neg(), into] };
            let halves = signed.map(|word| hex::encode(&word.to_be_bytes::<32>()[16..])[2..].to_owned()).concat();
            let (locker, id, state) = (hex::encode(payer), bytes.below(4), bytes.word());
            let data = format!("{locker}{id:064x}{halves}{state:064x}");
            (json!({"address": hex::encode(core), "topics": [], "data": data}), core, core, [into, out])
        }
        signature if signature == dex_lite::DEX_LITE.signature => {
            let units = |raw: U256| raw & (U256::MAX >> 196);
            let [packed_in, packed_out] = [units(into), units(out)];
            let decimals = [6 + bytes.below(13), 6 + bytes.below(13)];
            let data = U256::from(bytes.below(4))
                | (U256::from(first_is_sold) << 64)
                | (packed_in << 65)
                | (packed_out << 125);
            let variables = (U256::from(decimals[0]) << 126) | (U256::from(decimals[1]) << 131);
            let scaled = |raw: U256, decimals: usize| match decimals {
                ..9 => raw / U256::from(10).pow(U256::from(9 - decimals)),
                9.. => raw * U256::from(10).pow(U256::from(decimals - 9)),
            };
            let [of_sold, of_bought] = if first_is_sold { decimals } else { [decimals[1], decimals[0]] };
            let data = format!("0x{data:064x}{variables:064x}");
            let event = json!({"address": hex::encode(dex_lite::DEX), "topics": [topic], "data": data});
            (event, dex_lite::DEX, dex_lite::DEX, [scaled(packed_in, of_sold), scaled(packed_out, of_bought)])
        }
        signature => {
            let has_fees = signature == euler_swap::EULER_SWAP_V2.signature;
            let none = U256::ZERO;
            let mut words = if first_is_sold { vec![into, none, none, out] } else { vec![none, into, out, none] };
            words.extend(std::iter::repeat_n(none, if has_fees { 4 } else { 2 }));
            let data = words.iter().map(|word| format!("{word:064x}")).collect::<Vec<_>>().concat();
            let topics = [topic, encode_word(word_of(payer)), encode_word(word_of(taker))];
            let event = json!({"address": hex::encode(pool), "topics": topics, "data": format!("0x{data}")});
            (event, pool, vault, [into, out])
        }
    };
    let transfers = [moved(sold, payer, holder, into), moved(bought, giver, taker, out)];
    Some(match bytes.byte() % 8 {
        0 => vec![event],
        1 => transfers.into_iter().take(1).chain([event]).collect(),
        _ => transfers.into_iter().chain([event]).collect(),
    })
}

fn logs(bytes: &mut Bytes<'_>, venues: &[Venue]) -> Vec<Value> {
    if !venues.is_empty() && bytes.byte().is_multiple_of(4) {
        let venue = &venues[bytes.below(venues.len())];
        if let Some(swap) = shaped_swap(bytes, venue) {
            return swap;
        }
    }
    vec![log(bytes, venues)]
}

fn log(bytes: &mut Bytes<'_>, venues: &[Venue]) -> Value {
    match bytes.byte() % 8 {
        0..=3 => transfer(bytes),
        4..=6 if !venues.is_empty() => {
            let venue = &venues[bytes.below(venues.len())];
            let anyone = ACCOUNTS[bytes.below(ACCOUNTS.len())];
            let emitter = venue.emitters.first().copied().filter(|_| !bytes.byte().is_multiple_of(8)).unwrap_or(anyone);
            event(bytes, venue.signature, emitter)
        }
        _ => {
            let signature = OTHERS[bytes.below(OTHERS.len())];
            let emitter = [COW_SETTLEMENT, ENTRY_POINT, TOKENS[0], bytes.account()][bytes.below(4)];
            event(bytes, signature, emitter)
        }
    }
}

/// A node whose one block has one transaction with these logs, and whose contracts answer what the bytes say.
struct World {
    receipt: Value,
    block: Value,
    moods: Vec<u8>,
}

impl World {
    fn new(bytes: &mut Bytes<'_>, venues: &[Venue]) -> Self {
        let moods = (0..4).map(|_| bytes.byte()).collect();
        let value = bytes.amount();
        let count = 1 + bytes.below(24);
        let logs: Vec<Value> = (0..count).flat_map(|_| logs(bytes, venues)).collect();
        let (hash, zeros) = (encode_word(U256::from(7)), encode_word(U256::ZERO));
        let transaction = json!({"hash": hash, "value": format!("{value:#x}"), "input": "0x12345678"});
        let block = json!({
            "hash": hash, "parentHash": zeros, "number": "0x1", "timestamp": "0x1", "receiptsRoot": zeros,
            "logsBloom": "0x", "transactions": [transaction],
        });
        let receipt = json!({
            "transactionHash": hash, "transactionIndex": "0x0", "blockHash": hash, "status": "0x1",
            "from": hex::encode(ACCOUNTS[0]), "to": hex::encode(ACCOUNTS[1]), "cumulativeGasUsed": "0x1", "logs": logs,
        });
        Self { receipt, block, moods }
    }

    /// Contracts say of themselves what the mood and their address make them say: two tokens, nothing, or too much.
    fn call(&self, call: &Value) -> Value {
        let to = call["to"].as_str().and_then(hex::address).unwrap_or_default();
        let mood = self.moods[usize::from(to[0]) % self.moods.len()];
        let token =
            |at: u8| json!(encode_word(word_of(TOKENS[usize::from(to[19].wrapping_add(mood).wrapping_add(at)) % 4])));
        match (call["data"].as_str().unwrap_or_default(), mood % 8) {
            (_, 7) => json!("0x"),
            ("0x0dfe1681", _) => token(0),
            ("0xd21220a7", _) => token(1),
            (_, 6) => json!(format!("0x{}", "ff".repeat(usize::from(mood)))),
            ("0x313ce567", _) => json!(encode_word(U256::from(mood))),
            _ => json!(encode_word(U256::from(mood) << 248)),
        }
    }

    fn answer(&self, call: &Value) -> Value {
        match call["method"].as_str().unwrap_or_default() {
            "eth_getBlockByNumber" => self.block.clone(),
            "eth_getBlockReceipts" => json!([self.receipt]),
            "eth_call" => self.call(&call["params"][0]),
            "eth_getLogs" => self.receipt["logs"].clone(),
            _ => Value::Null,
        }
    }
}

impl Host for World {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let respond = |request: Request| {
            let body: Value = serde_json::from_slice(&request.body.unwrap_or_default()).unwrap_or_default();
            let one = |call: &Value| json!({"jsonrpc": "2.0", "id": call["id"], "result": self.answer(call)});
            let body = match body.as_array() {
                Some(calls) => Value::Array(calls.iter().map(one).collect()),
                None => one(&body),
            };
            Ok(Response { status: 200, headers: vec![], body: body.to_string().into_bytes() })
        };
        requests.into_iter().map(respond).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        vec![None; keys.len()]
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        assert!(facts.iter().all(|(_, fact)| !fact.is_empty()), "an empty fact is kept");
    }

    fn log(&mut self, _level: Level, _message: &str) {}
}

fn context() -> Context {
    let network = ("network".to_owned(), "eip155:1/0x00".to_owned());
    Context { settings: SETTINGS.to_owned(), now_ms: 0, attributes: vec![network] }
}

/// Scans a transaction made of these bytes, with events of these venues; gives how many trades it had. Whatever the
/// bytes: the scan ends without a trap, and what it gives is what the contract promises.
pub fn scan(bytes: &[u8], venues: &[Venue]) -> usize {
    trades(bytes, venues).len()
}

/// The same with the trades.
pub fn trades(bytes: &[u8], venues: &[Venue]) -> Vec<Trade> {
    let mut world = World::new(&mut Bytes(bytes), venues);
    let mut once = || Evm::scan(&mut world, &context(), Span { first: 1, last: 1 });
    let (first, second) = (once(), once());
    assert_eq!(format!("{first:?}"), format!("{second:?}"), "two scans of the same differ");
    let Ok(scanned) = first else { return vec![] };
    let trades: Vec<Trade> = scanned.blocks.into_iter().flat_map(|block| block.trades).collect();
    for (place, trade) in (0..).zip(&trades) {
        assert_eq!(trade.ordinal, place, "places are not in order");
        keeps_the_contract(trade);
    }
    trades
}

fn keeps_the_contract(trade: &Trade) {
    let is_address =
        |text: &str| text.len() == 42 && hex::address(text).is_some_and(|address| hex::encode(address) == text);
    assert!(is_address(&trade.trader.address), "{trade:?}");
    for side in [&trade.sold, &trade.bought] {
        assert!(is_address(&side.asset) && !from_uint256(side.raw).is_zero(), "a side is nothing: {trade:?}");
    }
    assert_eq!(trade.kind == "cycle", trade.sold.asset == trade.bought.asset, "{trade:?}");
    assert!(trade.legs.len() <= 256, "{} legs", trade.legs.len());
    for leg in &trade.legs {
        assert!(leg.sold.asset != leg.bought.asset, "a leg from an asset to itself: {leg:?}");
        assert!(!from_uint256(leg.sold.raw).is_zero() && !from_uint256(leg.bought.raw).is_zero(), "{leg:?}");
    }
    for fee in &trade.fees {
        assert!(!from_uint256(fee.raw).is_zero(), "a fee of nothing: {trade:?}");
    }
}
