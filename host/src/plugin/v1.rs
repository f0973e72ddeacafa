//! WIT `chaintape:plugin@1`: the calls of the contract, each in a fresh instance.
//!
//! [`scan`] is the one that finds trades; `lift` turns what it returns into the tape's terms, `imports` is what a
//! plugin can call in turn, `call` bounds what one call may use.

mod call;
mod error;
mod imports;
mod lift;

mod bindings {
    #![expect(missing_docs, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/chain-plugin",
        world: "plugin",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// What a plugin may export in addition, since 1.1.0.
mod paced {
    wasmtime::component::bindgen!({ path: "../wit/chain-plugin", world: "paced", exports: { default: async } });
}

pub use bindings::chaintape::plugin::types::{Description, Failure, Wake};
pub use error::CallError;

use super::admit::Admitted;
use super::context::CallContext;
use super::empty_wasi;
use super::engine::Engine;
use super::sandbox::{AnswerSource, CallResources, CallState, CallUsage};
use bindings::chaintape::plugin::types as wit;
use call::PluginCall;
use error::first_line;
use futures_util::FutureExt;
use ingest_domain::{Scanned, Tip};
use lift::Lift;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::{Component, HasSelf, Linker};

/// Bytes of the path or the message of a subscription.
const MAX_WAKE_TEXT_BYTES: usize = 64 << 10;

/// A component ready to be instantiated.
#[derive(Clone)]
pub struct Ready {
    chain: bindings::PluginPre<CallState>,
    /// Whether it exports the interface `pace`.
    paced: bool,
}

/// Links a component against what the host offers, on the engine that compiled it.
pub(super) fn link(engine: &wasmtime::Engine, component: &Component) -> wasmtime::Result<Ready> {
    let mut linker: Linker<CallState> = Linker::new(engine);
    bindings::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    if component.component_type().imports(engine).any(|(name, _)| name.starts_with("wasi:")) {
        empty_wasi::add_to_linker(&mut linker)?;
    }
    let pre = linker.instantiate_pre(component)?;
    // Plugins built against 1.0.0 do not have it, and later ones may leave it out.
    let paced = paced::PacedPre::new(pre.clone()).is_ok();
    Ok(Ready { chain: bindings::PluginPre::new(pre)?, paced })
}

/// Asks a component to describe itself, and how many heights it accepts at once where it says so.
pub(super) async fn describe(
    engine: &Engine,
    ready: &Ready,
    resources: CallResources,
) -> Result<(Description, Option<u64>), CallError> {
    let call = PluginCall::new(engine, ready.clone(), resources, AnswerSource::Live, 0);
    let described = call.on_worker(|ready, store| {
        async move {
            let instance = ready.chain.instance_pre().instantiate_async(&mut *store).await?;
            let plugin = bindings::Plugin::new(&mut *store, &instance)?;
            let description = plugin.chaintape_plugin_chain().call_describe(&mut *store).await?;
            if !ready.paced {
                return Ok((description, None));
            }
            let paced = paced::Paced::new(&mut *store, &instance)?;
            let widest = paced.chaintape_plugin_pace().call_widest_span(store).await?;
            Ok((description, Some(widest.max(1))))
        }
        .boxed()
    });
    described.await.0
}

/// Asks how far the endpoint is.
#[tracing::instrument(name = "plugin.head.ask", skip_all, fields(chain.id = %resources.chain))]
pub async fn head(
    engine: &Engine,
    plugin: &Admitted,
    resources: CallResources,
    context: &CallContext,
) -> Result<Tip, CallError> {
    let _room = engine.room.acquire().await;
    let call = PluginCall::new(engine, plugin.ready.clone(), resources, AnswerSource::Live, context.now_ms);
    let context = wit_context(context);
    let head = call.on_worker(|ready, store| {
        async move {
            let plugin = ready.chain.instantiate_async(&mut *store).await?;
            plugin.chaintape_plugin_chain().call_head(store, &context).await?.map_err(CallError::from_failure)
        }
        .boxed()
    });
    lift::tip(head.await.0?)
}

/// Asks which WebSocket subscription notifies about new blocks.
pub async fn wake_by(
    engine: &Engine,
    plugin: &Admitted,
    resources: CallResources,
    context: &CallContext,
) -> Result<Option<Wake>, CallError> {
    let _room = engine.room.acquire().await;
    let call = PluginCall::new(engine, plugin.ready.clone(), resources, AnswerSource::Live, context.now_ms);
    let context = wit_context(context);
    let wake = call.on_worker(|ready, store| {
        async move {
            let plugin = ready.chain.instantiate_async(&mut *store).await?;
            Ok(plugin.chaintape_plugin_chain().call_wake_by(store, &context).await?)
        }
        .boxed()
    });
    let wake = wake.await.0?;
    let longest = wake.as_ref().map_or(0, |wake| wake.path.len().max(wake.message.len()));
    if longest > MAX_WAKE_TEXT_BYTES {
        let why = format!("a subscription with a text of {longest} bytes, at most {MAX_WAKE_TEXT_BYTES}");
        return Err(CallError::Broken(why));
    }
    Ok(wake)
}

/// Asks for the blocks of a span.
pub async fn scan(
    engine: &Engine,
    plugin: &Admitted,
    resources: CallResources,
    context: &CallContext,
    network: &Arc<str>,
    span: (u64, u64),
) -> Result<Scanned, CallError> {
    scan_with(engine, plugin, resources, AnswerSource::Live, None, context, network, span).await.0
}

/// Asks for the blocks of a span, with upstream's answers from a source of the caller's choice, under fuel where it is
/// given.
#[tracing::instrument(name = "plugin.span.scan", skip_all, fields(chain.id = %resources.chain, first, last))]
#[expect(clippy::too_many_arguments, reason = "they are what a scan is a function of")]
pub async fn scan_with(
    engine: &Engine,
    plugin: &Admitted,
    resources: CallResources,
    answers: AnswerSource,
    fuel: Option<u64>,
    context: &CallContext,
    network: &Arc<str>,
    (first, last): (u64, u64),
) -> (Result<Scanned, CallError>, CallUsage) {
    let _room = engine.room.acquire().await;
    let lift = Lift {
        chain: Arc::clone(&resources.chain),
        network: Arc::clone(network),
        detector: Arc::clone(&plugin.detector),
        max_trades: resources.limits.trades,
    };
    let mut call = PluginCall::new(engine, plugin.ready.clone(), resources, answers, context.now_ms);
    if let Some(fuel) = fuel
        && let Err(error) = call.meter(engine, plugin, fuel)
    {
        return (Err(CallError::Host(first_line(&error))), CallUsage::default());
    }
    let (context, span) = (wit_context(context), wit::Span { first, last });
    let scanned = call.run(move |ready, store| {
        async move {
            let plugin = ready.chain.instantiate_async(&mut *store).await?;
            plugin.chaintape_plugin_chain().call_scan(store, &context, span).await?.map_err(CallError::from_failure)
        }
        .boxed()
    });
    let lifted = async move {
        let begun = Instant::now();
        let (scanned, mut usage) = scanned.await;
        usage.took = begun.elapsed();
        (scanned.and_then(|scanned| lift.scanned(scanned, first, last)), usage)
    };
    call::on_worker(engine, lifted).await
}

fn wit_context(context: &CallContext) -> wit::Context {
    wit::Context { settings: context.settings.clone(), now_ms: context.now_ms, attributes: context.attributes() }
}
