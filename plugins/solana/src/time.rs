//! The time of a block that its node gives without one, as all old blocks are: estimated between the nearest finalized
//! blocks before and after that have one.
//!
//! **Invariant:** the estimate depends on nothing but the chain. A neighbour that cannot be read ends the search; none is
//! passed over.

use crate::numbers::Number;
use crate::rpc::{self, BlockName, BlockRefusal, FINALIZED};
use chain_plugin_sdk::jsonrpc::{self, Call};
use chain_plugin_sdk::{Failure, Host, Span};

/// Neighbours are asked for at one, two, four… slots from the block, up to so many: about half an hour.
const MAX_DISTANCE_SLOTS: u64 = 4_096;

/// When a block was made, in milliseconds since the Unix epoch.
pub(crate) struct BlockTime {
    /// The time.
    pub(crate) ms: u64,
    /// Whether the block itself has none.
    pub(crate) is_estimated: bool,
}

/// A slot and the seconds at which its block was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TimedSlot {
    slot: u64,
    seconds: u64,
}

/// A time that a node gives for a block. Zero and less are no times: the chain began in 2020.
pub(crate) fn seconds(time: Option<i64>) -> Option<u64> {
    time.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0)
}

/// The time of a block: its own, the one that the node tells on request, or one between its neighbours.
pub(crate) fn time_of_block(host: &mut impl Host, slot: u64, own: Option<i64>) -> Result<BlockTime, Failure> {
    if let Some(seconds) = seconds(own) {
        return Ok(BlockTime { ms: seconds.saturating_mul(1_000), is_estimated: false });
    }
    let estimated = |ms: u64| Ok(BlockTime { ms, is_estimated: true });
    if let Some(seconds) = asked_time(host, slot)? {
        return estimated(seconds.saturating_mul(1_000));
    }
    let after = match neighbour_after(host, slot)? {
        After::Timed(after) => after,
        After::EndOfChain => {
            let why = format!("slot {slot}: its block has no time, and no finalized block follows to estimate it from");
            return Err(Failure::Retry((None, why)));
        }
        After::NoTime => return Err(no_time(slot, "after")),
    };
    let before = neighbour_before(host, slot)?.ok_or_else(|| no_time(slot, "before"))?;
    estimated(between(slot, before, after))
}

fn no_time(slot: u64, side: &str) -> Failure {
    let why = format!(
        "slot {slot}: the endpoint gives the block without a time (blockTime), and none of the blocks that it was asked \
         for up to {MAX_DISTANCE_SLOTS} slots {side} has one, so that the time cannot be estimated"
    );
    Failure::Elsewhere(why)
}

/// The time in proportion to the slots.
fn between(slot: u64, before: TimedSlot, after: TimedSlot) -> u64 {
    let (slots, passed) = (u128::from(after.slot - before.slot), u128::from(slot - before.slot));
    let ms = u128::from(after.seconds.saturating_sub(before.seconds)) * 1_000;
    // The whole milliseconds of a slot first: their product cannot exceed what passed in all.
    let part = u64::try_from(ms / slots * passed + ms % slots * passed / slots).unwrap_or(u64::MAX);
    before.seconds.saturating_mul(1_000).saturating_add(part)
}

/// What `getBlockTime` says; none where it says nothing.
fn asked_time(host: &mut impl Host, slot: u64) -> Result<Option<u64>, Failure> {
    let reply = jsonrpc::send_singly(host, &[Call::new("getBlockTime", format!("[{slot}]"))]);
    match reply[0].parse::<Number<i64>>() {
        Ok(time) => Ok(seconds(time.map(|Number(time)| time))),
        Err(error) => match rpc::block_refusal(error, slot) {
            BlockRefusal::Failure(failure @ Failure::Retry(_)) => Err(failure),
            _ => Ok(None),
        },
    }
}

/// What comes after a block.
enum After {
    /// A block with a time.
    Timed(TimedSlot),
    /// Blocks without times.
    NoTime,
    /// No finalized block.
    EndOfChain,
}

fn distances() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1_u64), |distance| Some(distance * 2)).take_while(|it| *it <= MAX_DISTANCE_SLOTS)
}

fn neighbour_after(host: &mut impl Host, slot: u64) -> Result<After, Failure> {
    for distance in distances() {
        let from = slot.saturating_add(distance);
        let listed = listed(host, rpc::next_slot(from, FINALIZED), Span { first: from, last: u64::MAX })?;
        let Some(next) = listed.first() else { return Ok(After::EndOfChain) };
        if let Some(seconds) = time_of_neighbour(host, *next)? {
            return Ok(After::Timed(TimedSlot { slot: *next, seconds }));
        }
    }
    Ok(After::NoTime)
}

fn neighbour_before(host: &mut impl Host, slot: u64) -> Result<Option<TimedSlot>, Failure> {
    for distance in distances() {
        let Some(last) = slot.checked_sub(distance) else { break };
        let span = Span { first: slot.saturating_sub(distance * 2 - 1), last };
        let listed = listed(host, rpc::slots_with_blocks(span, FINALIZED), span)?;
        let Some(nearest) = listed.last() else { continue };
        if let Some(seconds) = time_of_neighbour(host, *nearest)? {
            return Ok(Some(TimedSlot { slot: *nearest, seconds }));
        }
    }
    Ok(None)
}

/// The slots that a call lists, which must be within the span.
fn listed(host: &mut impl Host, call: Call, span: Span) -> Result<Vec<u64>, Failure> {
    let replies = jsonrpc::send_singly(host, &[call]);
    let slots: Option<Vec<Number<u64>>> = replies[0].parse().map_err(|error| error.failure(span))?;
    let slots: Vec<u64> = slots.unwrap_or_default().into_iter().map(|Number(slot)| slot).collect();
    if slots.iter().any(|slot| !(span.first..=span.last).contains(slot)) {
        return Err(Failure::Elsewhere(format!(
            "the endpoint listed slots before {} when asked from there",
            span.first
        )));
    }
    Ok(slots)
}

fn time_of_neighbour(host: &mut impl Host, slot: u64) -> Result<Option<u64>, Failure> {
    let replies = jsonrpc::send_singly(host, &[rpc::block_name(slot, FINALIZED)]);
    match replies[0].parse::<BlockName<'_>>() {
        Ok(name) => Ok(name.and_then(|name| seconds(name.time))),
        Err(error) => Err(match rpc::block_refusal(error, slot) {
            BlockRefusal::NotYet => Failure::Retry((None, format!("slot {slot}: its block is not available"))),
            BlockRefusal::Failure(failure) => failure,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_between_its_neighbours_in_proportion() {
        let timed = |slot, seconds| TimedSlot { slot, seconds };
        assert_eq!(between(11, timed(10, 100), timed(14, 102)), 100_500);
        assert_eq!(between(13, timed(10, 100), timed(14, 100)), 100_000);
        // Times may go back by a second.
        assert_eq!(between(13, timed(10, 100), timed(14, 99)), 100_000);
        assert_eq!(between(u64::MAX - 1, timed(0, 1), timed(u64::MAX, u64::MAX)), u64::MAX);
    }

    #[test]
    fn zero_and_less_are_no_times() {
        assert_eq!([None, Some(-1), Some(0), Some(5)].map(seconds), [None, None, None, Some(5)]);
    }
}
