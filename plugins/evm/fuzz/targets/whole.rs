//! Fuzzes whole transactions, from logs of all venues, orders and bundles to trades.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    evm_fuzz::harness::scan(bytes, &evm_plugin::venues::VENUES);
});
