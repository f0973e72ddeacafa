//! How a trade comes and goes: applied when its block becomes history, reverted when it no longer is.

use crate::trade::Trade;

/// The closed list of states an event puts a trade into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Present; its block may still be left.
    Observed,
    /// Present, and emitted already below the finalized height.
    Finalized,
    /// Absent: its block was left.
    Reverted,
}

/// What becomes of a trade. Application is by state: a change that changes nothing is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The trade is present.
    Apply(Box<Trade>),
    /// The trade is absent; repeated in full, so that it can be taken out.
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
    /// The state.
    pub status: Status,
    /// The trade; boxed, because events are handed from list to list.
    pub trade: Box<Trade>,
}

impl Event {
    /// What a reader does about it.
    pub fn into_change(self) -> Change {
        match self.status {
            Status::Observed | Status::Finalized => Change::Apply(self.trade),
            Status::Reverted => Change::Revert(self.trade),
        }
    }
}
