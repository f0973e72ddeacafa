//! An endless deterministic chain of trades that needs no node: for the fully mocked environment, and as an example.
//!
//! Blocks are a function of the settings and the host's time: block `n` exists once `n * block-ms` have passed since
//! `epoch-ms`. Every `reorg-every` blocks the newest `reorg-depth` blocks first show on a branch that is abandoned one
//! block later. With `node = true` the chain is read from a mock node at the chain's endpoint instead: the same trades,
//! with the branches and faults of that node's script.

mod chain;
mod from_node;
pub mod node;
mod platforms;
mod random;
mod settings;

pub use chain::MockChain;
pub use platforms::Platform;
pub use random::Random;
pub use settings::Settings;

use chain_plugin_sdk::{Context, Description, Failure, Host, Plugin, Scanned, Span, Tip};

/// The mock chain.
pub struct Mock;

/// The most heights in one scan.
const MAX_SPAN_HEIGHTS: u64 = 1_000;

impl Plugin for Mock {
    fn describe() -> Description {
        Description {
            id: "mock".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: settings::SETTINGS_SCHEMA.to_owned(),
            synthetic: true,
            attributes: vec![],
        }
    }

    fn widest_span() -> u64 {
        MAX_SPAN_HEIGHTS
    }

    fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure> {
        let settings = Settings::read(&context.settings)?;
        if settings.node {
            return from_node::head(host);
        }
        let chain = MockChain::at(settings, context.now_ms);
        let latest = chain.latest();
        Ok(Tip {
            network: chain.network(),
            finalized: latest.checked_sub(chain.settings.finality).map(|height| chain.id(height)),
            latest: chain.id(latest),
            attributes: vec![],
        })
    }

    fn scan(host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure> {
        if span.last - span.first >= MAX_SPAN_HEIGHTS {
            return Err(Failure::SpanTooWide(MAX_SPAN_HEIGHTS));
        }
        let settings = Settings::read(&context.settings)?;
        if settings.node {
            return from_node::scan(host, &settings, span);
        }
        let chain = MockChain::at(settings, context.now_ms);
        let last = span.last.min(chain.latest());
        if last < span.first {
            return Err(Failure::NotYet(span.first));
        }
        Ok(Scanned { blocks: (span.first..=last).map(|height| chain.block(height)).collect(), through: last })
    }
}

chain_plugin_sdk::plugin!(Mock);
