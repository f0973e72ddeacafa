//! What every Rust plugin needs and no more: the generated bindings, a trait to implement, amounts, JSON-RPC.
//!
//! A plugin is ordinary Rust that talks to a [`Host`]. In a component that is the real host ([`ComponentHost`]); in
//! native tests it is a cassette ([`replay::Replay`]) or a fake. `plugins/README.md` leads from nothing to a running
//! chain in six steps.

pub mod bindings;
pub mod host;
pub mod amount;
pub mod json;
pub mod jsonrpc;
pub mod memory;
pub mod dropped;
#[cfg(not(target_family = "wasm"))]
pub mod replay;

pub use bindings::chaintape::plugin::types::{
    AssetAmount, Block, BlockId, Context, Description, Failure, Fee, Leg, Scanned, Side, Span, Tip, Trade, Trader,
    Transaction, Uint256, Usd, Valuation, Wake,
};
pub use bindings::chaintape::plugin::upstream::{Request, Response, UpstreamError};
pub use dropped::DroppedEvents;
pub use host::{ComponentHost, Host, Level};

/// A kind of chain.
pub trait Plugin {
    /// The plugin's id and version, and the schema of its settings.
    fn describe() -> Description;
    /// How far the endpoint is.
    fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure>;
    /// The blocks of a span with their trades; a pure function of its arguments and the host's answers.
    fn scan(host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure>;
    /// The most heights that one scan takes.
    fn widest_span() -> u64 {
        u64::MAX
    }
    /// What to subscribe to at the node's WebSocket, so that the host polls the head as soon as a message comes.
    fn wake_by(_context: &Context) -> Option<Wake> {
        None
    }
}

/// Makes a component of a type that implements [`Plugin`]. Natively it does nothing, since a native linker would refuse
/// the names of the exports.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "the exports are generated")]
        const _: () = {
            struct Component;

            impl $crate::bindings::exports::chaintape::plugin::chain::Guest for Component {
                fn describe() -> $crate::Description {
                    <$plugin as $crate::Plugin>::describe()
                }
                fn head(context: $crate::Context) -> Result<$crate::Tip, $crate::Failure> {
                    <$plugin as $crate::Plugin>::head(&mut $crate::ComponentHost, &context)
                }
                fn scan(context: $crate::Context, span: $crate::Span) -> Result<$crate::Scanned, $crate::Failure> {
                    <$plugin as $crate::Plugin>::scan(&mut $crate::ComponentHost, &context, span)
                }
                fn wake_by(context: $crate::Context) -> Option<$crate::Wake> {
                    <$plugin as $crate::Plugin>::wake_by(&context)
                }
            }

            impl $crate::bindings::exports::chaintape::plugin::pace::Guest for Component {
                fn widest_span() -> u64 {
                    <$plugin as $crate::Plugin>::widest_span()
                }
            }

    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}

/// Gives a plugin the allocator of [`memory`] instead of the target's default one; opt in where a scan makes very many
/// short texts and lists, and measure it with `cargo xtask plugin bench`. Natively it does nothing.
#[macro_export]
macro_rules! guest_allocator {
    () => {
        #[cfg(target_family = "wasm")]
        #[global_allocator]
        static GUEST_ALLOCATOR: $crate::memory::GuestAllocator = $crate::memory::GuestAllocator::new();
    };
}
