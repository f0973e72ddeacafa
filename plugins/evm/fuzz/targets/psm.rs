//! Any bytes as events of Maker's and Sky's PSM.
#![no_main]

use evm_plugin::venues::psm;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[psm::PSM_SELL, psm::PSM_BUY], data));
