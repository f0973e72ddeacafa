//! Any bytes as events of Uniswap V4.
#![no_main]

use evm_plugin::venues::v4;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[v4::UNISWAP_V4], data));
