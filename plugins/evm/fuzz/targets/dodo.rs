//! Any bytes as events of DODO.
#![no_main]

use evm_plugin::venues::dodo;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[dodo::DODO_V2], data));
