//! Detects trades on Solana: from blocks, chained by their parents, to one trade per user action.
//!
//! Modules stand in the order in which a scan runs through them; `model` has the words they share. Modules are
//! private unless another crate (tests, fuzz targets) names them.

mod settings;
mod head;
mod scan;
mod rpc;
mod signatures;
mod time;
pub mod base58;
mod block;
mod meta;
mod whole;
mod numbers;
mod programs;
mod envelope;
pub mod message;
mod parsed;
mod model;
mod call_tree;
mod accounts;
mod transfers;
mod cash;
mod view;
mod venues;
mod parties;
mod exchange;
mod legs;
mod traders;
mod fees;
mod worth;
mod trades;

pub use model::SOL;

use chain_plugin_sdk::{Context, Description, Failure, Host, Plugin, Scanned, Span, Tip, Wake};

/// The plugin.
pub struct Solana;

/// The programs that the plugin describes one by one: first the venues with a file of their own, then the routers. The
/// fuzz targets make calls of them.
pub fn described_programs() -> impl Iterator<Item = &'static str> {
    let venues = venues::VENUES.iter().map(|venue| venue.program);
    venues.chain(venues::routers::ROUTERS.iter().map(|(_, program)| *program))
}

impl Plugin for Solana {
    fn describe() -> Description {
        Description {
            id: "solana".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: settings::SETTINGS_SCHEMA.to_owned(),
            synthetic: false,
            attributes: vec![],
        }
    }

    fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure> {
        head::head(host, context)
    }

    fn scan(host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure> {
        scan::scan(host, context, span)
    }

    fn wake_by(_context: &Context) -> Option<Wake> {
        // Every node offers it. `blockSubscribe`, which few providers offer, would carry whole blocks only to wake the
        // poll.
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"slotSubscribe"}"#;
        Some(Wake { path: String::new(), message: message.to_owned() })
    }
}

chain_plugin_sdk::plugin!(Solana);
chain_plugin_sdk::guest_allocator!();
