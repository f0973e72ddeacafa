//! The databases that store the book: two adapters of one port, tested by one suite.

pub mod postgres;
pub mod sqlite;
mod columns;
mod rows;
pub(crate) mod retained;

use metrics_domain::Method;
use migrations::SchemaError;
use tape::Unavailable;

/// Why a database cannot be used. Messages follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database does not answer now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Its tables do not belong to this version.
    #[error("migrate the database")]
    Refused(#[source] sqlx::migrate::MigrateError),
    /// Its schema does not belong to this version, or must be migrated by somebody else.
    #[error(transparent)]
    Schema(SchemaError),
    /// Its book has another cost method; figures of both methods must not be mixed.
    #[error(
        "use the book with the method `{requested}`: it was built with `{stored}`; set METRICS_METHOD back, or drop the \
         schema (the file) of metrics so that the tape is folded again"
    )]
    Method {
        /// The method of the book.
        stored: String,
        /// The requested method.
        requested: Method,
    },
}

impl From<SchemaError> for OpenError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Unavailable { source, .. } => Unavailable::new("migrate the database", source).into(),
            refused => Self::Schema(refused),
        }
    }
}

/// Refuses a book with another method than the requested one.
fn check_method(stored: &str, requested: Method) -> Result<(), OpenError> {
    if stored == requested.name() { Ok(()) } else { Err(OpenError::Method { stored: stored.to_owned(), requested }) }
}

/// A migration that failed because the server did not answer may be tried again; any other failure is final.
fn migration_error(error: sqlx::migrate::MigrateError) -> OpenError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(source) => Unavailable::new("migrate the database", source).into(),
        other => OpenError::Refused(other),
    }
}
