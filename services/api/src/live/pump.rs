//! From the log into the hub: all partitions, alone, nothing committed; what cannot be read is dropped and counted.

use super::{Hub, MetricsChange, Starts, TradeChange, WalletChange};
use crate::store::Store;
use api_domain::{Folded, Reads};
use environment::telemetry::continued;
use environment::{Backoff, Shutdown, now_ms};
use std::sync::Arc;
use std::time::Duration;
use tape::{Share, Start, Unavailable};
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
        let Arrival::Records { share, records, next } = reader.next().await? else { continue };
        backoff.reset();
        let newest = records.last();
        let trace = newest.and_then(Stored::traceparent);
        let span = tracing::info_span!("api.records.deliver", log = %share.log, partition = share.number, next);
        let newest_ms = newest.map_or(0, |record| record.timestamp_ms);
        continued(span, trace).in_scope(|| deliver(hub, &share, records, next));
        hub.advance(&share, next, now_ms(), newest_ms);
    }
}

/// Hands records over that follow each other.
fn deliver(hub: &Hub, share: &Share, records: Vec<Stored>, next: u64) {
    hub.saw(share, &records, next);
    for record in records {
        let position = record.position;
        if let Err(reason) = take(hub, share, record) {
            hub.count_poison();
            tracing::warn!(
                event = "api.record.dropped",
                log = %share.log,
                partition = share.number,
                position,
                %reason,
                "a record of {} cannot be read and is left out",
                share.log
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
    let mut shares = vec![(topics::PROGRESS.share(0), Start::Beginning)];
    let of = |topic: Topic, starts: Vec<u64>| topic.shares().zip(starts.into_iter().map(Start::At)).collect::<Vec<_>>();
    shares.extend(of(topics::TRADES, starts.trades));
    shares.extend(of(topics::METRICS_UPDATED, starts.metrics));
    shares.extend(of(topics::PORTFOLIO_UPDATED, starts.wallets));
    shares.extend(topics::DEAD_LETTERS.iter().map(|topic| (topic.share(0), Start::Beginning)));
    let reader = log.assigned(shares).await?;
    tracing::info!(event = "api.log.following", "following the log");
    Ok(reader)
}

/// The first position of each partition at or after a time.
async fn positions(log: &Log, topic: &Topic, since: u64) -> Result<Vec<u64>, Unavailable> {
    let mut positions = vec![0; topic.partitions as usize];
    for (share, position) in log.positions_at(topic, since).await? {
        if let Some(slot) = positions.get_mut(share.number as usize) {
            *slot = position;
        }
    }
    Ok(positions)
}

/// Hands one record over.
fn take(hub: &Hub, share: &Share, record: Stored) -> Result<(), Invalid> {
    let (position, at_ms) = (record.position, record.timestamp_ms);
    let Some(value) = record.value else { return Ok(()) };
    if *share.log == *topics::TRADES.name {
        let told = v1::trade::told(position, value).map_err(|(invalid, _)| invalid)?;
        hub.trade(share.number, position, at_ms, |at, number| TradeChange::new(told.event, &told.text, at, number));
    } else if *share.log == *topics::METRICS_UPDATED.name {
        let body = v1::metrics::decode(&value)?;
        hub.metrics(share.number, position, at_ms, |at, number| MetricsChange::new(body, at, number));
    } else if *share.log == *topics::PORTFOLIO_UPDATED.name {
        let body = v1::portfolio::decode(&value)?;
        hub.wallet(share.number, position, at_ms, |at, number| WalletChange::new(body, at, number));
    } else if *share.log == *topics::PROGRESS.name {
        hub.chain(position, v1::progress::decode(&value)?);
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
