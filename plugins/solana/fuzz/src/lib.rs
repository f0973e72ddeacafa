//! What the targets share.

pub mod harness;
