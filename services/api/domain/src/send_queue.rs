//! The messages that wait for one reader: replies and changes in order, states conflated by key, and a gap notice where
//! changes were dropped because the reader was too slow.
//!
//! **Invariant:** at most `max_changes` changes wait, whatever the reader does; the gap notice stands where they are
//! missing.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Messages that wait for one reader.
#[derive(Debug)]
pub struct SendQueue<K, M> {
    max_changes: usize,
    changes: usize,
    replies: usize,
    /// Changes dropped since the gap notice was queued.
    dropped: Option<u64>,
    taken: u64,
    waiting: VecDeque<Waiting<K, M>>,
    states: HashMap<K, u64>,
}

#[derive(Debug)]
enum Waiting<K, M> {
    Reply(M),
    Change(M),
    State(K, M),
    Gap,
}

/// What a reader receives next.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery<M> {
    /// A message.
    Message(M),
    /// A gap notice: so many changes are missing here.
    Gap(u64),
}

impl<K: Eq + Hash + Clone, M> SendQueue<K, M> {
    /// An empty queue for at most `max_changes` changes.
    pub fn with_max_changes(max_changes: usize) -> Self {
        Self {
            max_changes,
            changes: 0,
            replies: 0,
            dropped: None,
            taken: 0,
            waiting: VecDeque::new(),
            states: HashMap::new(),
        }
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many replies wait.
    pub fn replies(&self) -> usize {
        self.replies
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a reply to a request. Replies are never dropped, so the caller must limit the requests. A state that is
    /// added later stays behind the reply: it must not overtake the snapshot that it builds on.
    pub fn push_reply(&mut self, message: M) {
        self.states.clear();
        self.replies += 1;
        self.waiting.push_back(Waiting::Reply(message));
    }

    /// Adds a change. When the queue is full, counts it as dropped until the reader has received the gap notice.
    pub fn push_change(&mut self, message: M) {
        if let Some(dropped) = &mut self.dropped {
            *dropped += 1;
        } else if self.changes >= self.max_changes {
            self.dropped = Some(1);
            self.waiting.push_back(Waiting::Gap);
        } else {
            self.changes += 1;
            self.waiting.push_back(Waiting::Change(message));
        }
    }

    /// Adds a state. If one of the same key still waits, `conflate` makes one message of both, in the place of the
    /// earlier; returns whether it did.
    pub fn push_state(&mut self, key: K, message: M, conflate: impl FnOnce(&M, &M) -> M) -> bool {
        if let Some(number) = self.states.get(&key) {
            let index = usize::try_from(number - self.taken).unwrap_or(usize::MAX);
            if let Some(Waiting::State(_, earlier)) = self.waiting.get_mut(index) {
                *earlier = conflate(earlier, &message);
                return true;
            }
        }
        self.states.insert(key.clone(), self.taken + self.waiting.len() as u64);
        self.waiting.push_back(Waiting::State(key, message));
        false
    }

    /// Removes and returns the next message, if any.
    pub fn pop(&mut self) -> Option<Delivery<M>> {
        let next = self.waiting.pop_front()?;
        self.taken += 1;
        Some(match next {
            Waiting::Reply(message) => {
                self.replies -= 1;
                Delivery::Message(message)
            }
            Waiting::Change(message) => {
                self.changes -= 1;
                Delivery::Message(message)
            }
            Waiting::State(key, message) => {
                if self.states.get(&key).is_some_and(|number| *number < self.taken) {
                    self.states.remove(&key);
                }
                Delivery::Message(message)
            }
            Waiting::Gap => Delivery::Gap(self.dropped.take().unwrap_or(0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut SendQueue<&'static str, u32>) -> Vec<Delivery<u32>> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn a_slow_reader_gets_a_gap_notice_where_changes_are_missing() {
        let mut queue = SendQueue::with_max_changes(2);
        for change in 1..=5 {
            queue.push_change(change);
        }
        queue.push_reply(100);
        assert_eq!(queue.len(), 4, "two changes, the gap, the reply");
        assert_eq!(queue.pop(), Some(Delivery::Message(1)));
        queue.push_change(6);
        assert_eq!(
            drain(&mut queue),
            [Delivery::Message(2), Delivery::Gap(4), Delivery::Message(100)],
            "nothing is delivered between the loss and its notice"
        );
        queue.push_change(7);
        assert_eq!(drain(&mut queue), [Delivery::Message(7)]);
    }

    #[test]
    fn states_are_conflated_by_key_in_place() {
        let mut queue = SendQueue::with_max_changes(1);
        queue.push_state("a", 1, |_, newer| *newer);
        queue.push_state("b", 2, |_, newer| *newer);
        assert!(queue.push_state("a", 10, |older, newer| older + newer), "two became one");
        assert_eq!(queue.pop(), Some(Delivery::Message(11)));
        queue.push_state("b", 20, |older, newer| older + newer);
        queue.push_state("a", 3, |_, newer| *newer);
        assert_eq!(drain(&mut queue), [Delivery::Message(22), Delivery::Message(3)]);
    }

    #[test]
    fn no_state_overtakes_a_reply() {
        let mut queue = SendQueue::with_max_changes(1);
        queue.push_state("a", 1, |_, newer| *newer);
        queue.push_reply(100);
        queue.push_state("a", 2, |_, newer| *newer);
        assert_eq!(queue.pop(), Some(Delivery::Message(1)));
        queue.push_state("a", 3, |_, newer| *newer);
        assert_eq!(drain(&mut queue), [Delivery::Message(100), Delivery::Message(3)]);
    }

    #[test]
    fn the_queue_never_grows_beyond_its_limits() {
        let mut queue = SendQueue::with_max_changes(8);
        for number in 0..10_000_u32 {
            queue.push_change(number);
            queue.push_state(["a", "b"][(number % 2) as usize], number, |_, newer| *newer);
        }
        assert_eq!(queue.len(), 8 + 1 + 2);
    }
}
