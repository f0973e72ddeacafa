//! What waits for one reader: replies and changes in order, states conflated by key, and a gap where it was too slow.
//!
//! **Invariant:** at most `most` changes wait, whatever the reader does; what it missed is said where it was missed.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Messages that wait for one reader.
#[derive(Debug)]
pub struct Outbox<K, M> {
    most: usize,
    changes: usize,
    replies: usize,
    gap: Option<u64>,
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

/// What a reader gets next.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<M> {
    /// A message.
    Message(M),
    /// So many changes were missed here.
    Gap(u64),
}

impl<K: Eq + Hash + Clone, M> Outbox<K, M> {
    /// An empty one that holds `most` changes.
    pub fn holding(most: usize) -> Self {
        Self { most, changes: 0, replies: 0, gap: None, taken: 0, waiting: VecDeque::new(), states: HashMap::new() }
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many answers wait.
    pub fn replies(&self) -> usize {
        self.replies
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds an answer to something the reader asked; never dropped, so the reader's questions must be limited. What
    /// comes later stays behind it: a state must not overtake the snapshot that it builds on.
    pub fn reply(&mut self, message: M) {
        self.states.clear();
        self.replies += 1;
        self.waiting.push_back(Waiting::Reply(message));
    }

    /// Adds a change, or counts it as missed until the reader has come to the gap.
    pub fn change(&mut self, message: M) {
        if let Some(missed) = &mut self.gap {
            *missed += 1;
        } else if self.changes >= self.most {
            self.gap = Some(1);
            self.waiting.push_back(Waiting::Gap);
        } else {
            self.changes += 1;
            self.waiting.push_back(Waiting::Change(message));
        }
    }

    /// Adds a state; one of the same key that still waits becomes both together, in the earlier one's place.
    pub fn state(&mut self, key: K, message: M, join: impl FnOnce(&M, &M) -> M) {
        if let Some(number) = self.states.get(&key) {
            let place = usize::try_from(number - self.taken).unwrap_or(usize::MAX);
            if let Some(Waiting::State(_, earlier)) = self.waiting.get_mut(place) {
                *earlier = join(earlier, &message);
                return;
            }
        }
        self.states.insert(key.clone(), self.taken + self.waiting.len() as u64);
        self.waiting.push_back(Waiting::State(key, message));
    }

    /// The next one, if any.
    pub fn take(&mut self) -> Option<Taken<M>> {
        let next = self.waiting.pop_front()?;
        self.taken += 1;
        Some(match next {
            Waiting::Reply(message) => {
                self.replies -= 1;
                Taken::Message(message)
            }
            Waiting::Change(message) => {
                self.changes -= 1;
                Taken::Message(message)
            }
            Waiting::State(key, message) => {
                if self.states.get(&key).is_some_and(|number| *number < self.taken) {
                    self.states.remove(&key);
                }
                Taken::Message(message)
            }
            Waiting::Gap => Taken::Gap(self.gap.take().unwrap_or(0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outbox: &mut Outbox<&'static str, u32>) -> Vec<Taken<u32>> {
        std::iter::from_fn(|| outbox.take()).collect()
    }

    #[test]
    fn a_slow_reader_is_told_how_much_it_missed_and_where() {
        let mut outbox = Outbox::holding(2);
        for change in 1..=5 {
            outbox.change(change);
        }
        outbox.reply(100);
        assert_eq!(outbox.len(), 4, "two changes, the gap, the reply");
        assert_eq!(outbox.take(), Some(Taken::Message(1)));
        outbox.change(6);
        assert_eq!(
            drain(&mut outbox),
            [Taken::Message(2), Taken::Gap(4), Taken::Message(100)],
            "nothing is delivered between the loss and its notice"
        );
        outbox.change(7);
        assert_eq!(drain(&mut outbox), [Taken::Message(7)]);
    }

    #[test]
    fn states_are_conflated_by_key_in_place() {
        let mut outbox = Outbox::holding(1);
        outbox.state("a", 1, |_, newer| *newer);
        outbox.state("b", 2, |_, newer| *newer);
        outbox.state("a", 10, |older, newer| older + newer);
        assert_eq!(outbox.take(), Some(Taken::Message(11)));
        outbox.state("b", 20, |older, newer| older + newer);
        outbox.state("a", 3, |_, newer| *newer);
        assert_eq!(drain(&mut outbox), [Taken::Message(22), Taken::Message(3)]);
    }

    #[test]
    fn no_state_overtakes_a_reply() {
        let mut outbox = Outbox::holding(1);
        outbox.state("a", 1, |_, newer| *newer);
        outbox.reply(100);
        outbox.state("a", 2, |_, newer| *newer);
        assert_eq!(outbox.take(), Some(Taken::Message(1)));
        outbox.state("a", 3, |_, newer| *newer);
        assert_eq!(drain(&mut outbox), [Taken::Message(100), Taken::Message(3)]);
    }

    #[test]
    fn it_never_grows_beyond_its_bounds() {
        let mut outbox = Outbox::holding(8);
        for number in 0..10_000_u32 {
            outbox.change(number);
            outbox.state(["a", "b"][(number % 2) as usize], number, |_, newer| *newer);
        }
        assert_eq!(outbox.len(), 8 + 1 + 2);
    }
}
