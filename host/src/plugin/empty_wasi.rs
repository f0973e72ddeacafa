//! WASI without effect, for components that import it: no directories, environment, arguments or network; a clock that
//! stands still and random bytes that repeat, so that scans stay deterministic. What such a component prints is
//! dropped.

use super::sandbox::CallState;
use std::time::Duration;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// What every call gets as random bytes: any do, as long as they are always the same.
const RANDOM_BYTES: [u8; 32] = *b"every trade on every chain, once";
/// Random bytes that can be asked for at once.
const MAX_RANDOM_BYTES: u64 = 64 << 10;

/// The WASI of one call.
pub(super) struct EmptyWasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl EmptyWasi {
    /// WASI whose wall clock always shows this time.
    pub(super) fn at(now_ms: u64) -> Self {
        let mut builder = WasiCtxBuilder::new();
        builder
            .wall_clock(Stopped(Duration::from_millis(now_ms)))
            .monotonic_clock(Stopped(Duration::ZERO))
            .secure_random(Deterministic::new(RANDOM_BYTES.to_vec()))
            .insecure_random(Deterministic::new(RANDOM_BYTES.to_vec()))
            .insecure_random_seed(u128::from_le_bytes(*b"chaintape plugin"))
            .max_random_size(MAX_RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        Self { ctx: builder.build(), table: ResourceTable::new() }
    }
}

/// A clock that stands still.
struct Stopped(Duration);

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

/// Links the empty WASI.
pub(super) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}
