//! How the tape travels: version 1 JSON, checked on the way in, with its JSON Schemas beside it.
//!
//! **Invariant:** whatever decodes here is valid; a refusal names the field. `tape` never learns of bytes.

pub mod v1;
pub mod check;
pub mod headers;
pub mod text;

pub use check::Invalid;
