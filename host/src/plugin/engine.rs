//! The engines that run components: one for the hot path (pooled instances, a ticking epoch), one with fuel for verdicts
//! that must not depend on the machine's speed. Nothing compiled by one runs on the other.
//!
//! Calls run on threads of their own, as many as there may be calls at once: a plugin that computes without end occupies
//! one of them, and the operating system shares the cores fairly among all. Nobody else's executor is held up.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tracing::Instrument;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Time between epochs: how finely a runaway plugin is noticed.
const TICK: Duration = Duration::from_millis(10);
/// Core instances that one component instance may take.
const CORES_PER_INSTANCE: u32 = 4;
/// Most memory of one instance, whatever a chain file says.
pub const MOST_MEMORY: usize = 1 << 30;
/// Most stack of one instance.
const STACK: usize = 1 << 20;
/// Elements of a table: interpreters compiled to WebAssembly need many.
pub(super) const TABLE: usize = 100_000;

/// Runs components. Clones share it.
#[derive(Clone)]
pub struct Engine {
    pub(super) inner: wasmtime::Engine,
    pub(super) room: Arc<Semaphore>,
    metered: Arc<OnceLock<wasmtime::Engine>>,
    workers: Arc<Workers>,
    _ticker: Arc<Ticker>,
}

impl Engine {
    /// An engine with room for so many calls at once.
    pub fn new(at_once: u32) -> Result<Self, Unfit> {
        let at_once = at_once.clamp(1, 1_000);
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(at_once)
            .total_core_instances(at_once * CORES_PER_INSTANCE)
            .total_memories(at_once * CORES_PER_INSTANCE)
            .total_tables(at_once * CORES_PER_INSTANCE * 2)
            .total_stacks(at_once * CORES_PER_INSTANCE)
            .max_memory_size(MOST_MEMORY)
            .table_elements(TABLE)
            // Where the kernel tells which pages were touched, those alone are cleared, and stay for the next call.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(16 << 20)
            .table_keep_resident(64 << 10);
        let mut config = shared_config();
        config.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let inner = wasmtime::Engine::new(&config).map_err(|e| Unfit(format!("{e:#}")))?;
        let workers = Builder::new_multi_thread()
            .worker_threads(at_once as usize)
            .thread_name("plugin")
            .enable_all()
            .build()
            .map_err(|e| Unfit(e.to_string()))?;
        Ok(Self {
            _ticker: Arc::new(Ticker::start(inner.clone())),
            inner,
            room: Arc::new(Semaphore::new(at_once as usize)),
            metered: Arc::default(),
            workers: Arc::new(Workers(Some(workers))),
        })
    }

    /// The engine with fuel, made when it is first wanted.
    pub(super) fn metered(&self) -> wasmtime::Result<&wasmtime::Engine> {
        if let Some(engine) = self.metered.get() {
            return Ok(engine);
        }
        let mut config = shared_config();
        config.consume_fuel(true);
        let engine = wasmtime::Engine::new(&config)?;
        Ok(self.metered.get_or_init(|| engine))
    }

    /// Runs a call on a thread of its own; dropping the wait drops the call.
    pub(super) async fn run<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let runtime = self.workers.0.as_ref()?;
        let mut running = Cut(runtime.spawn(call.in_current_span()));
        (&mut running.0).await.ok()
    }
}

fn shared_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(STACK);
    config
}

/// Ends a task that nobody waits for any more.
struct Cut<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Cut<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The threads of the calls. They may be left from within another executor, so they are not waited for.
struct Workers(Option<Runtime>);

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// This machine cannot run components.
#[derive(Debug, thiserror::Error)]
#[error("run components on this machine: {0}")]
pub struct Unfit(String);

/// A thread of its own, so that no busy executor can stop the clock.
struct Ticker(Arc<AtomicBool>);

impl Ticker {
    fn start(engine: wasmtime::Engine) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let ticking = Arc::clone(&running);
        std::thread::spawn(move || {
            while ticking.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                engine.increment_epoch();
            }
        });
        Self(running)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
