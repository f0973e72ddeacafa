//! The engine that runs components: pooled instances, a ticking epoch, and a bound on how many run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Time between epochs: how finely a runaway plugin is noticed.
const TICK: Duration = Duration::from_millis(10);
/// Core instances that one component instance may take.
const CORES_PER_INSTANCE: u32 = 4;
/// Most memory of one instance, whatever a chain file says.
pub const MOST_MEMORY: usize = 1 << 30;

/// Runs components. Clones share it.
#[derive(Clone)]
pub struct Engine {
    pub(super) inner: wasmtime::Engine,
    pub(super) room: Arc<Semaphore>,
    _ticker: Arc<Ticker>,
}

impl Engine {
    /// An engine with room for so many calls at once.
    pub fn new(at_once: u32) -> Result<Self, Unfit> {
        let at_once = at_once.max(1);
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(at_once)
            .total_core_instances(at_once * CORES_PER_INSTANCE)
            .total_memories(at_once * CORES_PER_INSTANCE)
            .total_tables(at_once * CORES_PER_INSTANCE * 2)
            .total_stacks(at_once * CORES_PER_INSTANCE)
            .max_memory_size(MOST_MEMORY)
            .linear_memory_keep_resident(4 << 20)
            .table_keep_resident(64 << 10);
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .epoch_interruption(true)
            .max_wasm_stack(1 << 20)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let inner = wasmtime::Engine::new(&config).map_err(|e| Unfit(format!("{e:#}")))?;
        let ticker = Ticker::start(inner.clone());
        Ok(Self { inner, room: Arc::new(Semaphore::new(at_once as usize)), _ticker: Arc::new(ticker) })
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
