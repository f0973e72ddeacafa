//! Fuzzes decoders: transactions from the bytes of the wire, and base58, which must survive encoding and decoding.
#![no_main]

use solana_plugin::{base58, message};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = message::decode(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = base58::decode(text);
    }
    let head = &bytes[..bytes.len().min(2_000)];
    assert_eq!(base58::decode(&base58::encode(head)).as_deref(), Some(head));
});
