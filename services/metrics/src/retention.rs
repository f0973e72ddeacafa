//! Drops trades that are older than wished, now and then, for as long as the service runs.

use environment::with_causes;
use metrics_domain::retention::{Pruned, Retention, cut};
use std::collections::BTreeMap;
use std::time::Duration;
use tape::Unavailable;
use tape_log::{Log, topics};
use wire::v1::progress;

/// How often it is looked for something to drop: a span ends once a month.
const EVERY: Duration = Duration::from_hours(1);

/// Keeps so many days of trades.
pub async fn keep(store: &impl Retention, log: &Log, days: u32) {
    loop {
        match once(store, log, days).await {
            Ok(Pruned::Nothing) => {}
            Ok(Pruned::Done { kept }) => tracing::info!(event = "trades.dropped", kept, "old trades dropped"),
            Ok(Pruned::NotFinal { chain, height }) => {
                let said = "old trades are not dropped: a block among them is not known to be final";
                tracing::warn!(event = "trades.not-final", chain.id = %chain, block.height = height, "{said}");
            }
            Err(error) => {
                tracing::warn!(event = "trades.drop.delayed", error = %with_causes(&error), "failed to {error}")
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn once(store: &impl Retention, log: &Log, days: u32) -> Result<Pruned, Unavailable> {
    let mut finalized = BTreeMap::new();
    for record in log.read_all(&topics::PROGRESS.partition(0)).await? {
        // What does not validate was not written by an ingestor.
        let Some(Ok(said)) = record.value.map(|value| progress::decode(&value)) else { continue };
        finalized.extend(said.finalized.map(|block| (said.chain, block.height)));
    }
    store.prune(cut(environment::now_ms(), days), &finalized).await
}
