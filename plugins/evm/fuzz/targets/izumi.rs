//! Any bytes as events of iZiSwap.
#![no_main]

use evm_plugin::venues::izumi;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[izumi::IZISWAP], data));
