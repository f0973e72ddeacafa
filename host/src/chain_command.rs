//! The commands of an operator on one chain: `backfill`, `rewind`, `repair` and `requests`, for `chain-ingestor` and `chaintape` alike.

use crate::file_request::file_request;
use crate::open_requests::{drop_request, open_requests};
use crate::tape::repair::{Repair, repair};
use clap::Subcommand;
use ingest_domain::RequestKind;
use tape_log::Log;

/// A command on one chain, carried out by the instance that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ChainCommand {
    /// Put the heights of a chain that nothing covers on the tape, while live goes on.
    #[command(after_help = "Example:\n  chaintape backfill --chain base --from 40000000 --to 40001000 --wait")]
    Backfill {
        /// Id of the chain.
        #[arg(long)]
        chain: String,
        /// First height.
        #[arg(long)]
        from: u64,
        /// Last height.
        #[arg(long)]
        to: u64,
        /// Wait until they are on the tape, and show how far it is.
        #[arg(long)]
        wait: bool,
    },
    /// Take back every trade of a chain above a height, final or not, and follow the chain from there.
    #[command(after_help = "Example:\n  chaintape rewind --chain base --to 41000000")]
    Rewind {
        /// Id of the chain.
        #[arg(long)]
        chain: String,
        /// The last height to keep.
        #[arg(long)]
        to: u64,
    },
    /// Show why a parked chain cannot go on, and what would let it; with --confirm, do it.
    #[command(after_help = "Examples:\n  chaintape repair --chain base\n  chaintape repair --chain base --confirm")]
    Repair {
        /// Id of the chain.
        #[arg(long)]
        chain: String,
        /// Leave the trades of this height out: one that cannot be published.
        #[arg(long)]
        skip: Option<u64>,
        /// Carry the repair out.
        #[arg(long)]
        confirm: bool,
    },
    /// Show what is requested of a chain and not fulfilled yet; with --drop, take a request back.
    #[command(after_help = "Example:\n  chaintape requests --chain base --json | jq -r '.[].id'")]
    Requests {
        /// Id of the chain.
        #[arg(long)]
        chain: String,
        /// Id of the request to take back; what it has put on the tape stays there.
        #[arg(long)]
        drop: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

impl ChainCommand {
    /// Carries it out on a log; returns what happens next. `program` is what the operator called.
    pub async fn execute(&self, log: &Log, program: &str) -> anyhow::Result<String> {
        match self {
            Self::Backfill { chain, from, to, wait: _ } => {
                Ok(file_request(log, chain, RequestKind::Backfill { from: *from, to: *to }).await?.sentence)
            }
            Self::Rewind { chain, to } => Ok(file_request(log, chain, RequestKind::Rewind { to: *to }).await?.sentence),
            Self::Repair { chain, skip, confirm } => {
                repair(log, program, &Repair { chain: chain.clone(), skip: *skip, confirm: *confirm }).await
            }
            Self::Requests { chain, drop: Some(id), json } => {
                drop_request(log, program, (chain.as_str(), id.as_str()), *json).await
            }
            Self::Requests { chain, drop: None, json } => open_requests(log, program, chain, *json).await,
        }
    }
}
