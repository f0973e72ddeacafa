//! The head: how far an endpoint is, and which network it belongs to.

use crate::hex;
use crate::rpc::{self, BlockName};
use crate::settings::Settings;
use chain_plugin_sdk::jsonrpc::{self, Answers};
use chain_plugin_sdk::{BlockId, Context, Failure, Host, Span, Tip};

/// Asks for the chain's number, its first, latest and finalized block, in one request. The first block is asked each
/// time: its hash distinguishes networks that use the same number.
pub(crate) fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure> {
    let settings = Settings::read(context)?;
    let calls = [rpc::chain_id(), rpc::block("0x0"), rpc::block("latest"), rpc::block("finalized")];
    let answers = jsonrpc::send(host, &calls, settings.batch);
    let span = Span { first: 0, last: 0 };
    let id: &str = answers.parse(0).map_err(|error| error.failure(span))?;
    let id = hex::quantity(id).ok_or_else(|| unreadable("the chain's number"))?;
    let genesis =
        block(&answers, 1)?.ok_or_else(|| Failure::Elsewhere("the endpoint has no first block".to_owned()))?;
    let latest =
        block(&answers, 2)?.ok_or_else(|| Failure::Elsewhere("the endpoint has no latest block".to_owned()))?;
    // Not every node knows the tag; without it the host goes by depth.
    let finalized = block(&answers, 3).ok().flatten();
    Ok(Tip { network: format!("eip155:{id}/{}", genesis.hash), latest, finalized, attributes: vec![] })
}

fn block(answers: &Answers, at: usize) -> Result<Option<BlockId>, Failure> {
    let name = answers.read(at, BlockName::read).map_err(|error| error.failure(Span { first: 0, last: 0 }))?;
    name.map(|name| {
        let height = hex::quantity(name.number).ok_or_else(|| unreadable("a block's number"))?;
        let hash = hex::hash(name.hash).map(hex::encode).ok_or_else(|| unreadable("a block's hash"))?;
        Ok(BlockId { height, hash })
    })
    .transpose()
}

fn unreadable(what: &str) -> Failure {
    Failure::Elsewhere(format!("{what} cannot be read"))
}
