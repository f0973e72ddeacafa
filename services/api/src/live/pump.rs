//! From the log into the hub: all partitions, alone, nothing committed; what cannot be read is dropped and counted.

use super::{Hub, MetricsChange, Starts, TradeChange, WalletChange};
use crate::store::Store;
use api_domain::{Folded, Reads};
use environment::telemetry::continued;
use environment::{Backoff, Shutdown, now_ms};
use std::sync::Arc;
use std::time::Duration;
use tape::{Partition, Start, Unavailable};
use tape_log::{Arrival, Log, Reader, Stored, Topic, topics};
use wire::{Invalid, v1};

/// How often metrics' position is asked, to know what may be forgotten.
const WATCH: Duration = Duration::from_secs(2);

/// Reads the log into the hub until shutdown; whatever fails is tried again.
pub(crate) async fn follow(hub: Arc<Hub>, store: Store, log: Log, lookback: Duration, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let reading = async {
        loop {
            let Err(error) = read(&hub, &store, &log, lookback, &mut backoff).await;
            let wait = backoff.next();
            tracing::warn!(
                event = "api.log.waiting",
                error = &error as &dyn std::error::Error,
                again_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "failed to follow the log; trying again"
            );
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = watch(&hub, &store, lookback) => {}
        () = shutdown.wait() => {}
    }
}

/// Notes from time to time how far metrics has come.
async fn watch(hub: &Hub, store: &Store, lookback: Duration) {
    loop {
        tokio::time::sleep(WATCH).await;
        // A failure is told by `/ready` and by whoever needs the database; here it only means: forget nothing yet.
        if let Ok(folded) = store.folded().await {
            hub.note_folded(folded, now_ms().saturating_sub(millis(lookback)));
        }
    }
}

async fn read(
    hub: &Hub,
    store: &Store,
    log: &Log,
    lookback: Duration,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, Unavailable> {
    let mut reader = begin(hub, store, log, lookback).await?;
    loop {
        let Arrival::Records { partition, records, next } = reader.next().await? else { continue };
        backoff.reset();
        let newest = records.last();
        let trace = newest.and_then(Stored::traceparent);
        let span =
            tracing::info_span!("api.records.deliver", log = %partition.topic, partition = partition.index, next);
        let newest_ms = newest.map_or(0, |record| record.timestamp_ms);
        continued(span, trace).in_scope(|| deliver(hub, &partition, records, next));
        hub.advance(&partition, next, now_ms(), newest_ms);
    }
}

/// Hands records over that follow each other.
fn deliver(hub: &Hub, partition: &Partition, records: Vec<Stored>, next: u64) {
    hub.saw(partition, &records, next);
    for record in records {
        let position = record.position;
        if let Err(reason) = take(hub, partition, record) {
            hub.count_poison();
            tracing::warn!(
                event = "api.record.dropped",
                log = %partition.topic,
                partition = partition.index,
                position,
                %reason,
                "a record of {} cannot be read and is left out",
                partition.topic
            );
        }
    }
}

/// A reader of everything: trades from where metrics is, or earlier; states from some minutes back; progress and dead
/// letters in full.
async fn begin(hub: &Hub, store: &Store, log: &Log, lookback: Duration) -> Result<Reader, Unavailable> {
    let since = now_ms().saturating_sub(millis(lookback));
    let folded = if hub.started() { Folded::default() } else { store.folded().await? };
    let mut starts = Starts {
        trades: positions(log, &topics::TRADES, since).await?,
        metrics: positions(log, &topics::METRICS_UPDATED, since).await?,
        wallets: positions(log, &topics::PORTFOLIO_UPDATED, since).await?,
    };
    for (partition, start) in (0_u32..).zip(&mut starts.trades) {
        *start = folded.next(partition).min(*start);
    }
    let starts = hub.start(&starts);
    let mut partitions = vec![(topics::PROGRESS.partition(0), Start::Beginning)];
    let of =
        |topic: Topic, starts: Vec<u64>| topic.partitions().zip(starts.into_iter().map(Start::At)).collect::<Vec<_>>();
    partitions.extend(of(topics::TRADES, starts.trades));
    partitions.extend(of(topics::METRICS_UPDATED, starts.metrics));
    partitions.extend(of(topics::PORTFOLIO_UPDATED, starts.wallets));
    partitions.extend(topics::DEAD_LETTERS.iter().map(|topic| (topic.partition(0), Start::Beginning)));
    let reader = log.assigned(partitions).await?;
    tracing::info!(event = "api.log.following", "following the log");
    Ok(reader)
}

/// The first position of each partition at or after a time.
async fn positions(log: &Log, topic: &Topic, since: u64) -> Result<Vec<u64>, Unavailable> {
    let mut positions = vec![0; topic.partitions as usize];
    for (partition, position) in log.positions_at(topic, since).await? {
        if let Some(slot) = positions.get_mut(partition.index as usize) {
            *slot = position;
        }
    }
    Ok(positions)
}

/// Hands one record over.
fn take(hub: &Hub, partition: &Partition, record: Stored) -> Result<(), Invalid> {
    let (position, at_ms) = (record.position, record.timestamp_ms);
    let Some(value) = record.value else { return Ok(()) };
    if *partition.topic == *topics::TRADES.name {
        let told = v1::trade::decode_record(position, value).map_err(|(invalid, _)| invalid)?;
        hub.trade(partition.index, position, at_ms, |at, number| TradeChange::new(told.event, &told.text, at, number));
    } else if *partition.topic == *topics::METRICS_UPDATED.name {
        let body = v1::metrics::decode(&value)?;
        hub.metrics(partition.index, position, at_ms, |at, number| MetricsChange::new(body, at, number));
    } else if *partition.topic == *topics::PORTFOLIO_UPDATED.name {
        let body = v1::portfolio::decode(&value)?;
        hub.wallet(partition.index, position, at_ms, |at, number| WalletChange::new(body, at, number));
    } else if *partition.topic == *topics::PROGRESS.name {
        hub.chain(position, v1::progress::decode(&value)?);
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
