//! A held partition of the journal: all its chains are fenced before it is read.

use super::journal::{ChainJournal, PartitionJournal};
use crate::requests::Requests;
use futures_util::future::try_join_all;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tape::{Partition, Unavailable};
use tape_log::access::CHAIN_WRITERS;
use tape_log::{Log, Membership, Writer};

/// A partition of the journal that this instance holds. Its chains claim the right to write from it.
pub struct Hold {
    pub(super) log: Log,
    pub(super) partition: Partition,
    pub(super) requests: Requests,
    membership: Membership,
    /// Chains that were fenced when the partition was taken, and not claimed since.
    fenced: Mutex<HashMap<String, (Writer, ChainJournal)>>,
    /// Chains that the journal names.
    journalled: Vec<String>,
}

impl Hold {
    /// Takes a partition: fences the writers of these chains, and of all others that the journal names, then reads the
    /// journal once for all.
    pub async fn take(
        log: &Log,
        membership: &Membership,
        partition: &Partition,
        chains: &[String],
        requests: &Requests,
    ) -> Result<Self, Unavailable> {
        let claim = |chain: String| async move {
            Ok::<_, Unavailable>((fence(log, membership, partition, &chain).await?, chain))
        };
        let mut writers: Vec<(Writer, String)> = try_join_all(chains.iter().cloned().map(claim)).await?;
        environment::crash::point("tape.partition.fenced");
        environment::crash::linger("tape.partition.fenced").await;
        let mut journal = read_journal(log, partition, requests).await?;
        let others: Vec<String> = journal.chains().into_iter().filter(|chain| !chains.contains(chain)).collect();
        if !others.is_empty() {
            writers.extend(try_join_all(others.into_iter().map(claim)).await?);
            journal = read_journal(log, partition, requests).await?;
        }
        let mut fenced = HashMap::new();
        for (writer, chain) in writers {
            let chain_journal = journal.of_chain(&chain);
            fenced.insert(chain, (writer, chain_journal));
        }
        let journalled = journal.chains();
        let (log, partition, requests, membership) =
            (log.clone(), partition.clone(), requests.clone(), membership.clone());
        Ok(Self { log, partition, requests, membership, fenced: Mutex::new(fenced), journalled })
    }

    /// Chains that the journal named when the partition was taken.
    pub fn journalled(&self) -> &[String] {
        &self.journalled
    }

    /// The only writer of a chain and its journal as of the fence.
    pub(super) async fn claim(&self, chain: &str) -> Result<(Writer, ChainJournal), Unavailable> {
        let fenced = self.fenced.lock().unwrap_or_else(PoisonError::into_inner).remove(chain);
        if let Some(fenced) = fenced {
            return Ok(fenced);
        }
        // Fence first, then read: nothing can be appended after the journal was read.
        let writer = fence(&self.log, &self.membership, &self.partition, chain).await?;
        let journal = read_journal(&self.log, &self.partition, &self.requests).await?.of_chain(chain);
        Ok((writer, journal))
    }
}

async fn fence(log: &Log, membership: &Membership, partition: &Partition, chain: &str) -> Result<Writer, Unavailable> {
    log.writer_as(&format!("{CHAIN_WRITERS}{chain}"), membership, partition).await
}

async fn read_journal(log: &Log, partition: &Partition, requests: &Requests) -> Result<PartitionJournal, Unavailable> {
    let requests = requests.clone();
    let note = move |record: &tape_log::Stored| {
        if let Err(reason) = requests.take_in(record) {
            let key = String::from_utf8_lossy(&record.key).into_owned();
            tracing::error!(event = "request.unreadable", key, %reason, "a request in the journal cannot be read; it is skipped");
        }
    };
    PartitionJournal::read(log, partition, note).await
}
