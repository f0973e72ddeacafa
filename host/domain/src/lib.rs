//! Canonical order: decides which blocks are history and writes each decision to the tape as one atomic step.
//!
//! Read in this order: [`block`] (what comes in) with [`dropped`], [`step`] (what goes out), [`window`] (the branch as we know it),
//! [`coverage`] (which heights are on the tape), [`ports`] (what the domain needs from outside), [`mod@follow`] (how a
//! chain is followed).
//!
//! **Invariant:** every revert names a trade applied before, newest first; the journal is true after every step.

pub mod dropped;
pub mod block;
pub mod step;
pub mod window;
pub mod coverage;
pub mod ports;
pub mod follow;

pub use block::{Block, Scanned, Tip};
pub use coverage::{Coverage, Range};
pub use dropped::DroppedCounts;
pub use follow::{Beginning, End, FollowObserver, Plan, follow, park};
pub use ports::{AppendOutcome, ChainReader, Clock, Failure, Journal, Lease, Request, RequestKind, Tape};
pub use step::{ChainState, Cursor, Progress, Step};
pub use window::Window;
