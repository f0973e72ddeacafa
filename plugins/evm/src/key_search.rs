//! Looks for the key of a pool that is one where an endpoint limits `eth_getLogs`: a refusal does not mean that there is no event.

use crate::hex;
use crate::keys::{KeyedPool, PoolKey};
use crate::rpc;
use crate::topics::TopicTable;
use chain_plugin_sdk::json::{Cursor, Malformed};
use chain_plugin_sdk::jsonrpc::{self, Answers, Call, Error, Kind};
use chain_plugin_sdk::{Failure, Host, Span};

/// Logs of `Initialize` need no table: the node was asked for that event.
static NO_EVENTS: TopicTable = TopicTable::empty();

/// Ranges to try where a refusal names none, in blocks.
const RANGES_BLOCKS: [u64; 6] = [100_000, 10_000, 2_000, 1_000, 100, 10];

/// How many ranges are asked at once.
const RANGES_PER_ROUND: usize = 20;

/// How many rounds a search takes at most.
const MAX_ROUNDS: usize = 10;

/// The pool whose key is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// Its id and where it is.
    pub pool: KeyedPool,
    /// The last block that may have its event.
    pub height: u64,
}

/// What the first answers say of a key.
pub(crate) enum Found {
    /// The key, proved by its hash.
    Key(PoolKey),
    /// All logs were searched, and there is none.
    Nowhere,
    /// The endpoint did not search all logs.
    Refused(Error),
}

/// Reads the answers to [`KeyedPool::calls`], which stand from `at` on.
pub(crate) fn read_answers(wanted: &Wanted, sent: &Answers, at: usize, span: Span) -> Result<Found, Failure> {
    let by_event = sent.read(at, |cursor| read_logs(&wanted.pool, cursor));
    if let Ok(Some(key)) = by_event {
        return Ok(Found::Key(key));
    }
    let by_position = sent.parse::<Option<String>>(at + 1).map_err(Error::for_contract_call);
    if let Ok(Some(answer)) = &by_position
        && let Some(key) = PoolKey::from_keeper(&wanted.pool, answer)
    {
        return Ok(Found::Key(key));
    }
    match (by_event, by_position) {
        (Err(error), _) | (_, Err(error)) if error.is_transient() => Err(error.failure(span)),
        (Err(error), _) => Ok(Found::Refused(error)),
        (Ok(_), _) => Ok(Found::Nowhere),
    }
}

fn read_logs(pool: &KeyedPool, cursor: &mut Cursor<'_>) -> Result<Option<PoolKey>, Malformed> {
    let mut key = None;
    cursor.list(|element| {
        let log = rpc::Log::read(element, &NO_EVENTS)?;
        key = key.or(PoolKey::from_log(pool, &log));
        Ok::<_, Malformed>(())
    })?;
    Ok(key)
}

/// Searches backwards in narrower ranges after `refusal`; an endpoint that does not let the key be found leaves the block
/// to another one. None where every block was searched and has no such event.
pub(crate) fn search(
    host: &mut impl Host,
    wanted: &Wanted,
    mut refusal: Error,
    batch: usize,
    span: Span,
) -> Result<Option<PoolKey>, Failure> {
    let all = wanted.height.saturating_add(1);
    let (mut left, mut range) = (all, all);
    let mut next = narrower(range, &refusal).filter(|_| refusal.kind != Kind::Unsupported);
    for _ in 0..MAX_ROUNDS {
        let Some(blocks) = next else { break };
        range = blocks;
        match search_round(host, wanted, left, range, batch) {
            Ok((Some(key), _)) => return Ok(Some(key)),
            Ok((None, 0)) => return Ok(None),
            Ok((None, below)) => left = below,
            Err(error) if error.is_transient() => return Err(error.failure(span)),
            Err(error) => {
                refusal = error;
                next = narrower(range, &refusal);
            }
        }
    }
    let (id, searched) = (hex::encode(wanted.pool.id), all - left);
    Err(Failure::Elsewhere(format!(
        "the endpoint does not tell the key of the pool {id}: its event is not in the last {searched} blocks, and \
         eth_getLogs was refused for more at once: {refusal}"
    )))
}

/// Asks for ranges below `left`; returns the key, or below which block nothing was searched yet.
fn search_round(
    host: &mut impl Host,
    wanted: &Wanted,
    left: u64,
    range: u64,
    batch: usize,
) -> Result<(Option<PoolKey>, u64), Error> {
    let mut calls: Vec<Call> = vec![];
    let mut below = left;
    while below > 0 && calls.len() < RANGES_PER_ROUND {
        let first = below.saturating_sub(range);
        calls.push(wanted.pool.event_call(first, below - 1));
        below = first;
    }
    let sent = jsonrpc::send(host, &calls, batch);
    let mut refusal = None;
    for at in 0..calls.len() {
        match sent.read(at, |cursor| read_logs(&wanted.pool, cursor)) {
            Ok(Some(key)) => return Ok((Some(key), below)),
            Ok(None) => {}
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    refusal.map_or(Ok((None, below)), Err)
}

/// The next range to try, in blocks: the one that the refusal names, else a smaller one of the usual.
fn narrower(range: u64, refusal: &Error) -> Option<u64> {
    let text = refusal.to_string().to_ascii_lowercase().replace(',', "");
    let words = text.rsplit_once(" (code ").map_or(text.as_str(), |(words, _)| words);
    let named = words.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(read_number);
    // A refusal may name blocks too; only what is as long as the usual ranges is taken for one.
    let named = named.filter(|number| (1..range.min(RANGES_BLOCKS[0] + 1)).contains(number)).max();
    named.or_else(|| RANGES_BLOCKS.into_iter().find(|usual| *usual < range)).or((range > 1).then_some(1))
}

/// A number in a message, as `10000` or `10k`.
fn read_number(word: &str) -> Option<u64> {
    match word.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1_000),
        None => word.parse().ok(),
    }
}
