//! A reader's mailbox: what waits for it, and the bell that rings when something does.

use super::change::{ChainChange, MetricsChange, WalletChange};
use api_domain::{Outbox, Taken};
use axum::extract::ws::Utf8Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Changes that wait for one reader at most.
pub(crate) const MOST_WAITING: usize = 1_024;

/// Answers that wait for one reader at most; further questions wait.
const MOST_REPLIES: usize = 8;

/// Something to deliver; cloning shares it.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    Text(Utf8Bytes),
    Metrics(Arc<MetricsChange>),
    Wallet(Arc<WalletChange>),
    Chain(Arc<ChainChange>),
}

impl Outgoing {
    pub(crate) fn text(&self) -> Utf8Bytes {
        match self {
            Self::Text(text) => text.clone(),
            Self::Metrics(change) => change.text(),
            Self::Wallet(change) => change.text(),
            Self::Chain(change) => change.text(),
        }
    }

    fn key(&self) -> Option<Arc<str>> {
        match self {
            Self::Text(_) => None,
            Self::Metrics(change) => Some(Arc::clone(&change.key)),
            Self::Wallet(change) => Some(Arc::clone(&change.key)),
            Self::Chain(change) => Some(Arc::clone(&change.key)),
        }
    }

    fn then(&self, later: &Self) -> Self {
        match (self, later) {
            (Self::Metrics(earlier), Self::Metrics(later)) => Self::Metrics(Arc::new(earlier.then(later))),
            (Self::Wallet(earlier), Self::Wallet(later)) => Self::Wallet(Arc::new(earlier.then(later))),
            _ => later.clone(),
        }
    }
}

/// What waits for one reader.
pub(crate) struct Mailbox {
    waiting: Mutex<Outbox<Arc<str>, Outgoing>>,
    bell: Notify,
    room: Notify,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::new(Outbox::holding(MOST_WAITING)), bell: Notify::new(), room: Notify::new() }
    }

    pub(crate) fn reply(&self, message: Outgoing) {
        self.lock().reply(message);
        self.bell.notify_one();
    }

    pub(crate) fn change(&self, message: Outgoing) {
        self.lock().change(message);
        self.bell.notify_one();
    }

    pub(crate) fn state(&self, message: Outgoing) {
        match message.key() {
            Some(key) => self.lock().state(key, message, Outgoing::then),
            None => self.lock().reply(message),
        }
        self.bell.notify_one();
    }

    /// Takes what waits, a handful at most, waiting for the first.
    pub(crate) async fn take(&self, most: usize) -> Vec<Taken<Outgoing>> {
        loop {
            let taken: Vec<_> = {
                let mut waiting = self.lock();
                std::iter::from_fn(|| waiting.take()).take(most).collect()
            };
            if !taken.is_empty() {
                self.room.notify_one();
                return taken;
            }
            self.bell.notified().await;
        }
    }

    /// Waits until so little waits that an answer may be added.
    pub(crate) async fn wait_for_room(&self) {
        while self.lock().replies() >= MOST_REPLIES {
            self.room.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outbox<Arc<str>, Outgoing>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
