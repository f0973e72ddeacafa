//! What can go wrong with a node, as a script: request by request, or by a seeded schedule that repeats exactly.

use super::node::Node;
use std::collections::VecDeque;
use std::time::Duration;

/// One way for one request to go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This HTTP status and a short text, instead of an answer.
    Status(u16),
    /// Status 429 with `Retry-After` so many seconds.
    RetryAfter(u64),
    /// The connection ends in the middle of the announced body.
    CutOff,
    /// A complete HTTP answer that carries the first half of the JSON.
    HalfJson,
    /// A complete HTTP answer that is not JSON at all.
    NotJson,
    /// A JSON-RPC error for every call of the request.
    RpcError(i64, String),
    /// So many bytes of well-formed nonsense.
    Huge(u64),
    /// The right answer, so much later.
    Delay(Duration),
    /// The right answer of a node whose head is so many blocks lower.
    StaleHead(u64),
    /// The right answer with one log left out of `eth_getBlockReceipts` and `eth_getLogs`.
    MissingLog,
    /// The right answer with each log left out of `eth_getBlockReceipts` by a chance of one in so many.
    Thinned(u64),
    /// What another node answers: of another branch, of another network.
    Node(Node),
}

/// Which requests go wrong, and how.
#[derive(Debug, Clone, Default)]
pub struct Faults(Plan);

#[derive(Debug, Clone, Default)]
enum Plan {
    #[default]
    None,
    Each(Fault),
    List(VecDeque<Option<Fault>>),
    Seeded {
        state: u64,
        one_in: u64,
        kinds: Vec<Fault>,
    },
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self(Plan::None)
    }

    /// Every request goes wrong in the same way.
    pub fn each(fault: Fault) -> Self {
        Self(Plan::Each(fault))
    }

    /// One entry per request, in order; afterwards nothing goes wrong.
    pub fn list(entries: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self(Plan::List(entries.into_iter().collect()))
    }

    /// One request in `one_in`, on average, goes wrong in one of these ways; the same seed always gives the same ones.
    pub fn seeded(seed: u64, one_in: u64, kinds: Vec<Fault>) -> Self {
        Self(Plan::Seeded { state: seed, one_in, kinds })
    }

    /// What happens to the next request.
    pub(super) fn next(&mut self) -> Option<Fault> {
        match &mut self.0 {
            Plan::None => None,
            Plan::Each(fault) => Some(fault.clone()),
            Plan::List(entries) => entries.pop_front().flatten(),
            Plan::Seeded { state, one_in, kinds } => {
                let (hit, which) = (draw(state), draw(state));
                if kinds.is_empty() || hit % (*one_in).max(1) != 0 {
                    return None;
                }
                let index = usize::try_from(which % kinds.len() as u64).unwrap_or_default();
                kinds.get(index).cloned()
            }
        }
    }
}

/// The SplitMix64 generator: one word of state, the same numbers everywhere.
pub(super) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_followed_and_then_over() {
        let mut faults = Faults::list([None, Some(Fault::NotJson)]);
        assert_eq!([faults.next(), faults.next(), faults.next()], [None, Some(Fault::NotJson), None]);
    }

    #[test]
    fn a_seed_repeats_and_hits_about_as_often_as_asked() {
        let plan = Faults::seeded(7, 4, vec![Fault::CutOff, Fault::Status(500)]);
        let run = |mut faults: Faults| (0..1_000).map(|_| faults.next()).collect::<Vec<_>>();
        let first = run(plan.clone());
        assert_eq!(first, run(plan));
        let hits = first.iter().flatten().count();
        assert!((200..300).contains(&hits), "{hits}");
        assert!(first.contains(&Some(Fault::CutOff)) && first.contains(&Some(Fault::Status(500))));
    }
}
