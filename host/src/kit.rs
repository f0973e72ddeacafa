//! What an author and an operator use from the command line: `plugin check | list | status | record | test | bench`.
//!
//! Everything runs on the engine, the limits and the admission of `run`: what passes here passes there.

mod bench;
mod check;
mod cover;
mod record;
mod report;

pub use bench::bench;
pub use check::check;
pub use cover::{expectation, read_cassettes, test};
pub use record::record;
pub use report::{list, status};

use crate::cache::Cache;
use crate::cassette::Cassette;
use crate::chainfile::Limits;
use crate::plugin::v1::{self, CallError};
use crate::plugin::{Admitted, Answers, Engine, Lent, Used};
use ingest_domain::Scanned;
use std::sync::Arc;

/// Scans a cassette in a fresh instance, under fuel where it is given.
pub async fn replay(
    engine: &Engine,
    plugin: &Admitted,
    cassette: &Cassette,
    limits: &Limits,
    fuel: Option<u64>,
) -> (Result<Scanned, CallError>, Used) {
    let lent =
        Lent { chain: cassette.chain.as_str().into(), upstream: None, cache: Cache::default(), limits: limits.clone() };
    let answers = Answers::Replayed(cassette.replay());
    let network: Arc<str> = cassette.network.as_str().into();
    let (told, span) = (cassette.context(), (cassette.first, cassette.last));
    v1::scan_with(engine, plugin, lent, answers, fuel, &told, &network, span).await
}
