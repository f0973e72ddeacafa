//! The events that this plugin knows, in one topic table: the swaps of all venues, and what else it reads.

use crate::topics::{Role, Signature, TopicTable};
use crate::venues::ekubo;
use crate::{native, reference, reports, settlement, transfers, venues, wrappings};
use std::sync::LazyLock;

/// The events that are no swaps, or not only, by the modules that read them.
const LISTS: [&[(&str, Role)]; 6] = [
    transfers::TRANSFER_EVENTS,
    wrappings::WRAPPING_EVENTS,
    native::NATIVE_EVENTS,
    settlement::SETTLEMENT_EVENTS,
    reports::FILL_EVENTS,
    reference::REFERENCE_EVENTS,
];

// An instance lives for one scan, so the table is made in each.
static TABLE: LazyLock<TopicTable> = LazyLock::new(|| {
    let (anonymous, named): (Vec<_>, Vec<_>) =
        venues::VENUES.iter().enumerate().partition(|(_, venue)| venue.signature == ekubo::ANONYMOUS);
    let swaps = named.into_iter().map(|(at, venue)| (venue.signature, Some(at), None));
    let roles = LISTS.concat().into_iter().map(|(signature, role)| (signature, None, Some(role)));
    let reports = reports::signatures().enumerate().map(|(at, signature)| (signature, None, Some(Role::Report(at))));
    let all: Vec<Signature> = swaps.chain(roles).chain(reports).collect();
    let table = TopicTable::new(&all);
    match anonymous.first() {
        Some((at, _)) => table.with_anonymous(*at, ekubo::LOG_BYTES),
        None => table,
    }
});

/// The table of all known events.
pub fn table() -> &'static TopicTable {
    &TABLE
}

#[cfg(test)]
pub(crate) mod example {
    //! Logs for the tests of the venues.

    use super::*;
    use crate::hex;
    use crate::model::{SwapEvent, Venue};
    use crate::rpc::Log;
    use alloy_primitives::{Address, U256, keccak256};
    use chain_plugin_sdk::json::Cursor;

    /// What a venue reads in a log with so many topics behind the first (1, 2, 3) and these words.
    pub(crate) fn log(venue: &Venue, topics: u64, words: &[u64]) -> Option<SwapEvent> {
        let words: Vec<U256> = words.iter().map(|word| U256::from(*word)).collect();
        log_of_words(venue, topics, &words)
    }

    /// The same, of words of any size.
    pub(crate) fn log_of_words(venue: &Venue, topics: u64, words: &[U256]) -> Option<SwapEvent> {
        let word = |word: U256| format!("{word:064x}");
        let topics: Vec<String> = (1..=topics).map(|topic| format!(r#","0x{}""#, word(U256::from(topic)))).collect();
        let emitter = venue.emitters.first().copied().unwrap_or(Address::repeat_byte(0xee));
        let json = format!(
            r#"{{"address":"{}","topics":["{}"{}],"data":"0x{}"}}"#,
            hex::encode(emitter),
            hex::encode(keccak256(venue.signature)),
            topics.concat(),
            words.iter().map(|raw| word(*raw)).collect::<Vec<_>>().concat()
        );
        let log = Log::read(&mut Cursor::new(&json), table()).unwrap();
        assert_eq!(venues::venue_of(&log, &[]).unwrap().0.name, venue.name);
        (venue.read)(&log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use alloy_primitives::keccak256;

    /// No list takes an event from another: what two know of one event stands side by side.
    #[test]
    fn nothing_that_a_list_names_is_lost() {
        let find = |signature: &str| table().find(hex::encode(keccak256(signature)).as_bytes()).unwrap();
        for venue in venues::VENUES.iter().filter(|venue| venue.signature != ekubo::ANONYMOUS) {
            let found = find(venue.signature).venue.map(|at| venues::VENUES[at].name);
            assert_eq!(found, Some(venue.name), "{}", venue.signature);
        }
        let lists = LISTS.concat().into_iter();
        let reports = reports::signatures().enumerate().map(|(at, signature)| (signature, Role::Report(at)));
        for (signature, role) in lists.chain(reports) {
            assert_eq!(find(signature).role, Some(role), "{signature}");
        }
    }
}
