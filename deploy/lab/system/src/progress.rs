//! What a chain says of itself, followed as it is written: what tests and measurements wait for.

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
        let (said, newest) = watch::channel(None);
        Self { newest, reading: tokio::spawn(read(log.clone(), said)) }
    }

    /// What was said last.
    fn newest(&self) -> Option<ChainProgressed> {
        self.newest.borrow().clone()
    }

    /// What was said once it is as wanted.
    pub async fn until(
        &self,
        patience: Duration,
        wanted: impl Fn(&ChainProgressed) -> bool,
    ) -> anyhow::Result<ChainProgressed> {
        let mut newest = self.newest.clone();
        let there = newest.wait_for(|said| said.as_ref().is_some_and(&wanted));
        let late = || format!("progress is not as wanted within {patience:?}");
        let said = tokio::time::timeout(patience, there).await.with_context(late)?;
        said.context("progress is read no more")?.clone().context("no progress")
    }

    /// What was said last, once nothing was said for so long.
    pub async fn until_still(&self, patience: Duration, still: Duration) -> anyhow::Result<ChainProgressed> {
        let mut newest = self.newest.clone();
        let there = async { while let Ok(Ok(())) = tokio::time::timeout(still, newest.changed()).await {} };
        tokio::time::timeout(patience, there).await.with_context(|| format!("the chain goes on after {patience:?}"))?;
        self.newest().context("no progress")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(log: Log, said: watch::Sender<Option<ChainProgressed>>) -> anyhow::Result<()> {
    let mut reader = log.assigned(vec![(topics::PROGRESS.partition(0), Start::Beginning)]).await?;
    loop {
        if let Arrival::Records { records, .. } = reader.next().await? {
            for value in records.into_iter().filter_map(|record| record.value) {
                let newer = progress::decode(&value)?;
                said.send_replace(Some(newer));
            }
        }
    }
}
