//! A partition of the journal in this instance's hands: every chain it carries is fenced before its journal is read.

use super::folded::{Folded, Journalled};
use crate::requests::Requests;
use futures_util::future::try_join_all;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tape::{Partition, Unavailable};
use tape_log::{Log, Membership, Writer};

/// One held partition. Chains claim their right to write from it.
pub struct Hold {
    pub(super) log: Log,
    pub(super) partition: Partition,
    pub(super) requests: Requests,
    membership: Membership,
    /// Chains fenced when the partition was taken and not claimed since.
    fenced: Mutex<HashMap<String, (Writer, Folded)>>,
    /// Chains that the journal knows.
    journalled: Vec<String>,
}

impl Hold {
    /// Takes a partition: fences the writers of all these chains, and of those that the journal names beside them, then
    /// reads the journal once for all.
    pub async fn take(
        log: &Log,
        membership: &Membership,
        partition: &Partition,
        chains: &[String],
        requests: &Requests,
    ) -> Result<Self, Unavailable> {
        let claim = |chain: String| async move {
            Ok::<_, Unavailable>((writer(log, membership, partition, &chain).await?, chain))
        };
        let mut writers: Vec<(Writer, String)> = try_join_all(chains.iter().cloned().map(claim)).await?;
        environment::crash::point("tape.partition.fenced");
        environment::crash::linger("tape.partition.fenced").await;
        let mut journalled = read(log, partition, requests).await?;
        let others: Vec<String> = journalled.chains().into_iter().filter(|chain| !chains.contains(chain)).collect();
        if !others.is_empty() {
            writers.extend(try_join_all(others.into_iter().map(claim)).await?);
            journalled = read(log, partition, requests).await?;
        }
        let mut fenced = HashMap::new();
        for (writer, chain) in writers {
            let folded = journalled.of(&chain)?;
            fenced.insert(chain, (writer, folded));
        }
        let journalled = journalled.chains();
        let (log, partition, requests, membership) =
            (log.clone(), partition.clone(), requests.clone(), membership.clone());
        Ok(Self { log, partition, requests, membership, fenced: Mutex::new(fenced), journalled })
    }

    /// Chains that the journal knew when the partition was taken.
    pub fn journalled(&self) -> &[String] {
        &self.journalled
    }

    /// The only writer of a chain and its journal as of the fence.
    pub(super) async fn claim(&self, chain: &str) -> Result<(Writer, Folded), Unavailable> {
        let fenced = self.fenced.lock().unwrap_or_else(PoisonError::into_inner).remove(chain);
        if let Some(fenced) = fenced {
            return Ok(fenced);
        }
        // Fence first, then read: nothing can be appended behind the journal that is read.
        let writer = writer(&self.log, &self.membership, &self.partition, chain).await?;
        let folded = read(&self.log, &self.partition, &self.requests).await?.of(chain)?;
        Ok((writer, folded))
    }
}

async fn writer(log: &Log, membership: &Membership, partition: &Partition, chain: &str) -> Result<Writer, Unavailable> {
    log.writer_as(&format!("ingest.{chain}"), membership, partition).await
}

async fn read(log: &Log, partition: &Partition, requests: &Requests) -> Result<Journalled, Unavailable> {
    let requests = requests.clone();
    let note = move |record: &tape_log::Stored| {
        if let Err(reason) = requests.note(record) {
            let key = String::from_utf8_lossy(&record.key).into_owned();
            tracing::error!(key, %reason, "a request in the journal cannot be read; it is passed over");
        }
    };
    Journalled::read(log, partition, note).await
}
