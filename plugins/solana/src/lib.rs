//! Detects trades on Solana: blocks in, chained by their parents, user-level trades out.
//!
//! Modules stand in the order of the way through a scan.

pub mod settings;
pub mod head;
pub mod scan;
pub mod rpc;
pub mod base58;
pub mod block;
mod envelope;
pub mod message;
pub mod parsed;
pub mod tree;
pub mod holders;
pub mod moves;
pub mod venues;
pub mod legs;
mod exchange;
pub mod frame;
pub mod net;
pub mod split;
pub mod traders;
pub mod fees;
pub mod worth;
pub mod trades;

use chain_plugin_sdk::{Context, Description, Failure, Host, Plugin, Scanned, Span, Tip, Wake};

/// Wrapped SOL. Native SOL goes by the same name: one asset.
pub const SOL: &str = "So11111111111111111111111111111111111111112";

/// The plugin.
pub struct Solana;

impl Plugin for Solana {
    fn describe() -> Description {
        Description {
            id: "solana".to_owned(),
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

    fn wake_by(_context: &Context) -> Option<Wake> {
        // Every node has it; `blockSubscribe`, which few providers offer, would carry whole blocks for a mere knock.
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"slotSubscribe"}"#;
        Some(Wake { path: String::new(), message: message.to_owned() })
    }
}

chain_plugin_sdk::plugin!(Solana);
chain_plugin_sdk::guest_allocator!();
