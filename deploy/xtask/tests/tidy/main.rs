//! The architecture as tests: who may depend on whom, what a file looks like, one vocabulary, small circles of files, and that
//! READMEs are true.
#![expect(clippy::unwrap_used, reason = "tests")]

mod sources;

mod circles;
mod dependencies;
mod files;
mod first_build;
mod log_events;
mod names;
mod operations;
mod readmes;
