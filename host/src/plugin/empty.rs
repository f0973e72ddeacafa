//! The empty world for components that import WASI: no directories, environment, arguments or network; a clock that
//! stands still and randomness that repeats, so that scans stay deterministic. What they print goes nowhere.

use super::sandbox::Limited;
use std::time::Duration;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// What repeats: any bytes do, as long as they are always the same.
const NOISE: [u8; 32] = *b"every trade on every chain, once";
/// Most random bytes asked for at once.
const MOST_NOISE: u64 = 64 << 10;

/// One call's empty world.
pub(super) struct Empty {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl Empty {
    /// A world at one moment.
    pub(super) fn at(now_ms: u64) -> Self {
        let mut builder = WasiCtxBuilder::new();
        builder
            .wall_clock(Stopped(Duration::from_millis(now_ms)))
            .monotonic_clock(Stopped(Duration::ZERO))
            .secure_random(Deterministic::new(NOISE.to_vec()))
            .insecure_random(Deterministic::new(NOISE.to_vec()))
            .insecure_random_seed(u128::from_le_bytes(*b"chaintape plugin"))
            .max_random_size(MOST_NOISE)
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

/// Lends the empty world.
pub(super) fn add_to_linker(linker: &mut Linker<Limited>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

impl WasiView for Limited {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let empty = self.empty();
        WasiCtxView { ctx: &mut empty.ctx, table: &mut empty.table }
    }
}
