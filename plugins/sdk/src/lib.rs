//! What every Rust plugin needs and no more: the generated bindings, a trait to implement, amounts, JSON-RPC.
//!
//! A plugin is ordinary Rust that talks to a [`Host`]; natively, in tests, that is a recording or a fake. See
//! `plugins/README.md` for the way from nothing to a running chain.

pub mod bindings;
pub mod host;
pub mod amount;
pub mod json;
pub mod jsonrpc;
pub mod memory;
#[cfg(not(target_family = "wasm"))]
pub mod replay;

pub use bindings::chaintape::plugin::types::{
    AssetAmount, Block, BlockId, Context, Description, Failure, Fee, Leg, Scanned, Side, Span, Tip, Trade, Trader,
    Transaction, Uint256, Usd, Valuation, Wake,
};
pub use bindings::chaintape::plugin::upstream::{Request, Response, UpstreamError};
pub use host::{Host, Lent, Level};

/// A kind of chain.
pub trait Plugin {
    /// Who it is.
    fn describe() -> Description;
    /// How far the endpoint is.
    fn head(host: &mut impl Host, context: &Context) -> Result<Tip, Failure>;
    /// The blocks of a span; a pure function of its arguments and the host's answers.
    fn scan(host: &mut impl Host, context: &Context, span: Span) -> Result<Scanned, Failure>;
    /// The most heights that one scan takes.
    fn widest_span() -> u64 {
        u64::MAX
    }
    /// What wakes the poll earlier.
    fn wake_by(_context: &Context) -> Option<Wake> {
        None
    }
}

/// Makes a component of a type that implements [`Plugin`]; natively there is nothing to make, and a native linker would
/// not take the exports' names.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[global_allocator]
            static MEMORY: $crate::memory::Pieces = $crate::memory::Pieces::new();

            struct Component;

            impl $crate::bindings::exports::chaintape::plugin::chain::Guest for Component {
                fn describe() -> $crate::Description {
                    <$plugin as $crate::Plugin>::describe()
                }
                fn head(context: $crate::Context) -> Result<$crate::Tip, $crate::Failure> {
                    <$plugin as $crate::Plugin>::head(&mut $crate::Lent, &context)
                }
                fn scan(context: $crate::Context, span: $crate::Span) -> Result<$crate::Scanned, $crate::Failure> {
                    <$plugin as $crate::Plugin>::scan(&mut $crate::Lent, &context, span)
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
