//! Any bytes as events of Carbon.
#![no_main]

use evm_plugin::venues::carbon;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[carbon::CARBON], data));
