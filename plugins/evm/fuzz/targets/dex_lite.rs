//! Any bytes as events of Fluid's DEX Lite.
#![no_main]

use evm_plugin::venues::dex_lite;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[dex_lite::DEX_LITE], data));
