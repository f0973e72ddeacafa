//! How far an endpoint is, and which network it belongs to.

use crate::rpc::{self, CONFIRMED, FINALIZED, Name, Refusal};
use crate::settings::Settings;
use chain_plugin_sdk::jsonrpc::{self, Answers};
use chain_plugin_sdk::{BlockId, Context, Failure, Host, Span, Tip};

/// A block that is confirmed but cannot be had yet is asked for again after so many milliseconds.
const SOON: u64 = 100;
/// Calls in one request.
const BATCH: usize = 8;

/// Asks for the first block's hash and the newest slots, then for the names of their blocks.
pub fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure> {
    Settings::read(context)?;
    let answers = jsonrpc::send(host, &[rpc::genesis(), rpc::slot(CONFIRMED), rpc::slot(FINALIZED)], BATCH);
    let genesis: &str = parse(&answers, 0)?;
    let latest: u64 = parse(&answers, 1)?;
    let finalized: u64 = parse(&answers, 2)?;
    let names = jsonrpc::send(host, &[rpc::name(latest, CONFIRMED), rpc::name(finalized, FINALIZED)], BATCH);
    let not_yet = || Failure::Retry((Some(SOON), format!("the block of slot {latest} cannot be had yet")));
    let latest = match named(&names, 0, latest) {
        Ok(name) => name.ok_or_else(not_yet)?,
        Err(Refusal::Wait) => return Err(not_yet()),
        Err(Refusal::Failure(failure)) => return Err(failure),
    };
    // What is final is told later if it cannot be told now.
    let finalized = named(&names, 1, finalized).ok().flatten();
    Ok(Tip { network: format!("solana:{genesis}"), latest, finalized, attributes: vec![] })
}

fn parse<'a, T: serde::Deserialize<'a>>(answers: &'a Answers, at: usize) -> Result<T, Failure> {
    answers.parse(at).map_err(|error| error.failure(Span { first: 0, last: 0 }))
}

fn named(answers: &Answers, at: usize, slot: u64) -> Result<Option<BlockId>, Refusal> {
    let name: Option<Name<'_>> = answers.parse(at).map_err(|error| rpc::refusal(error, slot))?;
    Ok(name.map(|name| BlockId { height: slot, hash: name.blockhash.to_owned() }))
}
