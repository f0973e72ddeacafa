//! The topic table: finds the known event of a log by its first topic.

use crate::{hex, keccak};

/// What a known event means beside a venue's swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A token moved.
    Transfer,
    /// A token moved, by an event that is of amounts only.
    AmountTransfer,
    /// A token was put into a wrapper (a vault's share, a buffer).
    Wrap,
    /// A token was taken out of a wrapper.
    Unwrap,
    /// An account of several signers carried out what they signed; the account says so itself.
    AccountExecution,
    /// Native coin was wrapped.
    Deposit,
    /// Native coin was unwrapped.
    Withdrawal,
    /// Native coin moved, on the one chain where that leaves logs.
    NativeTransfer,
    /// CoW settled an order.
    CowTrade,
    /// UniswapX filled an order.
    UniswapXFill,
    /// A relay carried out what an account signed.
    MetaTransaction,
    /// An operation of a bundle ended.
    UserOperation,
    /// A router reports what it did; the number says in which of its shapes.
    Report(usize),
    /// A router filled a standing order.
    OrderFilled {
        /// Whether the event says whose it was.
        is_named: bool,
    },
    /// A pool reports its reserves.
    Reserves,
    /// A pool reports its price beside a swap.
    PriceRoot,
}

/// An event's signature, the place of the venue whose swap it is, and what else it means.
pub type Signature = (&'static str, Option<usize>, Option<Role>);

/// A known event.
#[derive(Debug)]
pub struct KnownEvent {
    /// Its first topic, in lower case.
    pub topic: String,
    /// The place of the venue whose swap it is, in the list of venues.
    pub venue: Option<usize>,
    /// What else it means.
    pub role: Option<Role>,
}

impl KnownEvent {
    /// Whether a trade may begin with it: a swap, an order, or what a router reports. Of a transaction without any such event
    /// nothing is written, unless it called a listed router.
    pub fn begins_a_trade(&self) -> bool {
        self.venue.is_some()
            || match self.role {
                Some(Role::CowTrade | Role::UniswapXFill | Role::Report(_) | Role::OrderFilled { .. }) => true,
                Some(
                    Role::Transfer
                    | Role::AmountTransfer
                    | Role::Wrap
                    | Role::Unwrap
                    | Role::AccountExecution
                    | Role::Deposit
                    | Role::Withdrawal
                    | Role::NativeTransfer
                    | Role::MetaTransaction
                    | Role::UserOperation
                    | Role::Reserves
                    | Role::PriceRoot,
                )
                | None => false,
            }
    }

    /// Whether it tells a token's movement.
    pub fn moves_a_token(&self) -> bool {
        matches!(self.role, Some(Role::Transfer | Role::AmountTransfer))
    }

    /// Whether it tells a pool's price beside a swap.
    pub fn tells_a_price(&self) -> bool {
        matches!(self.role, Some(Role::Reserves | Role::PriceRoot))
    }
}

/// The known events, in the order of their topics' first digits.
#[derive(Debug)]
pub struct TopicTable {
    prefixes: Vec<u64>,
    events: Vec<KnownEvent>,
    /// The event without topics, and how many bytes it has.
    anonymous: Option<(usize, KnownEvent)>,
}

impl TopicTable {
    /// Makes the table; what two signatures of the same event say is put together.
    pub fn new(signatures: &[Signature]) -> Self {
        let texts: Vec<&[u8]> = signatures.iter().map(|(signature, ..)| signature.as_bytes()).collect();
        let event = |((_, venue, role), hash): (&Signature, _)| {
            let topic = hex::encode(hash);
            (prefix(topic.as_bytes()).unwrap_or_default(), KnownEvent { topic, venue: *venue, role: *role })
        };
        let mut events: Vec<(u64, KnownEvent)> = signatures.iter().zip(keccak::hash_all(&texts)).map(event).collect();
        events.sort_by_key(|(prefix, _)| *prefix);
        events.dedup_by(|(_, other), (_, event)| {
            let is_same = other.topic == event.topic;
            if is_same {
                (event.venue, event.role) = (event.venue.or(other.venue), event.role.or(other.role));
            }
            is_same
        });
        let (prefixes, events) = events.into_iter().unzip();
        Self { prefixes, events, anonymous: None }
    }

    /// The same with a venue's event that has no topic and so many bytes.
    #[must_use]
    pub fn with_anonymous(self, venue: usize, bytes: usize) -> Self {
        let event = KnownEvent { topic: String::new(), venue: Some(venue), role: None };
        Self { anonymous: Some((bytes, event)), ..self }
    }

    /// A table that knows no event.
    pub const fn empty() -> Self {
        Self { prefixes: Vec::new(), events: Vec::new(), anonymous: None }
    }

    /// The event whose first topic this is.
    #[inline]
    pub fn find(&self, topic: &[u8]) -> Option<&KnownEvent> {
        let event = &self.events[self.prefixes.binary_search(&prefix(topic)?).ok()?];
        hex::same(topic, event.topic.as_bytes()).then_some(event)
    }

    /// The event of a log without topics that has so many bytes.
    pub fn find_anonymous(&self, bytes: usize) -> Option<&KnownEvent> {
        self.anonymous.as_ref().filter(|(of, _)| *of == bytes).map(|(_, event)| event)
    }

    /// The same by the topic's 32 bytes.
    pub fn find_hash(&self, topic: &[u8]) -> Option<&KnownEvent> {
        let (first, _): (&[u8; 4], _) = topic.split_first_chunk()?;
        let at = self.prefixes.binary_search(&prefix_of(*first)).ok()?;
        let event = &self.events[at];
        hex::hash(&event.topic).is_some_and(|hash| hash.as_slice() == topic).then_some(event)
    }

    /// All of them.
    pub fn events(&self) -> &[KnownEvent] {
        &self.events
    }
}

/// The first eight digits behind `0x`, letters in lower case.
#[inline]
fn prefix(topic: &[u8]) -> Option<u64> {
    let digits: &[u8; 8] = topic.get(2..)?.first_chunk()?;
    Some(u64::from_le_bytes(*digits) | 0x2020_2020_2020_2020)
}

/// The same of a topic's first bytes.
#[inline]
fn prefix_of(first: [u8; 4]) -> u64 {
    let half = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
    let mut digits = [0; 8];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(first) {
        *pair = [half(byte >> 4), half(byte & 0xf)];
    }
    u64::from_le_bytes(digits)
}

#[cfg(test)]
pub(crate) mod example {
    //! Topics for the tests of the modules that read events.

    use super::*;
    use alloy_primitives::keccak256;

    /// The topic of a list's event.
    pub(crate) fn topic((signature, _): (&str, Role)) -> String {
        hex::encode(keccak256(signature))
    }
}

#[cfg(test)]
mod tests {
    use crate::events::table;
    use std::collections::BTreeSet;

    /// A prefix stands for one event only, and every event is found by its topic in either case.
    #[test]
    fn each_event_is_found_by_its_topic() {
        let table = table();
        let prefixes: BTreeSet<u64> = table.prefixes.iter().copied().collect();
        assert_eq!(prefixes.len(), table.events.len());
        for event in &table.events {
            let upper = format!("0x{}", event.topic[2..].to_uppercase());
            for topic in [&event.topic, &upper] {
                assert!(std::ptr::eq(table.find(topic.as_bytes()).unwrap(), event), "{topic}");
            }
            let mut hash = crate::hex::hash(&event.topic).unwrap();
            assert!(std::ptr::eq(table.find_hash(hash.as_slice()).unwrap(), event), "{}", event.topic);
            hash[31] ^= 1;
            assert!(table.find_hash(hash.as_slice()).is_none(), "{hash}");
            let other = format!("{}{}", &event.topic[..65], if event.topic.ends_with('0') { '1' } else { '0' });
            assert!(table.find(other.as_bytes()).is_none(), "{other}");
        }
        assert!(table.find(b"0x").is_none());
    }
}
