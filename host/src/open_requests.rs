//! The command `requests`: shows what is requested of a chain and not fulfilled yet, and drops a request.

use crate::file_request::{fulfilled_by, outcome};
use crate::requests::{RequestKind, Requests};
use crate::tape::newest_progress;
use anyhow::{Context, bail};
use ingest_domain::Request;
use serde_json::{Value, json};
use tape_log::{Log, Record, Stored, topics};

/// Above every position of a journal: what waits comes after what is there.
const BEHIND_THE_JOURNAL: u64 = 1 << 62;

/// Shows the open requests of a chain; returns what the operator reads.
pub(crate) async fn open_requests(log: &Log, program: &str, chain: &str, as_json: bool) -> anyhow::Result<String> {
    let open = requests_in(log, chain).await?.of_chain(chain);
    if open.is_empty() && newest_progress(log, chain).await.context("read chains.progress.v1")?.is_none() {
        bail!("find chain `{chain}` on the tape; its id is that of its chain file");
    }
    if as_json {
        let each = open.iter().map(|request| as_value(chain, request));
        return Ok(serde_json::to_string_pretty(&each.collect::<Vec<_>>())?);
    }
    if open.is_empty() {
        return Ok(format!("nothing is requested of chain `{chain}`"));
    }
    let each = open.iter().map(|request| format!("{}  {}", request.id, outcome(chain, request.kind)));
    let how = format!("to drop one: {program} requests --chain {chain} --drop ID");
    Ok(each.chain([how]).collect::<Vec<_>>().join("\n"))
}

/// Drops a request of a chain; returns what the operator reads.
pub(crate) async fn drop_request(
    log: &Log,
    program: &str,
    (chain, id): (&str, &str),
    as_json: bool,
) -> anyhow::Result<String> {
    let Some(key) = requests_in(log, chain).await?.keys(chain, &[id.to_owned()]).pop() else {
        bail!(
            "drop request {id}: nothing of that id is requested of chain `{chain}`; `{program} requests --chain {chain}` lists what is"
        );
    };
    let partition = topics::JOURNAL.partition_of(chain.as_bytes());
    let record = Record { partition, key: key.into_bytes(), headers: vec![], value: None };
    log.deliver(vec![record]).await.context("drop the request in ingest.journal.v1")?;
    if as_json {
        return Ok(json!({ "chain": chain, "dropped": id }).to_string());
    }
    Ok(format!("request {id} is dropped, by {}; what it has put on the tape stays there", fulfilled_by(log)))
}

/// What is requested of a chain: in its journal, and what waits for a process to append it there.
pub(crate) async fn requests_in(log: &Log, chain: &str) -> anyhow::Result<Requests> {
    let requests = Requests::default();
    let taken = requests.clone();
    // A record that is no request of this form is none that can be dropped; `repair` deals with it.
    let take_in = move |record| {
        let _ = taken.take_in(&record);
    };
    // First what waits: what is appended meanwhile is found in the journal then.
    let waiting = log.undelivered().await.context("read what waits for the process that runs on this log")?;
    log.visit(&topics::JOURNAL.partition_of(chain.as_bytes()), take_in).await.context("read ingest.journal.v1")?;
    for (position, Record { key, headers, value, .. }) in (BEHIND_THE_JOURNAL..).zip(waiting) {
        let _ = requests.take_in(&Stored { position, key, headers, value, timestamp_ms: 0 });
    }
    Ok(requests)
}

fn as_value(chain: &str, Request { id, kind }: &Request) -> Value {
    let what = match kind {
        RequestKind::Backfill { from, to } => json!({ "kind": "backfill", "from": from, "to": to }),
        RequestKind::Rewind { to } => json!({ "kind": "rewind", "to": to }),
        RequestKind::Skip { height } => json!({ "kind": "skip", "height": height }),
        RequestKind::Retry => json!({ "kind": "retry" }),
    };
    let mut value = json!({ "chain": chain, "id": id, "outcome": outcome(chain, *kind) });
    if let (Value::Object(value), Value::Object(what)) = (&mut value, what) {
        value.extend(what);
    }
    value
}
