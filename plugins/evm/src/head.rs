//! The head: how far an endpoint is, and which network it belongs to.

use crate::hex;
use crate::rpc::{self, BlockName};
use crate::settings::Settings;
use chain_plugin_sdk::jsonrpc::{self, Answers};
use chain_plugin_sdk::{BlockId, Context, Failure, Host, Span, Tip};

/// The fact under which the host keeps the chain's number and first block.
const FIRST_BLOCK: &str = "first-block";

/// The attribute by which the host says which network this endpoint named already.
const ENDPOINT_NETWORK: &str = "endpoint-network";

/// Asks for the latest and the finalized block, and, unless the host still knows what this endpoint answered, for the chain's
/// number and its first block, in one request. The first block's hash distinguishes networks that use the same number.
pub(crate) fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure> {
    let settings = Settings::read(context)?;
    let named = context.attributes.iter().find(|(name, _)| name == ENDPOINT_NETWORK).map(|(_, network)| network);
    let mut calls = vec![rpc::block("latest"), rpc::block("finalized")];
    if named.is_none() {
        calls.extend([rpc::chain_id(), rpc::block("0x0")]);
    }
    let answers = jsonrpc::send(host, &calls, settings.batch);
    let network = if let Some(named) = named {
        named.clone()
    } else {
        let span = Span { first: 0, last: 0 };
        let id: &str = answers.parse(2).map_err(|error| error.failure(span))?;
        let id = hex::quantity(id).ok_or_else(|| unreadable("the chain's number"))?;
        network(host, context, id, first_block(&answers, 3, span)?)
    };
    let latest =
        block(&answers, 0)?.ok_or_else(|| Failure::Elsewhere("the endpoint has no latest block".to_owned()))?;
    // Not every node knows the tag; without it the host goes by depth.
    let finalized = block(&answers, 1).ok().flatten();
    Ok(Tip { network, latest, finalized, attributes: vec![] })
}

/// The hash of the first block; none where the endpoint has no such block, as on chains that began later or became EVM
/// chains, and at nodes from a snapshot.
fn first_block(answers: &Answers, at: usize, span: Span) -> Result<Option<String>, Failure> {
    match answers.read(at, BlockName::read) {
        Ok(_) => Ok(block(answers, at)?.map(|first| first.hash)),
        Err(error) if error.is_transient() || error.code.is_none() => Err(error.failure(span)),
        Err(_) => Ok(None),
    }
}

/// The network's name: the chain's number and its first block. An endpoint without a first block cannot contradict what
/// is known of it, from the tape or from another endpoint; where nobody has one, the number alone is the name. The oldest
/// block that an endpoint has would not do: it differs between endpoints, and moves.
fn network(host: &mut impl Host, context: &Context, id: u64, first_block: Option<String>) -> String {
    let number = format!("eip155:{id}");
    let known = context.attributes.iter().find(|(name, _)| name == "network").map(|(_, network)| network.as_str());
    match (known, first_block) {
        // The tape began without a first block.
        (Some(known), _) if known == number => number,
        (Some(known), None) if known.strip_prefix(&number).is_some_and(|rest| rest.starts_with('/')) => {
            known.to_owned()
        }
        (_, Some(hash)) => {
            let network = format!("{number}/{hash}");
            host.keep(vec![(FIRST_BLOCK.to_owned(), network.clone().into_bytes())]);
            network
        }
        (_, None) => {
            let kept = host.recall(&[FIRST_BLOCK.to_owned()]).into_iter().next().flatten();
            let kept = kept.and_then(|kept| String::from_utf8(kept).ok());
            kept.filter(|kept| kept.starts_with(&format!("{number}/"))).unwrap_or(number)
        }
    }
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
