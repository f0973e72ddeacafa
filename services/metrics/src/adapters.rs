//! Where the book is kept: one port, held to one suite.

pub mod postgres;
pub mod sqlite;
mod columns;
pub(crate) mod needed;

use metrics_domain::Method;
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
    /// Its book is kept by another method; figures of both must not mix.
    #[error(
        "keep the book by `{wished}`: it is kept by `{kept}`; set METRICS_METHOD back, or drop the schema (the file) of \
         metrics so that the tape is folded anew"
    )]
    Method {
        /// By which it is kept.
        kept: String,
        /// By which it shall be.
        wished: Method,
    },
}

/// Refuses a book that is kept by another method than wished.
fn pinned(kept: &str, wished: Method) -> Result<(), OpenError> {
    if kept == wished.name() { Ok(()) } else { Err(OpenError::Method { kept: kept.to_owned(), wished }) }
}

/// A migration that failed for want of the server may be tried again; any other is a refusal.
fn refused(error: sqlx::migrate::MigrateError) -> OpenError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(source) => Unavailable::new("migrate the database", source).into(),
        other => OpenError::Refused(other),
    }
}
