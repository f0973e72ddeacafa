//! Fuzzing of the EVM plugin: one target per venue in `targets/`, all with the same harness.

pub mod harness;
