//! Any bytes as events of Uniswap V2 and Solidly.
#![no_main]

use evm_plugin::venues::v2;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[v2::UNISWAP_V2, v2::SOLIDLY, v2::KYBERSWAP_CLASSIC], data));
