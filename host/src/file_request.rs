//! Files a request for a chain in its journal, for whichever instance holds the chain.

use crate::requests::request_record;
use crate::tape::newest_progress;
use anyhow::{Context, bail, ensure};
use ingest_domain::RequestKind;
use tape_log::{Log, Record};

/// Files a backfill or a rewind; returns a sentence that says what happens next.
pub async fn file_request(log: &Log, chain: &str, kind: RequestKind) -> anyhow::Result<String> {
    if let RequestKind::Backfill { from, to } = kind {
        ensure!(from <= to, "ask for a backfill: --from {from} is above --to {to}");
    }
    let newest = newest_progress(log, chain).await.context("read chains.progress.v1")?;
    let newest =
        newest.with_context(|| format!("no chain `{chain}` is on the tape; its id is that of its chain file"))?;
    let published = newest.context("read the chain's progress")?.published;
    match (kind, published) {
        (_, None) => bail!("nothing of chain `{chain}` is on the tape yet"),
        (RequestKind::Rewind { to }, Some(published)) => ensure!(
            to < published.height,
            "rewind to {to}: `{chain}` stands at {}, there is nothing above",
            published.height
        ),
        _ => {}
    }
    let (id, record) = new_request(chain, kind);
    log.deliver(vec![record]).await.context("file the request in ingest.journal.v1")?;
    Ok(format!("request {id} is filed: {}, by {}; see /v1/chains", outcome(chain, kind), fulfilled_by(log)))
}

/// A request with a new id, and its record.
pub(crate) fn new_request(chain: &str, kind: RequestKind) -> (String, Record) {
    let id = format!("{:013}-{}", environment::now_ms(), std::process::id());
    let record = request_record(chain, &id, kind);
    (id, record)
}

/// What a request leads to.
pub(crate) fn outcome(chain: &str, kind: RequestKind) -> String {
    match kind {
        RequestKind::Backfill { from, to } => {
            format!("heights {from} to {to} of {chain} are filled in where nothing covers them")
        }
        RequestKind::Rewind { to } => {
            format!("every trade of {chain} above {to} is taken back, then it is followed from there")
        }
        RequestKind::Skip { height } => {
            format!("the trades of {chain} at {height} are left out as a gap, and the chain is followed on")
        }
        RequestKind::Retry => format!("{chain} is followed again from where it stands"),
    }
}

/// Who fulfils requests, and when.
pub(crate) fn fulfilled_by(log: &Log) -> &'static str {
    match log {
        Log::Kafka(_) => "the instance that holds the chain",
        Log::Sqlite(_) | Log::Memory(_) => "the process that runs on this log, at once or when it starts",
    }
}
