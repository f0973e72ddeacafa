//! Fuzzes the whole way from instructions to trades.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    solana_fuzz::harness::scan(bytes);
});
