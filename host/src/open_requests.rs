//! The command `requests`: shows what is requested of a chain and not fulfilled yet, and drops a request.

use crate::file_request::{fulfilled_by, outcome};
use crate::requests::Requests;
use anyhow::{Context, bail};
use tape_log::{Log, Record, topics};

/// Shows the open requests of a chain, or drops one of them; returns what the operator reads.
pub(crate) async fn open_requests(log: &Log, program: &str, chain: &str, drop: Option<&str>) -> anyhow::Result<String> {
    let partition = topics::JOURNAL.partition_of(chain.as_bytes());
    let requests = Requests::default();
    let taken = requests.clone();
    // A record that is no request of this form is none that can be dropped; `repair` deals with it.
    let take_in = move |record| {
        let _ = taken.take_in(&record);
    };
    log.visit(&partition, take_in).await.context("read ingest.journal.v1")?;
    let open = requests.of_chain(chain);
    let Some(id) = drop else {
        if open.is_empty() {
            return Ok(format!("nothing is requested of chain `{chain}`"));
        }
        let each = open.iter().map(|request| format!("{}  {}", request.id, outcome(chain, request.kind)));
        let how = format!("to drop one: {program} requests --chain {chain} --drop ID");
        return Ok(each.chain([how]).collect::<Vec<_>>().join("\n"));
    };
    let Some(key) = requests.keys(chain, &[id.to_owned()]).pop() else {
        bail!(
            "drop request {id}: nothing of that id is requested of chain `{chain}`; `{program} requests --chain {chain}` lists what is"
        );
    };
    let record = Record { partition, key: key.into_bytes(), headers: vec![], value: None };
    log.deliver(vec![record]).await.context("drop the request in ingest.journal.v1")?;
    Ok(format!("request {id} is dropped, by {}; what it has put on the tape stays there", fulfilled_by(log)))
}
