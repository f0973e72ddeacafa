//! A reader's mailbox: the messages that wait for it, and the notification when there are some.

use super::message;
use super::subscription::SubscriptionIds;
use super::update::Update;
use api_domain::{Delivery, SendQueue};
use axum::extract::ws::Utf8Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Changes that wait for one reader at most.
pub(crate) const MAX_WAITING_CHANGES: usize = 1_024;

/// Replies that wait for one reader at most; its further requests wait.
const MAX_WAITING_REPLIES: usize = 8;

/// A message that waits for a reader.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    Reply(Utf8Bytes),
    /// An update, and the subscriptions that it belongs to.
    Update(Update, SubscriptionIds),
}

impl Outgoing {
    pub(crate) fn text(&self) -> Utf8Bytes {
        match self {
            Self::Reply(text) => text.clone(),
            Self::Update(update, ids) => message::naming(&update.text(), ids),
        }
    }

    fn conflated_with(&self, later: &Self) -> Self {
        match (self, later) {
            (Self::Update(earlier, ids), Self::Update(later, later_ids)) => {
                Self::Update(earlier.conflated_with(later), ids.joined_with(later_ids))
            }
            _ => later.clone(),
        }
    }
}

/// The messages that wait for one reader.
pub(crate) struct Mailbox {
    queue: Mutex<SendQueue<Arc<str>, Outgoing>>,
    filled: Notify,
    emptied: Notify,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        let queue = Mutex::new(SendQueue::with_max_changes(MAX_WAITING_CHANGES));
        Self { queue, filled: Notify::new(), emptied: Notify::new() }
    }

    /// Adds a reply to a request.
    pub(crate) fn reply(&self, text: Utf8Bytes) {
        self.lock().push_reply(Outgoing::Reply(text));
        self.filled.notify_one();
    }

    /// Adds an update: trades one by one, states conflated. Returns whether it became one with a state that waited.
    pub(crate) fn deliver(&self, update: Update, ids: SubscriptionIds) -> bool {
        let conflated = if let Some(key) = update.state_key() {
            self.lock().push_state(key, Outgoing::Update(update, ids), Outgoing::conflated_with)
        } else {
            self.lock().push_change(Outgoing::Update(update, ids));
            false
        };
        self.filled.notify_one();
        conflated
    }

    /// Takes at most `max_messages`; waits while there are none.
    pub(crate) async fn take_messages(&self, max_messages: usize) -> Vec<Delivery<Outgoing>> {
        loop {
            let taken: Vec<_> = {
                let mut queue = self.lock();
                std::iter::from_fn(|| queue.pop()).take(max_messages).collect()
            };
            if !taken.is_empty() {
                self.emptied.notify_one();
                return taken;
            }
            self.filled.notified().await;
        }
    }

    /// Waits until another reply may be added.
    pub(crate) async fn wait_for_room(&self) {
        while self.lock().replies() >= MAX_WAITING_REPLIES {
            self.emptied.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, SendQueue<Arc<str>, Outgoing>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
