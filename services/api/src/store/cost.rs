//! What a statement costs, what each class of cost may use of the database, and how a refusal is told from a failure.
//!
//! Decisions
//! * 2026-11-29 – three classes with connections of their own: a request that reads much waits for others that do, never
//!   a cheap one for it, and whether this process is ready never hangs on what its clients ask for. Price: a costly
//!   request is refused (`busy`) while connections of the cheap class may be idle.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tape::Unavailable;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What a statement costs, as far as can be said before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cost {
    /// Reads up to where metrics is; whether this process is ready hangs on it.
    Probe,
    /// Reads about as many rows as it returns, by index.
    Cheap,
    /// Reads many rows for those that it returns.
    Costly,
}

impl Cost {
    /// Connections of the class at most.
    pub(super) fn connections(self) -> u32 {
        match self {
            Self::Probe => 2,
            Self::Cheap => 10,
            Self::Costly => 4,
        }
    }

    /// How long one statement may take.
    pub(super) fn statement_timeout(self) -> Duration {
        match self {
            Self::Probe => Duration::from_secs(2),
            Self::Cheap => Duration::from_secs(4),
            Self::Costly => Duration::from_secs(6),
        }
    }

    /// How long a request may wait for its turn.
    fn turn_timeout(self) -> Duration {
        match self {
            Self::Probe | Self::Cheap => Duration::from_secs(5),
            Self::Costly => Duration::from_secs(3),
        }
    }
}

/// One of something for each class.
#[derive(Clone)]
pub(super) struct PerCost<T>([T; 3]);

impl<T> PerCost<T> {
    pub(super) fn new(make: impl Fn(Cost) -> T) -> Self {
        Self([Cost::Probe, Cost::Cheap, Cost::Costly].map(make))
    }

    pub(super) fn of_cost(&self, cost: Cost) -> &T {
        let [probe, cheap, costly] = &self.0;
        match cost {
            Cost::Probe => probe,
            Cost::Cheap => cheap,
            Cost::Costly => costly,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

/// Lets as many requests of each class pass at once as the class has connections.
#[derive(Clone)]
pub(super) struct Turns(Arc<PerCost<Semaphore>>);

impl Turns {
    pub(super) fn new() -> Self {
        Self(Arc::new(PerCost::new(|cost| Semaphore::new(cost.connections() as usize))))
    }

    /// Waits for a turn.
    pub(super) async fn take(&self, cost: Cost) -> Result<SemaphorePermit<'_>, NoTurn> {
        match tokio::time::timeout(cost.turn_timeout(), self.0.of_cost(cost).acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(NoTurn),
        }
    }
}

/// Too many requests of one class wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests of this kind wait for the database")]
pub(super) struct NoTurn;

/// Why the database gave no answer although nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// Too many requests of the same class are under way.
    Busy,
    /// The statement took longer than it may.
    TooSlow,
}

impl Overload {
    /// Whether a failed read is due to load.
    pub fn of_failure(error: &Unavailable) -> Option<Self> {
        let source: &(dyn Error + 'static) = &*error.source;
        if source.is::<NoTurn>() {
            return Some(Self::Busy);
        }
        let database = source.downcast_ref::<sqlx::Error>()?.as_database_error()?;
        // 57014: PostgreSQL cancelled the statement. 9: SQLite was interrupted.
        matches!(database.code().as_deref(), Some("57014" | "9")).then_some(Self::TooSlow)
    }
}
