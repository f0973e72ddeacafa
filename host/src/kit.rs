//! The commands `plugin new | build | dev | check | list | status | record | test | bench | sign | verify | publish | install`, for
//! plugin authors and operators.
//!
//! They use the engine, the limits and the admission of `run`: a plugin that passes here passes there.

mod bench;
mod build;
mod check;
mod dev;
mod difference;
mod new;
mod pin;
mod place;
mod record;
mod registry;
mod report;
mod sign;
mod test;

pub use bench::bench;
pub use build::build;
pub use check::check;
pub use dev::{Development, dev};
pub use new::{Language, new};
pub use record::record;
pub use registry::{Installation, install, publish};
pub use report::{list, status};
pub use sign::{sign, verify};
pub use test::test;

use crate::cache::Cache;
use crate::cassette::Cassette;
use crate::chainfile::{self, ChainFile, Limits, Variables};
use crate::plugin::v1::{self, CallError};
use crate::plugin::{Admitted, AnswerSource, CallResources, CallUsage, Engine};
use environment::{ConfigError, Strings};
use ingest_domain::Scanned;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Fuel for a scan that is measured or checked, but not limited.
const UNLIMITED_FUEL: u64 = 1 << 50;

/// Scans a cassette in a fresh instance, under fuel where it is given.
pub async fn replay(
    engine: &Engine,
    plugin: &Admitted,
    cassette: &Cassette,
    limits: &Limits,
    fuel: Option<u64>,
) -> (Result<Scanned, CallError>, CallUsage) {
    let resources = CallResources {
        chain: cassette.chain.as_str().into(),
        upstream: None,
        cache: Cache::default(),
        limits: limits.clone(),
    };
    let answers = AnswerSource::Replayed(cassette.replay());
    let network: Arc<str> = cassette.network.as_str().into();
    let (context, span) = (cassette.context(), (cassette.first, cassette.last));
    v1::scan_with(engine, plugin, resources, answers, fuel, &context, &network, span).await
}

/// Reads a chain file whose settings a plugin must accept.
pub(crate) fn read_chain_file(path: &Path, plugin: &Admitted, strings: &impl Strings) -> anyhow::Result<ChainFile> {
    let secrets = strings.get("SECRETS_DIR").map(PathBuf::from);
    let variables = Variables { strings, secrets: secrets.as_deref() };
    let file = chainfile::read(path, &variables).map_err(ConfigError)?;
    plugin.schema.check(&file.settings).map_err(|wrong| anyhow::anyhow!("{}: {wrong}", path.display()))?;
    Ok(file)
}
