//! Follows the log and hands every record to the hub: all partitions, without a consumer group, nothing committed.

use super::Hub;
use super::channel::Channel;
use super::rings::StartPositions;
use super::update::Incoming;
use crate::store::Store;
use api_domain::FoldedPositions;
use environment::telemetry::{continued, has_event_line};
use environment::{Backoff, Shutdown, now_ms};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape::{Partition, Start, Unavailable};
use tape_log::{Arrival, Log, Reader, Stored, Topic, topics};
use wire::{Invalid, v1};

/// How long others may take to make tables and topics when all start together.
const FIRST_START_TIME: Duration = Duration::from_secs(30);
/// How often metrics' positions are read, to know which trades need not be kept.
const FOLDED_POSITIONS_INTERVAL: Duration = Duration::from_secs(2);

/// Follows the log until shutdown and retries whatever fails.
pub(crate) async fn follow_log(hub: Arc<Hub>, store: Store, log: Log, lookback: Duration, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let begun = Instant::now();
    let following = async {
        loop {
            let Err(error) = read_log(&hub, &store, &log, lookback, &mut backoff).await;
            let wait = backoff.next();
            log_waiting(hub.started() || begun.elapsed() > FIRST_START_TIME, &error, wait);
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        () = following => {}
        () = watch_folded_positions(&hub, &store, lookback) => {}
        () = shutdown.wait() => {}
    }
}

/// At a first start the tables and topics are still being made, which is nothing to warn about.
fn log_waiting(is_odd: bool, error: &Unavailable, wait: Duration) {
    let (again_ms, error) = (millis(wait), error as &(dyn std::error::Error + 'static));
    if is_odd {
        tracing::warn!(event = "api.log.waiting", error, again_ms, "cannot follow the log; retrying in {wait:?}");
    } else {
        tracing::info!(event = "api.log.waiting", error, again_ms, "cannot follow the log yet; retrying in {wait:?}");
    }
}

/// Tells the hub from time to time how far metrics has folded.
async fn watch_folded_positions(hub: &Hub, store: &Store, lookback: Duration) {
    loop {
        tokio::time::sleep(FOLDED_POSITIONS_INTERVAL).await;
        // A failure needs no report: `/ready` and every request that needs the database report it. Nothing is dropped.
        if let Ok(folded) = store.folded_positions().await {
            hub.note_folded(folded, now_ms().saturating_sub(millis(lookback)));
        }
    }
}

async fn read_log(
    hub: &Hub,
    store: &Store,
    log: &Log,
    lookback: Duration,
    backoff: &mut Backoff,
) -> Result<Infallible, Unavailable> {
    let mut reader = open_reader(hub, store, log, lookback).await?;
    loop {
        let Arrival::Records { partition, records, next } = reader.next().await? else { continue };
        backoff.reset();
        let newest = records.last();
        let trace = newest.and_then(Stored::traceparent);
        let span =
            tracing::info_span!("api.records.deliver", log = %partition.topic, partition = partition.index, next);
        let newest_ms = newest.map_or(0, |record| record.timestamp_ms);
        continued(span, trace).in_scope(|| deliver_records(hub, &partition, records, next));
        hub.advance(&partition, next, now_ms(), newest_ms);
    }
}

/// A reader of all topics: trades from metrics' positions or the lookback, whichever is earlier; states from the
/// lookback; progress and dead letters from the beginning.
async fn open_reader(hub: &Hub, store: &Store, log: &Log, lookback: Duration) -> Result<Reader, Unavailable> {
    let since_ms = now_ms().saturating_sub(millis(lookback));
    let folded = if hub.started() { FoldedPositions::default() } else { store.folded_positions().await? };
    let mut starts = StartPositions {
        progress_end: positions_at(log, &topics::PROGRESS, i64::MAX.cast_unsigned()).await?.into_iter().sum(),
        trades: positions_at(log, &topics::TRADES, since_ms).await?,
        metrics: positions_at(log, &topics::METRICS_UPDATED, since_ms).await?,
        wallets: positions_at(log, &topics::PORTFOLIO_UPDATED, since_ms).await?,
    };
    for (partition, start) in (0_u32..).zip(&mut starts.trades) {
        *start = folded.next(partition).min(*start);
    }
    let starts = hub.start(&starts);
    let mut partitions = vec![(topics::PROGRESS.partition(0), Start::Beginning)];
    for (topic, starts) in [
        (topics::TRADES, starts.trades),
        (topics::METRICS_UPDATED, starts.metrics),
        (topics::PORTFOLIO_UPDATED, starts.wallets),
    ] {
        partitions.extend(topic.partitions().zip(starts.into_iter().map(Start::At)));
    }
    partitions.extend(topics::DEAD_LETTERS.iter().map(|topic| (topic.partition(0), Start::Beginning)));
    let reader = log.assigned(partitions).await?;
    tracing::info!(event = "api.log.following", "following the log");
    Ok(reader)
}

/// The first position of each partition at or after a time.
async fn positions_at(log: &Log, topic: &Topic, since_ms: u64) -> Result<Vec<u64>, Unavailable> {
    let mut positions = vec![0; topic.partitions as usize];
    for (partition, position) in log.positions_at(topic, since_ms).await? {
        if let Some(slot) = positions.get_mut(partition.index as usize) {
            *slot = position;
        }
    }
    Ok(positions)
}

/// Hands consecutive records of a partition to the hub; what cannot be decoded is counted and left out.
fn deliver_records(hub: &Hub, partition: &Partition, records: Vec<Stored>, next: u64) {
    hub.count_records(partition, &records, next);
    let Some(channel) = Channel::from_topic(&partition.topic) else { return };
    for record in records {
        let (position, at_ms) = (record.position, record.timestamp_ms);
        log_delivery(channel, &record);
        let Some(value) = record.value else { continue };
        match decode(channel, position, value) {
            Ok(incoming) => hub.deliver(incoming, partition.index, position, at_ms),
            Err(reason) => {
                hub.count_poison();
                tracing::warn!(
                    event = "api.record.dropped",
                    log = %partition.topic,
                    partition = partition.index,
                    position,
                    %reason,
                    "cannot decode the record at position {position} of {}; it is left out",
                    partition.topic
                );
            }
        }
    }
}

/// A line about an event that readers of streams receive now, if they asked for it.
fn log_delivery(channel: Channel, record: &Stored) {
    let event = match channel {
        Channel::Trades => "trade.delivered",
        Channel::Metrics => "metrics.delivered",
        Channel::Wallets => "portfolio.delivered",
        Channel::Chains | Channel::Prices | Channel::Candles => return,
    };
    if let Some(event_id) = record.event_id().filter(|id| has_event_line(id)) {
        tracing::info!(event, eventId = event_id, position = record.position, "handed to the streams");
    }
}

fn decode(channel: Channel, position: u64, value: Vec<u8>) -> Result<Incoming, Invalid> {
    Ok(match channel {
        Channel::Trades => {
            let record = v1::trade::decode_record(position, value).map_err(|(invalid, _)| invalid)?;
            Incoming::Trade(Box::new(record.event), record.text)
        }
        Channel::Metrics => Incoming::Metrics(Box::new(v1::metrics::decode(&value)?)),
        Channel::Wallets => Incoming::Wallet(v1::portfolio::decode(&value)?),
        Channel::Chains => Incoming::Chain(Box::new(v1::progress::decode(&value)?)),
        Channel::Prices | Channel::Candles => return Err(Invalid::Shape("is on no topic".to_owned())),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
