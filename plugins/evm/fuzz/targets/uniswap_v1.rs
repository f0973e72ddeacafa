//! Any bytes as events of Uniswap V1.
#![no_main]

use evm_plugin::venues::uniswap_v1;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[uniswap_v1::UNISWAP_V1_BUY, uniswap_v1::UNISWAP_V1_SELL], data));
