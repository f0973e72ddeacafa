//! Any bytes as events of Uniswap V3, Pancake V3 and Algebra.
#![no_main]

use evm_plugin::venues::v3;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[v3::UNISWAP_V3, v3::PANCAKE_V3, v3::ALGEBRA_INTEGRAL], data));
