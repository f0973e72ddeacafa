//! The trade feed: a log reader whose records are decoded; what does not validate goes to the reader's dead-letter log.

use crate::{Arrival, Log, Reader, Record, Stored, Topic, topics};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tape::{Batch, Delivery, Feed, Share, Start, Unavailable};

/// Reads trades for one service.
pub struct TradeFeed {
    log: Log,
    reader: Reader,
    dead: Topic,
    dead_lettered: Arc<AtomicU64>,
    /// A batch that may be delivered once its refused records are safe.
    held: Option<(Batch, Vec<Record>)>,
}

impl TradeFeed {
    /// Joins the readers of live trades under the service's name; refused records go to `dead`.
    pub async fn join(log: &Log, service: &str, dead: Topic) -> Result<Self, Unavailable> {
        let reader = log.joined(service, &topics::TRADES).await?;
        Ok(Self { log: log.clone(), reader, dead, dead_lettered: Arc::default(), held: None })
    }

    /// How many records were dead-lettered since the start; shared with whoever reports it.
    pub fn dead_lettered(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dead_lettered)
    }
}

impl Feed for TradeFeed {
    async fn next(&mut self) -> Result<Delivery, Unavailable> {
        if self.held.is_none() {
            match self.reader.next().await? {
                Arrival::Gained(share) => return Ok(Delivery::Gained(share)),
                Arrival::Lost(share) => return Ok(Delivery::Lost(share)),
                Arrival::Records { share, records, next } => self.held = Some(self.sort(share, records, next)),
            }
        }
        // A failure here leaves the batch held: it is delivered, or its share sought again, never skipped.
        if let Some((_, dead)) = self.held.as_ref().filter(|(_, dead)| !dead.is_empty()) {
            self.log.publish(dead.clone()).await?;
        }
        let Some((batch, dead)) = self.held.take() else {
            return Err(Unavailable::new("read the trade feed", "no batch is held"));
        };
        self.dead_lettered.fetch_add(dead.len() as u64, Ordering::Relaxed);
        Ok(Delivery::Batch(batch))
    }

    async fn seek(&mut self, share: &Share, start: Start) -> Result<(), Unavailable> {
        self.held.take_if(|(batch, _)| batch.share == *share);
        self.reader.seek(share, start).await
    }
}

impl TradeFeed {
    /// Decodes what validates; the rest becomes dead letters.
    fn sort(&self, share: Share, records: Vec<Stored>, next: u64) -> (Batch, Vec<Record>) {
        let mut events = Vec::with_capacity(records.len());
        let mut dead = vec![];
        for record in records {
            let position = record.position;
            match wire::v1::trade::decode(record.value.as_deref().unwrap_or_default()) {
                Ok(event) => events.push((position, event)),
                Err(reason) => {
                    tracing::error!(log = %share.log, partition = share.number, position, %reason, "trade dead-lettered");
                    dead.push(dead_letter(&self.dead, &share, record, &reason.to_string()));
                }
            }
        }
        (Batch { share, events, next }, dead)
    }
}

/// The refused record with its original bytes, why, and where it stood.
fn dead_letter(dead: &Topic, share: &Share, record: Stored, reason: &str) -> Record {
    let mut headers = record.headers;
    headers.push(("dlq.reason".to_owned(), reason.as_bytes().to_vec()));
    headers.push(("dlq.topic".to_owned(), share.log.as_bytes().to_vec()));
    headers.push(("dlq.partition".to_owned(), share.number.to_string().into_bytes()));
    headers.push(("dlq.position".to_owned(), record.position.to_string().into_bytes()));
    Record { share: dead.share(0), key: record.key, headers, value: record.value }
}
