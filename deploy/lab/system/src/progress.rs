//! The progress of a chain, followed as it is published, for tests and benchmarks that wait for it.

use anyhow::Context;
use std::time::Duration;
use tape::Start;
use tape_log::{Arrival, Log, topics};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::v1::progress::{self, ChainProgressed};

/// A reader of `chains.progress.v1` for the one chain of a log.
pub struct Progress {
    newest: watch::Receiver<Option<ChainProgressed>>,
    reading: JoinHandle<anyhow::Result<()>>,
}

impl Progress {
    /// Follows it from the beginning of the log.
    pub fn follow(log: &Log) -> Self {
        let (sender, newest) = watch::channel(None);
        Self { newest, reading: tokio::spawn(read_progress(log.clone(), sender)) }
    }

    /// The newest progress.
    fn newest(&self) -> Option<ChainProgressed> {
        self.newest.borrow().clone()
    }

    /// Waits until the progress meets a condition; the progress.
    pub async fn until(
        &self,
        timeout: Duration,
        wanted: impl Fn(&ChainProgressed) -> bool,
    ) -> anyhow::Result<ChainProgressed> {
        let mut newest = self.newest.clone();
        let there = newest.wait_for(|progress| progress.as_ref().is_some_and(&wanted));
        let late = || format!("progress does not meet the condition within {timeout:?}");
        let progress = tokio::time::timeout(timeout, there).await.with_context(late)?;
        progress.context("the reader of progress has ended")?.clone().context("no progress")
    }

    /// Waits until there was no progress for `still`; the newest progress.
    pub async fn until_still(&self, timeout: Duration, still: Duration) -> anyhow::Result<ChainProgressed> {
        let mut newest = self.newest.clone();
        let there = async { while let Ok(Ok(())) = tokio::time::timeout(still, newest.changed()).await {} };
        tokio::time::timeout(timeout, there)
            .await
            .with_context(|| format!("the chain still makes progress after {timeout:?}"))?;
        self.newest().context("no progress")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read_progress(log: Log, sender: watch::Sender<Option<ChainProgressed>>) -> anyhow::Result<()> {
    let mut reader = log.assigned(vec![(topics::PROGRESS.partition(0), Start::Beginning)]).await?;
    loop {
        if let Arrival::Records { records, .. } = reader.next().await? {
            for value in records.into_iter().filter_map(|record| record.value) {
                let newer = progress::decode(&value)?;
                sender.send_replace(Some(newer));
            }
        }
    }
}
