//! Fuzzes the responses of an endpoint: the bytes are the response to every `getBlock`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = solana_fuzz::harness::trades_in(bytes.to_vec());
});
