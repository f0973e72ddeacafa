//! Facts about pools, V4 keys and tokens, from the host's memory or from the contracts at the block that is scanned.

use crate::keys::{self, PoolKey};
use crate::pools::{self, Pool};
use crate::tokens::{self, Token};
use crate::topics::TopicTable;
use crate::{hex, rpc};
use alloy_primitives::{Address, B256};
use chain_plugin_sdk::json::{Cursor, Malformed};
use chain_plugin_sdk::jsonrpc::{self, Answers, Call, Kind};
use chain_plugin_sdk::{Failure, Host, Span};
use std::collections::BTreeMap;

/// Logs of `Initialize` need no table: the node was asked for that event.
static NO_EVENTS: TopicTable = TopicTable::empty();

/// A block whose state is asked.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    /// Its number.
    pub height: u64,
    /// Its hash.
    pub hash: String,
    /// Whether it can no longer be replaced.
    pub is_final: bool,
}

/// What to ask about, each with the first block of the span that named it, by its index among the pins.
#[derive(Debug, Default)]
pub(crate) struct WantedFacts {
    /// Pools.
    pub pools: BTreeMap<Address, usize>,
    /// Pools by their keys, each with its manager.
    pub keys: BTreeMap<B256, (Address, usize)>,
    /// Tokens.
    pub tokens: BTreeMap<Address, usize>,
}

/// What is known of contracts.
#[derive(Debug, Default)]
pub(crate) struct ContractFacts {
    /// Only those that are pools.
    pub pools: BTreeMap<Address, Pool>,
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

/// What to do where an endpoint no longer has the state of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OldState {
    /// The latest state may be younger than the block, so its answer could not be kept: none is asked for.
    Needed,
    /// The block has a swap of the pool, so the latest state knows it too.
    LatestWillDo,
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
    let Missing { pools, keys, tokens } = &missing;
    let ask_pools =
        pools.iter().flat_map(|(pool, pin)| pools::POOL_CALLS.map(|call| ContractCall::new(*pool, *pin, call)));
    let ask_tokens =
        tokens.iter().flat_map(|(token, pin)| tokens::TOKEN_CALLS.map(|call| ContractCall::new(*token, *pin, call)));
    let questions: Vec<ContractCall> = ask_pools.chain(ask_tokens).collect();
    if questions.is_empty() && keys.is_empty() {
        return Ok(missing);
    }
    let of_keys: Vec<Call> =
        keys.iter().flat_map(|(id, manager, pin)| keys::key_calls(*manager, *id, pins[*pin].height)).collect();
    let (answers, found) = call_contracts(host, &questions, &of_keys, pins, old, batch, span)?;
    let mut answers = answers.iter().map(Option::as_deref);
    let (mut keep, mut left) = (vec![], Missing::default());
    for (at, (id, manager, pin)) in keys.iter().enumerate() {
        let Some(found) = read_key(*id, &found, questions.len() + 2 * at, span)? else {
            left.keys.push((*id, *manager, *pin));
            continue;
        };
        // Its hash proves it on every branch.
        keep.push((fact_key("key", id), found.pack()));
        facts.keys.insert(*id, found);
    }
    for (address, pin) in pools {
        let Some(pool) = Pool::read(std::array::from_fn(|_| answers.next().flatten())) else {
            left.pools.push((*address, *pin));
            continue;
        };
        if pins[*pin].is_final {
            keep.push((fact_key("pool", address), pool.pack()));
        }
        facts.pools.insert(*address, pool);
    }
    for (address, pin) in tokens {
        let token = Token::read(std::array::from_fn(|_| answers.next().flatten()));
        match token.pack() {
            Some(bytes) if pins[*pin].is_final => keep.push((fact_key("token", address), bytes)),
            Some(_) => {}
            None => left.tokens.push((*address, *pin)),
        }
        facts.tokens.insert(*address, token);
    }
    if !keep.is_empty() {
        host.keep(keep);
    }
    Ok(left)
}

/// The key from the pool's event or from the position manager; none where neither has it.
fn read_key(id: B256, sent: &Answers, at: usize, span: Span) -> Result<Option<PoolKey>, Failure> {
    let logs = |cursor: &mut Cursor<'_>| {
        let mut key = None;
        cursor.list(|element| {
            let log = rpc::Log::read(element, &NO_EVENTS)?;
            key = key.or(PoolKey::from_logs(id, &[log]));
            Ok::<_, Malformed>(())
        })?;
        Ok(key)
    };
    let by_log = sent.read(at, logs);
    if let Ok(Some(key)) = by_log {
        return Ok(Some(key));
    }
    match sent.parse::<Option<String>>(at + 1) {
        Ok(Some(answer)) if PoolKey::from_position_manager(id, &answer).is_some() => {
            return Ok(PoolKey::from_position_manager(id, &answer));
        }
        Err(error) if matches!(error.kind, Kind::Retry(_)) => return Err(error.failure(span)),
        _ => {}
    }
    match by_log {
        Err(error) if matches!(error.kind, Kind::Retry(_)) => Err(error.failure(span)),
        _ => Ok(None),
    }
}

/// What the host does not remember.
#[derive(Default)]
struct Missing {
    pools: Vec<(Address, usize)>,
    keys: Vec<(B256, Address, usize)>,
    tokens: Vec<(Address, usize)>,
}

/// Takes over what the host remembers; returns what it does not.
fn recall(host: &mut impl Host, wanted: &WantedFacts, facts: &mut ContractFacts) -> Missing {
    let asked: Vec<String> = (wanted.pools.keys().map(|pool| fact_key("pool", pool)))
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
    for (id, (manager, pin)) in &wanted.keys {
        match known.next().flatten().and_then(|bytes| PoolKey::unpack(&bytes)) {
            Some(key) => drop(facts.keys.insert(*id, key)),
            None => missing.keys.push((*id, *manager, *pin)),
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

fn fact_key(kind: &str, name: impl AsRef<[u8]>) -> String {
    format!("{kind}/{}", hex::encode(name))
}

#[derive(Clone, Copy)]
struct ContractCall {
    to: Address,
    pin: usize,
    data: &'static str,
}

impl ContractCall {
    fn new(to: Address, pin: usize, data: &'static str) -> Self {
        Self { to, pin, data }
    }

    fn call(&self, block: &str) -> Call {
        call(self.to, self.data, block)
    }
}

/// A call of a contract. The gas is enough for any honest answer, and so little that an endless loop ends at once.
fn call(to: Address, data: &str, block: &str) -> Call {
    Call::new("eth_call", format!(r#"[{{"to":"{}","data":"{data}","gas":"0x2dc6c0"}},{block}]"#, hex::encode(to)))
}

/// A call of a contract as it was at the end of a block.
pub(crate) fn call_at(to: Address, data: &str, pin: &Pin) -> Call {
    call(to, data, &pinned(pin))
}

/// By number where the block is final, else by hash, so that no other branch can answer.
fn pinned(pin: &Pin) -> String {
    if pin.is_final { by_number(pin) } else { format!(r#"{{"blockHash":"{}"}}"#, pin.hash) }
}

fn by_number(pin: &Pin) -> String {
    format!(r#""{}""#, rpc::encode_height(pin.height))
}

type CallAnswer = Option<String>;

/// The answers of contracts, none where one reverted; and all responses of the first round, for the keys.
fn call_contracts(
    host: &mut impl Host,
    questions: &[ContractCall],
    of_keys: &[Call],
    pins: &[Pin],
    old: OldState,
    batch: usize,
    span: Span,
) -> Result<(Vec<CallAnswer>, Answers), Failure> {
    let mut calls: Vec<Call> = questions.iter().map(|question| question.call(&pinned(&pins[question.pin]))).collect();
    calls.extend_from_slice(of_keys);
    let sent = jsonrpc::send(host, &calls, batch);
    let mut answers = vec![None; questions.len()];
    let (mut unpinned, mut stateless) = (vec![], vec![]);
    for (at, question) in questions.iter().enumerate() {
        match sent.parse::<Option<String>>(at) {
            Ok(answer) => answers[at] = answer,
            Err(error) => match error.kind {
                Kind::Reverted => {}
                Kind::NoState if old == OldState::Needed => {}
                Kind::NoState => stateless.push(at),
                Kind::BadParams if !pins[question.pin].is_final => unpinned.push(at),
                Kind::NotYet => return Err(Failure::Retry((None, error.to_string()))),
                _ => return Err(error.failure(span)),
            },
        }
    }
    call_by_number(host, questions, pins, batch, span, &unpinned, &mut answers)?;
    call_at_latest(host, questions, batch, span, &stateless, &mut answers)?;
    Ok((answers, sent))
}

/// For endpoints that take no block hash: asks by number, and for the blocks' hashes, to see that the branch is the same.
fn call_by_number(
    host: &mut impl Host,
    questions: &[ContractCall],
    pins: &[Pin],
    batch: usize,
    span: Span,
    which: &[usize],
    answers: &mut [CallAnswer],
) -> Result<(), Failure> {
    if which.is_empty() {
        return Ok(());
    }
    let mut used: Vec<usize> = which.iter().map(|at| questions[*at].pin).collect();
    used.sort_unstable();
    used.dedup();
    let calls: Vec<Call> = (which.iter().map(|at| questions[*at].call(&by_number(&pins[questions[*at].pin]))))
        .chain(used.iter().map(|pin| rpc::block(&rpc::encode_height(pins[*pin].height))))
        .collect();
    let sent = jsonrpc::send(host, &calls, batch);
    for (place, pin) in used.iter().enumerate() {
        let name = sent.read(which.len() + place, rpc::BlockName::read).map_err(|error| error.failure(span))?;
        if name.is_none_or(|name| !name.hash.eq_ignore_ascii_case(pins[*pin].hash.as_bytes())) {
            return Err(Failure::Reorged);
        }
    }
    for (place, at) in which.iter().enumerate() {
        match sent.parse::<Option<String>>(place) {
            Ok(answer) => answers[*at] = answer,
            Err(error) if error.kind == Kind::Reverted => {}
            Err(error) => return Err(error.failure(span)),
        }
    }
    Ok(())
}

/// For endpoints that keep no old state: a pool's two tokens never change, so the latest state has them too.
fn call_at_latest(
    host: &mut impl Host,
    questions: &[ContractCall],
    batch: usize,
    span: Span,
    which: &[usize],
    answers: &mut [CallAnswer],
) -> Result<(), Failure> {
    let calls: Vec<Call> = which.iter().map(|at| questions[*at].call(r#""latest""#)).collect();
    let sent = jsonrpc::send(host, &calls, batch);
    for (place, at) in which.iter().enumerate() {
        match sent.parse::<Option<String>>(place) {
            Ok(answer) => answers[*at] = answer,
            Err(error) if error.kind == Kind::Reverted => {}
            Err(error) => return Err(error.failure(span)),
        }
    }
    Ok(())
}
