//! The commands `backfill` and `rewind`: file a request in the journal, for whichever instance holds the chain.

use crate::requests::request_record;
use anyhow::{Context, ensure};
use ingest_domain::RequestKind;
use tape_log::{Log, topics};
use wire::v1::progress;

/// Files a request for a chain; returns a sentence that says what happens next.
pub async fn file_request(log: &Log, chain: &str, kind: RequestKind) -> anyhow::Result<String> {
    if let RequestKind::Backfill { from, to } = kind {
        ensure!(from <= to, "ask for a backfill: --from {from} is above --to {to}");
    }
    // The embedded log belongs to one process, which would not see what another appends.
    ensure!(
        matches!(log, Log::Kafka(_)),
        "ask an ingestor: this needs LOG=kafka; an embedded log belongs to the process that runs on it"
    );
    let records = log.read_all(&topics::PROGRESS.partition(0)).await.context("read chains.progress.v1")?;
    let newest = records.into_iter().rfind(|record| record.key == chain.as_bytes()).and_then(|record| record.value);
    let newest =
        newest.with_context(|| format!("no chain `{chain}` is on the tape; its id is that of its chain file"))?;
    let progress = progress::decode(&newest).context("read the chain's progress")?;
    if let (RequestKind::Rewind { to }, Some(published)) = (kind, &progress.published) {
        ensure!(
            to < published.height,
            "rewind to {to}: `{chain}` stands at {}, there is nothing above",
            published.height
        );
    }
    let id = format!("{:013}-{}", environment::now_ms(), std::process::id());
    log.publish(vec![request_record(chain, &id, kind)]).await.context("file the request in ingest.journal.v1")?;
    let what = match kind {
        RequestKind::Backfill { from, to } => {
            format!("heights {from} to {to} of {chain} are filled in where nothing covers them")
        }
        RequestKind::Rewind { to } => {
            format!("every trade of {chain} above {to} is taken back, then it is followed from there")
        }
    };
    Ok(format!("request {id} is filed: {what}, by the instance that holds the chain; see /v1/chains"))
}
