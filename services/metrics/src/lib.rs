//! The metrics service: reads trades off the tape, keeps the book, says what changed.
//!
//! Read in this order: [`settings`], [`service`] (how the parts run together), [`patient`] (waiting out failures of the
//! outside), [`outbox`] (messages leave after their facts), [`messages`] (what they say), [`adapters`] (where the book
//! is kept), [`leaders`] (leaderboards), [`retention`] (old trades go), [`refold`] (the proof that the tables are a function of the tape), [`pulse`]
//! (what `/health` answers). All rules live in `metrics-domain`.

pub mod settings;
pub mod service;
pub mod patient;
pub mod outbox;
pub mod messages;
pub mod adapters;
pub mod leaders;
pub mod retention;
pub mod refold;
pub mod pulse;

pub use service::run;
pub use settings::Settings;
