//! Where the book is kept: one port, held to one suite.

pub mod postgres;
pub mod sqlite;
mod columns;

use tape::Unavailable;

/// Why a database cannot be used. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It may answer later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Its tables are not those of this version.
    #[error("migrate the database")]
    Refused(#[source] sqlx::migrate::MigrateError),
}

/// A migration that failed for want of the server may be tried again; any other is a refusal.
fn refused(error: sqlx::migrate::MigrateError) -> OpenError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(source) => Unavailable::new("migrate the database", source).into(),
        other => OpenError::Refused(other),
    }
}
