//! The body of a response while it is read: within the cap of one response and the budget of the call.

use super::UpstreamError;
use crate::plugin::Reservation;

/// A body that is being read, within the cap of one response and the budget of the call.
pub(super) struct BodyBuffer<'r> {
    pub(super) bytes: Vec<u8>,
    cap: usize,
    room: &'r mut Reservation,
}

impl<'r> BodyBuffer<'r> {
    pub(super) fn new(cap: usize, room: &'r mut Reservation) -> Self {
        Self { bytes: vec![], cap, room }
    }

    /// Makes room for so many more bytes: the budget is charged before memory is asked for.
    pub(super) fn make_room(&mut self, more: usize) -> Result<(), UpstreamError> {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.cap {
            return Err(UpstreamError::TooLarge(self.cap as u64));
        }
        let capacity = self.bytes.capacity();
        if needed > capacity {
            let capacity_wanted = needed.max(capacity.saturating_mul(2)).min(self.cap);
            if !self.room.grow(capacity_wanted - capacity) {
                return Err(self.room.too_large());
            }
            self.bytes.reserve_exact(capacity_wanted - self.bytes.len());
        }
        Ok(())
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), UpstreamError> {
        self.make_room(chunk.len())?;
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}
