//! What all targets share: bytes become a log that is one of a venue's by its topic, or by having none, and whoever reads
//! logs reads it.
//!
//! The first byte chooses the venue's event, the number of topics and how the rest is used: as the bytes of topics and
//! data, or as the log's JSON text itself.

pub mod harness;

use alloy_primitives::{Address, hex, keccak256};
use chain_plugin_sdk::json::Cursor;
use evm_plugin::model::{Transfer, Venue};
use evm_plugin::rpc::Log;
use evm_plugin::venues::ekubo;
use evm_plugin::{events, reports, settlement};

/// Reads bytes as a log of one of the venue's events.
pub fn venue(events: &[Venue], data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let event = &events[usize::from(choice & 3) % events.len()];
    let emitter = event.emitters.first().copied().unwrap_or(Address::repeat_byte(0xee));
    let topic = (event.signature != ekubo::ANONYMOUS).then(|| hex::encode_prefixed(keccak256(event.signature)));
    let json = log(emitter, topic, usize::from(choice >> 2) % 4, choice & 0x80 != 0, rest);
    read(&json, |log| {
        let _ = (event.read)(log);
    });
}

/// Reads bytes as a log with any of some topics.
pub fn others(signatures: &[&str], data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let signature = signatures[usize::from(choice & 0x1f) % signatures.len()];
    let topic = hex::encode_prefixed(keccak256(signature));
    let topics = usize::from(rest.first().copied().unwrap_or_default()) % 4;
    let json = log(settlement::COW_SETTLEMENT, Some(topic), topics, choice & 0x80 != 0, rest);
    read(&json, |_| ());
}

fn log(emitter: Address, topic: Option<String>, topics: usize, is_text: bool, rest: &[u8]) -> String {
    let first = topic.as_ref().map_or(String::new(), |topic| format!(r#""{topic}""#));
    let topics = if topic.is_some() { topics } else { 0 };
    if is_text {
        let text = String::from_utf8_lossy(rest);
        return format!(r#"{{"address":"{emitter:#x}","topics":[{first}{text}"#);
    }
    let (of_topics, data) = rest.split_at((32 * topics).min(rest.len()));
    let topics: String = of_topics.chunks(32).map(|chunk| format!(r#","{}""#, hex::encode_prefixed(chunk))).collect();
    format!(r#"{{"address":"{emitter:#x}","topics":[{first}{topics}],"data":"{}"}}"#, hex::encode_prefixed(data))
}

fn read(json: &str, decode: impl Fn(&Log<'_>)) {
    let Ok(log) = Log::read(&mut Cursor::new(json), events::table()) else { return };
    decode(&log);
    let _ = evm_plugin::venues::venue_of(&log, &[]).and_then(|(venue, _)| (venue.read)(&log));
    let _ = Transfer::read(&log);
    let all = [log];
    let _ = (
        settlement::read_orders(&all),
        settlement::read_operations(&all),
        reports::read_reports(&all),
        reports::find_filler(&all, None),
    );
}
