//! Canonical order: decides which blocks are history and writes each decision to the tape as one atomic step.
//!
//! Read in this order: [`block`] (what comes in), [`step`] (what goes out), [`window`] (the branch as we know it),
//! [`coverage`] (what is on the tape), [`ports`] (the world in our words), [`mod@follow`] (the story).
//!
//! **Invariant:** every revert names a trade applied before, newest first; the journal is true after every step.

pub mod block;
pub mod step;
pub mod window;
pub mod coverage;
pub mod ports;
pub mod follow;

pub use block::{Block, Scanned, Tip};
pub use coverage::{Coverage, Range};
pub use follow::{Beginning, End, Plan, follow, park};
pub use ports::{Ask, Chain, Clock, Failure, Journal, Lease, Outcome, Request, Tape};
pub use step::{Cursor, Progress, State, Step};
pub use window::Window;
