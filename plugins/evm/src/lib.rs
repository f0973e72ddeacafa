//! Detects trades on EVM chains: proved blocks in, user-level trades out.
//!
//! Modules stand from the words that all share to what is built on them; the README has the way through a scan.

pub mod model;
pub mod hex;
pub mod rpc;
pub mod topics;
mod keccak;
mod trie;
mod rlp;
mod chains;
mod factories;
mod rules;
mod settings;
mod head;
mod receipts;
mod raw;
mod bloom;
mod remembered;
mod fetch;
mod scan;
pub mod prove;
mod transactions;
pub mod events;
pub mod venues;
mod wrappings;
mod transfers;
pub mod settlement;
pub mod reports;
mod twins;
mod two_sided;
mod native;
mod legs;
mod pools;
mod coins;
mod keys;
mod key_search;
mod tokens;
mod asking;
mod facts;
mod attribution;
mod platforms;
mod reference;
mod traces;
mod coin_fees;
mod trades;
mod draft;

use chain_plugin_sdk::{Context, Description, Failure, Host, Plugin, Scanned, Span, Tip, Wake};

/// The plugin.
pub struct Evm;

impl Plugin for Evm {
    fn describe() -> Description {
        Description {
            id: "evm".to_owned(),
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

    fn widest_span() -> u64 {
        settings::MAX_SPAN_BLOCKS
    }

    fn wake_by(_context: &Context) -> Option<Wake> {
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
        Some(Wake { path: String::new(), message: message.to_owned() })
    }
}

chain_plugin_sdk::plugin!(Evm);
chain_plugin_sdk::guest_allocator!();
