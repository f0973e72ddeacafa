//! How a trade comes and goes: applied when its block joins the chain, reverted when a reorganization drops the block.

use crate::trade::Trade;

/// The state that an event puts a trade into; the list is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Present; a reorganization may still drop its block.
    Observed,
    /// Present; its block was final when the event was published.
    Finalized,
    /// Absent: a reorganization dropped its block.
    Reverted,
}

/// What a reader does with a trade. It is applied by state: a change that changes nothing is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make the trade present.
    Apply(Box<Trade>),
    /// Make the trade absent; it is repeated in full, so that it can be subtracted.
    Revert(Box<Trade>),
}

impl Change {
    /// The trade that comes or goes.
    pub fn trade(&self) -> &Trade {
        match self {
            Self::Apply(trade) | Self::Revert(trade) => trade,
        }
    }
}

/// One published event: a trade and the state it is put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `chain/step/index`: unique, and equal when an aborted step is sent again.
    pub id: String,
    /// The state it is put into.
    pub status: Status,
    /// The trade; boxed, because events are handed from list to list.
    pub trade: Box<Trade>,
}

impl Event {
    /// The change that a reader applies.
    pub fn into_change(self) -> Change {
        match self.status {
            Status::Observed | Status::Finalized => Change::Apply(self.trade),
            Status::Reverted => Change::Revert(self.trade),
        }
    }
}
