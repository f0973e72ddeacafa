//! The engines that run components: one for the hot path (pooled instances, a ticking epoch), one with fuel for
//! verdicts that must not depend on the machine's speed. Nothing compiled by one runs on the other.
//!
//! Calls run on threads of their own, as many as there may be calls at once: a plugin that computes without end
//! occupies one of them, and the operating system shares the cores fairly among all. No other executor is blocked.

use super::log_lines::LogLines;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tracing::Instrument;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Time between epochs: how precisely a plugin that computes for too long is stopped.
const EPOCH_INTERVAL: Duration = Duration::from_millis(10);
/// Core instances that one component instance may have.
const CORE_INSTANCES_PER_COMPONENT: u32 = 8;
/// Memories and stacks that one component instance may have.
const MEMORIES_PER_COMPONENT: u32 = 4;
/// Tables that one component instance may have.
const TABLES_PER_COMPONENT: u32 = 8;
/// Memory of one instance, whatever a chain file says.
const MAX_MEMORY_BYTES: usize = 1 << 30;
/// Stack of one instance.
const MAX_STACK_BYTES: usize = 1 << 20;
/// Elements of a table: interpreters compiled to WebAssembly need many.
pub(super) const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Runs components. Clones share it.
#[derive(Clone)]
pub struct Engine {
    pub(super) inner: wasmtime::Engine,
    pub(super) room: Arc<Semaphore>,
    /// Room for scans of spans that are not asked for yet.
    pub(crate) room_ahead: Arc<Semaphore>,
    pub(super) log_lines: LogLines,
    metered: Arc<OnceLock<wasmtime::Engine>>,
    workers: Arc<Workers>,
    _ticker: Arc<Ticker>,
}

impl Engine {
    /// An engine with room for so many calls at once.
    pub fn new(max_calls: u32) -> Result<Self, EngineError> {
        let max_calls = max_calls.clamp(1, 1_000);
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(max_calls)
            .total_core_instances(max_calls * CORE_INSTANCES_PER_COMPONENT)
            .total_memories(max_calls * MEMORIES_PER_COMPONENT)
            .total_tables(max_calls * TABLES_PER_COMPONENT)
            .total_stacks(max_calls * MEMORIES_PER_COMPONENT)
            // One component takes its own share of the pool, and no more.
            .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
            .max_memories_per_component(MEMORIES_PER_COMPONENT)
            .max_tables_per_component(TABLES_PER_COMPONENT)
            .max_memory_size(MAX_MEMORY_BYTES)
            .table_elements(MAX_TABLE_ELEMENTS)
            // Where the kernel reports which pages were written, only those are cleared, and they stay mapped for the
            // next call.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(16 << 20)
            .table_keep_resident(64 << 10);
        let mut config = shared_config();
        config.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let inner = wasmtime::Engine::new(&config).map_err(|e| EngineError(format!("{e:#}")))?;
        let workers = Builder::new_multi_thread()
            .worker_threads(max_calls as usize)
            .thread_name("plugin")
            .enable_all()
            .build()
            .map_err(|e| EngineError(e.to_string()))?;
        Ok(Self {
            _ticker: Arc::new(Ticker::start(inner.clone())),
            inner,
            room: Arc::new(Semaphore::new(max_calls as usize)),
            // The other half is for chains that are at their head.
            room_ahead: Arc::new(Semaphore::new((max_calls as usize / 2).max(1))),
            log_lines: LogLines::default(),
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

    /// Runs a call on a thread of its own; dropping the returned future drops the call.
    pub(super) async fn run<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let runtime = self.workers.0.as_ref()?;
        let mut running = AbortOnDrop(runtime.spawn(call.in_current_span()));
        (&mut running.0).await.ok()
    }
}

fn shared_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_relaxed_simd(false)
        // Admission compiles one component at a time, on one thread: chains that are followed keep the other cores.
        .parallel_compilation(false)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(MAX_STACK_BYTES);
    config
}

/// Ends a task that nobody waits for any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The threads of the calls. The engine may be dropped inside another executor, so they are not waited for.
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
pub struct EngineError(String);

/// A thread of its own, so that no busy executor can stop the clock.
struct Ticker(Arc<AtomicBool>);

impl Ticker {
    fn start(engine: wasmtime::Engine) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let ticking = Arc::clone(&running);
        std::thread::spawn(move || {
            while ticking.load(Ordering::Relaxed) {
                std::thread::sleep(EPOCH_INTERVAL);
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
