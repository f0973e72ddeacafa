//! The databases that store the book: two adapters of one port, tested by one suite.

pub mod postgres;
pub mod sqlite;
mod columns;
mod flow_rows;
mod price_rows;
mod stored_rules;
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
    /// Its book has trades that were folded with other rules; figures of both must not be mixed.
    #[error(
        "use the book with the requested {settings}: it has trades that were folded with {stored:?}; set them back, or \
         drop the schema (the file) of metrics so that the tape is folded again"
    )]
    Rules {
        /// The settings that differ.
        settings: &'static str,
        /// What the book was built with.
        stored: String,
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
