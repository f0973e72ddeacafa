//! Drops old trades regularly, where `METRICS_RETENTION_DAYS` is set.

use environment::with_causes;
use metrics_domain::retention::{PruneOutcome, Retention, cut_for_days};
use std::collections::BTreeMap;
use std::time::Duration;
use tape::Unavailable;
use tape_log::{Log, topics};

/// How often to look for something to drop: a period of trades ends once in 30 days.
const CHECK_INTERVAL: Duration = Duration::from_hours(1);

/// Drops trades older than `days` again and again, for as long as the service runs.
pub(crate) async fn drop_regularly(store: &impl Retention, log: &Log, days: u32) {
    loop {
        match drop_old_trades(store, log, days).await {
            Ok(PruneOutcome::Nothing) => {}
            Ok(PruneOutcome::Done { kept }) => tracing::info!(event = "trades.dropped", kept, "old trades dropped"),
            Ok(PruneOutcome::NotFinal { chain, height }) => {
                let message = "old trades are not dropped: a block among them is not known to be final";
                tracing::warn!(event = "trades.not-final", chain.id = %chain, block.height = height, "{message}");
            }
            Err(error) => {
                tracing::warn!(event = "trades.drop.delayed", error = %with_causes(&error), "failed to {error}");
            }
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

async fn drop_old_trades(store: &impl Retention, log: &Log, days: u32) -> Result<PruneOutcome, Unavailable> {
    let mut finalized = BTreeMap::new();
    for record in log.read_all(&topics::PROGRESS.partition(0)).await? {
        // A record that does not validate was not written by an ingestor.
        let Some(Ok(progress)) = record.value.map(|value| wire::v1::progress::decode(&value)) else { continue };
        finalized.extend(progress.finalized.map(|block| (progress.chain, block.height)));
    }
    store.prune(cut_for_days(environment::now_ms(), days), &finalized).await
}
