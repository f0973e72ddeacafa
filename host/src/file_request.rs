//! Files a request for a chain in its journal, for whichever instance holds the chain.

use crate::requests::request_record;
use crate::tape::newest_progress;
use anyhow::{Context, bail, ensure};
use ingest_domain::RequestKind;
use tape_log::{Log, Record};

/// A request that is filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiledRequest {
    /// Its id.
    pub id: String,
    /// What happens next.
    pub sentence: String,
}

/// Files a backfill or a rewind.
pub async fn file_request(log: &Log, chain: &str, kind: RequestKind) -> anyhow::Result<FiledRequest> {
    if let RequestKind::Backfill { from, to } = kind {
        ensure!(from <= to, "ask for a backfill: --from {from} is above --to {to}");
    }
    let newest = newest_progress(log, chain).await.context("read chains.progress.v1")?;
    let newest =
        newest.with_context(|| format!("find chain `{chain}` on the tape; its id is that of its chain file"))?;
    let newest = newest.context("read the chain's progress")?;
    let (published, latest) = (newest.published, newest.latest);
    match (kind, published) {
        (_, None) => bail!("ask for it: nothing of chain `{chain}` is on the tape yet; wait for its first block"),
        (RequestKind::Rewind { to }, Some(published)) => ensure!(
            to < published.height,
            "rewind to {to}: `{chain}` stands at {}, there is nothing above",
            published.height
        ),
        (RequestKind::Backfill { to, .. }, Some(published)) => {
            let head = latest.map_or(published.height, |latest| latest.height.max(published.height));
            ensure!(to <= head, "ask for a backfill: --to {to} is above the newest block of `{chain}`, {head}");
        }
        _ => {}
    }
    let (id, record) = new_request(chain, kind);
    log.deliver(vec![record]).await.context("file the request in ingest.journal.v1")?;
    let sentence = format!("request {id} is filed: {}, by {}; see /v1/chains", outcome(chain, kind), fulfilled_by(log));
    Ok(FiledRequest { id, sentence })
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
