//! How far an endpoint is, and which network it belongs to.

use crate::numbers::Number;
use crate::rpc::{self, BlockName, BlockRefusal, CONFIRMED, FINALIZED};
use crate::settings::Settings;
use chain_plugin_sdk::jsonrpc::{self, Answers};
use chain_plugin_sdk::{BlockId, Context, Failure, Host, Span, Tip};

/// The head is asked for again after this time where its block is confirmed but not available yet.
const RETRY_MS: u64 = 100;
/// Calls in one request.
const CALLS_PER_REQUEST: usize = 8;

/// Asks for the hash of the first block and for the newest slots, then for the hashes of their blocks.
pub(crate) fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure> {
    Settings::read(context)?;
    let answers = jsonrpc::send(
        host,
        &[rpc::genesis_hash(), rpc::newest_slot(CONFIRMED), rpc::newest_slot(FINALIZED)],
        CALLS_PER_REQUEST,
    );
    let genesis: &str = parse(&answers, 0)?;
    let Number(latest) = parse::<Number<u64>>(&answers, 1)?;
    let Number(finalized) = parse::<Number<u64>>(&answers, 2)?;
    let names = jsonrpc::send(
        host,
        &[rpc::block_name(latest, CONFIRMED), rpc::block_name(finalized, FINALIZED)],
        CALLS_PER_REQUEST,
    );
    let not_yet =
        || Failure::Retry((Some(RETRY_MS), format!("slot {latest}: its block is confirmed but not available yet")));
    let latest = match block_id(&names, 0, latest) {
        Ok(name) => name.ok_or_else(not_yet)?,
        Err(BlockRefusal::NotYet) => return Err(not_yet()),
        Err(BlockRefusal::Failure(failure)) => return Err(failure),
    };
    // Where the finalized block is not available now, a later head names it.
    let finalized = block_id(&names, 1, finalized).ok().flatten();
    Ok(Tip { network: format!("solana:{genesis}"), latest, finalized, attributes: vec![] })
}

fn parse<'a, T: serde::Deserialize<'a>>(answers: &'a Answers, at: usize) -> Result<T, Failure> {
    answers.parse(at).map_err(|error| error.failure(Span { first: 0, last: 0 }))
}

/// The id of a slot's block; none where the node has no such block.
fn block_id(answers: &Answers, at: usize, slot: u64) -> Result<Option<BlockId>, BlockRefusal> {
    let name: Option<BlockName<'_>> = answers.parse(at).map_err(|error| rpc::block_refusal(error, slot))?;
    Ok(name.map(|name| BlockId { height: slot, hash: name.blockhash.to_owned() }))
}
