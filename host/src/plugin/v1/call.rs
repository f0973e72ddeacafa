//! One call of a plugin: a fresh instance in a store of its own, with limits on time, memory, output and fuel.

use super::error::first_line;
use super::{CallError, Ready};
use crate::plugin::admit::Admitted;
use crate::plugin::engine::Engine;
use crate::plugin::sandbox::{AnswerSource, CallResources, CallState, CallUsage};
use futures_util::future::BoxFuture;
use std::future::Future;
use std::time::Duration;
use wasmtime::Store;

/// How long a call may take, with all its waiting: far beyond what upstream's own timeouts add up to.
const CALL_TIMEOUT: Duration = Duration::from_mins(10);
/// Fuel between two points at which a metered call lets other tasks run.
const FUEL_YIELD_INTERVAL: u64 = 50_000_000;

/// A call that is about to be made.
pub(super) struct PluginCall<'e> {
    host: &'e Engine,
    /// The engine that compiled `ready`.
    engine: wasmtime::Engine,
    ready: Ready,
    state: CallState,
    output_bytes: usize,
    fuel: Option<u64>,
}

impl<'e> PluginCall<'e> {
    /// A call on the engine of the hot path.
    pub(super) fn new(
        host: &'e Engine,
        ready: Ready,
        resources: CallResources,
        answers: AnswerSource,
        now_ms: u64,
    ) -> Self {
        let output_bytes = resources.limits.output_bytes.min(resources.limits.call_bytes);
        let state = CallState::new(resources, answers, host.log_lines.clone(), now_ms);
        Self { host, engine: host.inner.clone(), ready, state, output_bytes, fuel: None }
    }

    /// Moves the call to the engine that counts fuel, and gives it so much.
    pub(super) fn meter(&mut self, host: &Engine, plugin: &Admitted, fuel: u64) -> wasmtime::Result<()> {
        self.engine = host.metered()?.clone();
        self.ready = plugin.metered(host)?.clone();
        self.fuel = Some(fuel);
        Ok(())
    }

    /// Makes the call on a thread of the host's engine.
    pub(super) async fn on_worker<T: Send + 'static>(
        self,
        export: impl for<'a> FnOnce(&'a Ready, &'a mut Store<CallState>) -> BoxFuture<'a, Result<T, CallError>>
        + Send
        + 'static,
    ) -> (Result<T, CallError>, CallUsage) {
        let host = self.host;
        on_worker(host, self.run(export)).await
    }

    /// Makes the call: `export` instantiates the component and calls one of its functions.
    pub(super) fn run<T: Send + 'static>(
        self,
        export: impl for<'a> FnOnce(&'a Ready, &'a mut Store<CallState>) -> BoxFuture<'a, Result<T, CallError>>
        + Send
        + 'static,
    ) -> impl Future<Output = (Result<T, CallError>, CallUsage)> + Send + 'static {
        let Self { engine, ready, state, output_bytes, fuel, .. } = self;
        async move {
            let mut store = Store::new(&engine, state);
            let result = match limit(&mut store, output_bytes, fuel) {
                Ok(()) => tokio::time::timeout(CALL_TIMEOUT, export(&ready, &mut store)).await,
                Err(error) => Ok(Err(CallError::Host(first_line(&error)))),
            };
            let late = || Err(CallError::Slow(format!("no answer after {} s", CALL_TIMEOUT.as_secs())));
            let mut usage = store.data().usage();
            usage.fuel = fuel.map_or(0, |fuel| fuel - store.get_fuel().unwrap_or(fuel));
            (result.unwrap_or_else(|_| late()), usage)
        }
    }
}

/// Bounds what the store's instance may use: its output and memory, and either fuel or time.
fn limit(store: &mut Store<CallState>, output_bytes: usize, fuel: Option<u64>) -> wasmtime::Result<()> {
    store.limiter(|state| state);
    store.set_hostcall_fuel(output_bytes);
    if let Some(fuel) = fuel {
        store.set_fuel(fuel)?;
        return store.fuel_async_yield_interval(Some(FUEL_YIELD_INTERVAL));
    }
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|state| state.data().on_epoch());
    Ok(())
}

/// Runs a call on a thread of the engine.
pub(super) async fn on_worker<T: Send + 'static>(
    engine: &Engine,
    call: impl Future<Output = (Result<T, CallError>, CallUsage)> + Send + 'static,
) -> (Result<T, CallError>, CallUsage) {
    let ended = || (Err(CallError::Host("the thread of the call has ended".to_owned())), CallUsage::default());
    engine.run(call).await.unwrap_or_else(ended)
}
