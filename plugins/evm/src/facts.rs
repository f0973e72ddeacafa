//! Facts about pools, their coins, V4 keys and tokens, from the host's memory or from the contracts at the block that is scanned.

use crate::asking::{Answered, ContractCall, OldState, Pin, Questions};
use crate::coins;
use crate::hex;
use crate::key_search::{self, Found};
use crate::keys::{KeyedPool, PoolKey};
use crate::model::NumberedCoin;
use crate::pools::{self, Pool};
use crate::tokens::{self, Token};
use alloy_primitives::{Address, B256};
use chain_plugin_sdk::jsonrpc::Call;
use chain_plugin_sdk::{Failure, Host, Span};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What to ask about, each with the first block of the span that named it, by its index among the pins.
#[derive(Debug, Default)]
pub(crate) struct WantedFacts {
    /// Pools.
    pub pools: BTreeMap<Address, usize>,
    /// Coins of pools whose events name them by number.
    pub coins: BTreeMap<NumberedCoin, usize>,
    /// Pools that are keys, by their ids.
    pub keys: BTreeMap<B256, (KeyedPool, usize)>,
    /// Tokens.
    pub tokens: BTreeMap<Address, usize>,
}

/// What is known of contracts.
#[derive(Debug, Default)]
pub(crate) struct ContractFacts {
    /// Only those that are pools.
    pub pools: BTreeMap<Address, Pool>,
    /// Only those that their pool named.
    pub coins: BTreeMap<NumberedCoin, Address>,
    /// Only those whose key was found.
    pub keys: BTreeMap<B256, PoolKey>,
    /// Decimals and symbols.
    pub tokens: BTreeMap<Address, Token>,
}

/// Gathers all facts wanted. Near the head contracts are asked at the finalized block first, where the answer can be
/// kept; only what is younger than that is asked again at the block itself.
pub(crate) fn gather(
    host: &mut impl Host,
    wanted: &WantedFacts,
    pins: &[Pin],
    finalized: Option<u64>,
    batch: usize,
    span: Span,
) -> Result<ContractFacts, Failure> {
    let mut facts = ContractFacts::default();
    let mut missing = recall(host, wanted, &mut facts);
    if let Some(height) = finalized
        && pins.iter().any(|pin| !pin.is_final)
    {
        let settled = Pin { height, hash: String::new(), is_final: true };
        let settled: Vec<Pin> = pins.iter().map(|pin| if pin.is_final { pin } else { &settled }).cloned().collect();
        missing = learn(host, missing, &mut facts, &settled, OldState::Needed, batch, span)?;
    }
    learn(host, missing, &mut facts, pins, OldState::LatestWillDo, batch, span)?;
    Ok(facts)
}

/// Asks for what is missing in one round of requests, and keeps what is final; returns what is still missing.
fn learn(
    host: &mut impl Host,
    missing: Missing,
    facts: &mut ContractFacts,
    pins: &[Pin],
    old: OldState,
    batch: usize,
    span: Span,
) -> Result<Missing, Failure> {
    let Missing { pools, coins, keys, tokens } = &missing;
    let question = |to: &Address, pin: &usize, data: Cow<'static, str>, is_decoration| ContractCall {
        to: *to,
        pin: *pin,
        data,
        is_decoration,
    };
    let ask_pools =
        pools.iter().flat_map(|(pool, pin)| pools::POOL_CALLS.map(|data| question(pool, pin, data.into(), false)));
    let ask_coins = coins.iter().flat_map(|(coin, pin)| {
        coins::coin_calls(coin).into_iter().map(|data| question(&coin.pool, pin, data.into(), false))
    });
    let ask_tokens =
        tokens.iter().flat_map(|(token, pin)| tokens::TOKEN_CALLS.map(|data| question(token, pin, data.into(), true)));
    let questions: Vec<ContractCall> = ask_pools.chain(ask_coins).chain(ask_tokens).collect();
    if questions.is_empty() && keys.is_empty() {
        return Ok(missing);
    }
    let of_keys: Vec<Call> = keys.iter().flat_map(|(pool, pin)| pool.calls(pins[*pin].height)).collect();
    let asked = Questions { all: &questions, pins, old, batch, span };
    let (answers, found) = asked.ask(host, &of_keys)?;
    let mut answers = answers.iter();
    let (mut keep, mut left) = (vec![], Missing::default());
    for (at, (pool, pin)) in keys.iter().enumerate() {
        let wanted = key_search::Wanted { pool: *pool, height: pins[*pin].height };
        let found = match key_search::read_answers(&wanted, &found, questions.len() + 2 * at, span)? {
            Found::Key(key) => Some(key),
            Found::Refused(error) if old == OldState::LatestWillDo => {
                key_search::search(host, &wanted, error, batch, span)?
            }
            Found::Refused(_) | Found::Nowhere => None,
        };
        let Some(found) = found else {
            left.keys.push((*pool, *pin));
            continue;
        };
        // Its hash proves it on every branch.
        keep.push((fact_key("key", pool.id), found.pack()));
        facts.keys.insert(pool.id, found);
    }
    for (address, pin) in pools {
        let Some(pool) = Pool::read(std::array::from_fn(|_| answers.next().and_then(Answered::text))) else {
            left.pools.push((*address, *pin));
            continue;
        };
        if pins[*pin].is_final {
            keep.push((fact_key("pool", address), pool.pack()));
        }
        facts.pools.insert(*address, pool);
    }
    for (coin, pin) in coins {
        let of_coin = coins::coin_calls(coin).len();
        let Some(token) = coins::read_coin(answers.by_ref().take(of_coin).map(Answered::text)) else {
            left.coins.push((*coin, *pin));
            continue;
        };
        if pins[*pin].is_final {
            keep.push((coin_key(coin), token.to_vec()));
        }
        facts.coins.insert(*coin, token);
    }
    for (address, pin) in tokens {
        let of_token: [&Answered; 2] = std::array::from_fn(|_| answers.next().unwrap_or(&Answered::Nothing));
        let token = Token::read(of_token.map(Answered::text));
        let is_whole = !of_token.contains(&&Answered::NotServed);
        match token.pack() {
            Some(bytes) if is_whole && pins[*pin].is_final => keep.push((fact_key("token", address), bytes)),
            Some(_) if is_whole => {}
            _ => left.tokens.push((*address, *pin)),
        }
        facts.tokens.insert(*address, token);
    }
    if !keep.is_empty() {
        host.keep(keep);
    }
    Ok(left)
}

/// What the host does not remember.
#[derive(Default)]
struct Missing {
    pools: Vec<(Address, usize)>,
    coins: Vec<(NumberedCoin, usize)>,
    keys: Vec<(KeyedPool, usize)>,
    tokens: Vec<(Address, usize)>,
}

/// Takes over what the host remembers; returns what it does not.
fn recall(host: &mut impl Host, wanted: &WantedFacts, facts: &mut ContractFacts) -> Missing {
    let asked: Vec<String> = (wanted.pools.keys().map(|pool| fact_key("pool", pool)))
        .chain(wanted.coins.keys().map(coin_key))
        .chain(wanted.keys.keys().map(|id| fact_key("key", id)))
        .chain(wanted.tokens.keys().map(|token| fact_key("token", token)))
        .collect();
    let mut missing = Missing::default();
    if asked.is_empty() {
        return missing;
    }
    let mut known = host.recall(&asked).into_iter().chain(std::iter::repeat(None));
    for (address, pin) in &wanted.pools {
        match known.next().flatten().and_then(|bytes| Pool::unpack(&bytes)) {
            Some(pool) => drop(facts.pools.insert(*address, pool)),
            None => missing.pools.push((*address, *pin)),
        }
    }
    for (coin, pin) in &wanted.coins {
        match known.next().flatten().and_then(|bytes| Address::try_from(bytes.as_slice()).ok()) {
            Some(token) => drop(facts.coins.insert(*coin, token)),
            None => missing.coins.push((*coin, *pin)),
        }
    }
    for (id, (pool, pin)) in &wanted.keys {
        match known.next().flatten().and_then(|bytes| PoolKey::unpack(&bytes)) {
            Some(key) => drop(facts.keys.insert(*id, key)),
            None => missing.keys.push((*pool, *pin)),
        }
    }
    for (address, pin) in &wanted.tokens {
        match known.next().flatten().and_then(|bytes| Token::unpack(&bytes)) {
            Some(token) => drop(facts.tokens.insert(*address, token)),
            None => missing.tokens.push((*address, *pin)),
        }
    }
    missing
}

fn coin_key(coin: &NumberedCoin) -> String {
    fact_key("coin", coin.pool) + &coins::place(coin)
}

fn fact_key(kind: &str, name: impl AsRef<[u8]>) -> String {
    format!("{kind}/{}", hex::encode(name))
}
