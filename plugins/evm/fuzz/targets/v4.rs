//! Fuzzes Uniswap V4: managers, keys and their pools.
#![no_main]

use evm_plugin_fuzz::harness::{named, scan};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    scan(bytes, &named(&["uniswap-v4"]));
});
