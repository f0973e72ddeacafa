//! The wire format of the tape: version 1 JSON, checked when decoded, with its JSON Schemas beside it.
//!
//! **Invariant:** whatever decodes here is valid; a refusal names the field. `tape` knows nothing of bytes.

pub mod v1;
pub mod check;
pub mod headers;
pub mod text;

pub use check::Invalid;
