//! What a process receives from outside (variables, command line, signals, clock) and what every process does with it.
//!
//! Read in this order: [`layers`] (where variables come from), [`problems`] (how a process reads its own and reports
//! all that is wrong at once), [`process`] and [`command_line`] (how it starts and ends), [`output`] (what commands print), then what it
//! works with: [`telemetry`], [`measurements`], [`shutdown`], [`health`], [`backoff`] and [`mod@retry`], [`rate_limit`].
//!
//! ```no_run
//! # fn main() -> std::process::ExitCode {
//! let mut problems = environment::Problems::default();
//! let layers = environment::Layers::load(&mut problems);
//! let url = problems.required_url(&layers, "DATABASE_URL");
//! if let Err(error) = problems.finish() {
//!     return environment::process::exit_code(Err(error.into()));
//! }
//! # drop(url); std::process::ExitCode::SUCCESS }
//! ```
//!
//! **Invariant:** nothing else in the workspace reads the process environment or the wall clock.

pub mod layers;
pub mod problems;
pub mod command_line;
pub mod process;
pub mod telemetry;
pub mod measurements;
pub mod shutdown;
pub mod health;
pub mod backoff;
pub mod retry;
pub mod progress_bar;
pub mod output;
pub mod rate_limit;
pub mod crash;
mod causes;
mod dotenv;
mod examples;
mod secret;
pub mod variables;

pub use backoff::Backoff;
pub use causes::with_causes;
pub use layers::Layers;
pub use measurements::Measurements;
pub use problems::{ConfigError, Problems, Resolved, Strings};
pub use rate_limit::{Rate, RateLimiter, TokenBucket};
pub use retry::retry;
pub use secret::Secret;
pub use shutdown::Shutdown;

use std::time::UNIX_EPOCH;

/// The time of this machine, milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock of the edges")]
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Chooses the TLS implementation of this process; calling it again changes nothing.
pub fn install_crypto() {
    // Refused only when a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
