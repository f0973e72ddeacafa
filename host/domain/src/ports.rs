//! What the domain needs from outside: a chain to read, a tape to write, a clock.

use crate::block::{Scanned, Tip};
use crate::coverage::Range;
use crate::step::{Cursor, Progress, Step};
use std::future::Future;
use std::sync::Arc;
use tape::{BlockId, Trade, Unavailable};

/// Why a chain could not be read, after the adapter's own retries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It may work later: wait, at least so long, and ask again.
    #[error("{why}")]
    Retry {
        /// Milliseconds to wait at least.
        after_ms: Option<u64>,
        /// Why.
        why: String,
    },
    /// The span was too wide: ask for at most so many heights.
    #[error("at most {0} heights at once")]
    TooWide(u64),
    /// The height does not exist yet.
    #[error("height {0} is not there yet")]
    NotYet(u64),
    /// The branch changed while it was read.
    #[error("the branch changed while it was read")]
    Reorged,
    /// The code in force cannot read one block, however often it is asked.
    #[error("{why}")]
    Unreadable {
        /// Its height.
        height: u64,
        /// Why.
        why: String,
    },
    /// Only an operator can help.
    #[error("{0}")]
    Hopeless(String),
}

/// A chain, read through a plugin.
pub trait ChainReader: Send {
    /// How far the chain is.
    fn head(&mut self) -> impl Future<Output = Result<Tip, Failure>> + Send;
    /// The blocks from `first` to `last`; `finalized` is the height that is final already.
    fn scan(
        &mut self,
        first: u64,
        last: u64,
        finalized: Option<u64>,
    ) -> impl Future<Output = Result<Scanned, Failure>> + Send;
    /// The block of a height that cannot be read, as its neighbours name it and without trades; `why` it cannot be read.
    fn leave_out(
        &mut self,
        height: u64,
        finalized: Option<u64>,
        why: String,
    ) -> impl Future<Output = Result<Scanned, Failure>> + Send {
        let _ = finalized;
        std::future::ready(Err(Failure::Unreadable { height, why }))
    }
    /// Whether the blocks from this height on are there already, so that a scan of them takes no time.
    fn has_ready(&self, first: u64) -> bool {
        let _ = first;
        false
    }
    /// Whether an endpoint that is as far as this tip still has the block; one that has it is preferred from then on.
    /// Where no other endpoint is as far, the one that showed the tip is asked once more.
    fn still_has(&mut self, block: &BlockId, tip: &Tip) -> impl Future<Output = Result<bool, Failure>> + Send;
    /// Reports that the endpoint that answered last is of no use: another is preferred for a while.
    fn blame(&mut self, why: &str);
    /// The endpoint in use by its name, without address or key; none for a chain without endpoints.
    fn endpoint(&self) -> Option<Arc<str>> {
        None
    }
}

/// What the tape remembers of a chain, as of the claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Where the chain stands; none before the first step.
    pub cursor: Option<Cursor>,
    /// The journalled blocks at or below the cursor, ascending.
    pub blocks: Vec<BlockId>,
    /// Covered ranges by number.
    pub ranges: Vec<(u32, Range)>,
    /// Which of its records cannot be read, and why: then nothing else here counts.
    pub unreadable: Option<String>,
}

/// A request to the instance that holds the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id; ids sort in the order in which requests were filed.
    pub id: String,
    /// What is requested.
    pub kind: RequestKind,
}

/// What can be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Put the heights that nothing covers on the tape.
    Backfill {
        /// First height.
        from: u64,
        /// Last height.
        to: u64,
    },
    /// Take back every trade above a height and follow on from there.
    Rewind {
        /// The last height to keep.
        to: u64,
    },
    /// Leave the trades of one height out; nothing covers it afterwards.
    Skip {
        /// The height.
        height: u64,
    },
    /// Follow a parked chain again.
    Retry,
}

/// How an append ended.
#[derive(Debug)]
pub enum AppendOutcome {
    /// The step is on the tape.
    Done,
    /// Another instance holds the chain now.
    Lost,
    /// The step is not on the tape and never will be: it has a record that is too large. Claim again to go on.
    Refused(Unavailable),
    /// The step may or may not be on the tape: claim again and read the journal.
    Unknown(Unavailable),
}

/// The writer's side of the tape.
pub trait Tape: Send + Sync {
    /// The right to write one chain.
    type Lease: Lease;
    /// Fences every earlier lease of the chain; the journal is as of the fence.
    fn claim(&self, chain: &str) -> impl Future<Output = Result<(Self::Lease, Journal), Unavailable>> + Send;
}

/// The right to write one chain.
pub trait Lease: Send {
    /// Puts a step on the tape, all or nothing.
    fn append(&mut self, step: &Step) -> impl Future<Output = AppendOutcome> + Send;
    /// Publishes how the chain is doing without a step: the cursor, if there is one, stays as it is.
    fn announce(&mut self, cursor: Option<&Cursor>, progress: &Progress) -> impl Future<Output = AppendOutcome> + Send;
    /// The journalled trades of the blocks above a height, newest block first, each in chain order.
    fn journalled_above(
        &mut self,
        height: u64,
    ) -> impl Future<Output = Result<Vec<(BlockId, Vec<Trade>)>, Unavailable>> + Send;
    /// The live trades of all blocks above a height as the tape itself has them, journalled or not, newest block first,
    /// each in chain order. Reads the whole tape.
    fn live_above(
        &mut self,
        height: u64,
    ) -> impl Future<Output = Result<Vec<(BlockId, Vec<Trade>)>, Unavailable>> + Send;
    /// The requests for this chain that are not yet fulfilled, oldest first.
    fn requests(&mut self) -> Vec<Request>;
}

/// Time, and whether the process is to stop.
pub trait Clock: Send + Sync {
    /// Milliseconds since some fixed point.
    fn now_ms(&self) -> u64;
    /// Waits; returns early when the process is to stop.
    fn pause(&self, ms: u64) -> impl Future<Output = ()> + Send;
    /// Waits until the next look at the head; returns early when there may be something new.
    fn rest(&self, ms: u64) -> impl Future<Output = ()> + Send {
        self.pause(ms)
    }
    /// A number drawn evenly from 0 to `bound`.
    fn draw(&self, bound: u64) -> u64;
    /// Whether the process is to stop.
    fn stopping(&self) -> bool;
}
