//! Fuzzes whatever an endpoint may answer: these bytes are the answer to every `getBlock`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = solana_fuzz::harness::trades_in(bytes.to_vec());
});
