//! Any bytes as events of WOOFi.
#![no_main]

use evm_plugin::venues::woofi;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[woofi::WOOFI], data));
