//! An endless deterministic chain of trades that needs no node: the fully mocked environment, and a teaching example.
//!
//! Blocks are a function of the settings and the host's time: block `n` exists once `n * block-ms` have passed since
//! `epoch-ms`. Every `reorg-every` blocks the newest `reorg-depth` of them are first shown on a branch that is left one
//! block later.

mod chain;
mod random;
mod settings;

use chain::Chain;
use chain_plugin_sdk::{Context, Description, Failure, Host, Plugin, Scanned, Span, Tip};
use settings::Settings;

/// The mock chain.
pub struct Mock;

/// Most heights in one call.
const WIDEST: u64 = 1_000;

impl Plugin for Mock {
    fn describe() -> Description {
        Description {
            id: "mock".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: settings::SCHEMA.to_owned(),
            synthetic: true,
            attributes: vec![],
        }
    }

    fn widest_span() -> u64 {
        WIDEST
    }

    fn head(_host: &mut impl Host, context: &Context) -> Result<Tip, Failure> {
        let chain = Chain::at(Settings::read(&context.settings)?, context.now_ms);
        let latest = chain.latest();
        Ok(Tip {
            network: chain.network(),
            finalized: latest.checked_sub(chain.settings.finality).map(|height| chain.id(height)),
            latest: chain.id(latest),
            attributes: vec![],
        })
    }

    fn scan(_host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure> {
        if span.last - span.first >= WIDEST {
            return Err(Failure::SpanTooWide(WIDEST));
        }
        let chain = Chain::at(Settings::read(&context.settings)?, context.now_ms);
        let last = span.last.min(chain.latest());
        if last < span.first {
            return Err(Failure::NotYet(span.first));
        }
        Ok(Scanned { blocks: (span.first..=last).map(|height| chain.block(height)).collect(), through: last })
    }
}

#[cfg(target_arch = "wasm32")]
chain_plugin_sdk::plugin!(Mock);
