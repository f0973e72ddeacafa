//! Fuzzes DODO.
#![no_main]

use evm_plugin_fuzz::harness::{named, scan};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    scan(bytes, &named(&["dodo"]));
});
