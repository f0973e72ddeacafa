//! Detects trades on EVM chains: proved blocks in, user-level trades out.
//!
//! Modules stand in the order of the way through a scan.

pub mod model;
pub mod rules;
pub mod settings;
pub mod chains;
pub mod factories;
pub mod head;
pub mod scan;
pub mod hex;
pub mod rpc;
pub mod topics;
pub mod events;
pub mod keccak;
pub mod trie;
pub mod prove;
pub mod venues;
pub mod settlement;
pub mod reports;
pub mod native;
pub mod transfers;
pub mod legs;
pub mod facts;
pub mod pools;
pub mod keys;
pub mod tokens;
pub mod deals;
mod seen;
pub mod platforms;
pub mod reference;
pub mod trades;

use chain_plugin_sdk::{Context, Description, Failure, Host, Plugin, Scanned, Span, Tip, Wake};

/// The plugin.
pub struct Evm;

impl Plugin for Evm {
    fn describe() -> Description {
        Description {
            id: "evm".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings_schema: settings::SCHEMA.to_owned(),
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

    fn widest_span() -> u64 {
        settings::WIDEST_SPAN
    }

    fn wake_by(_context: &Context) -> Option<Wake> {
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
        Some(Wake { path: String::new(), message: message.to_owned() })
    }
}

chain_plugin_sdk::plugin!(Evm);
chain_plugin_sdk::guest_allocator!();
