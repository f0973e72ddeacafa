//! Any bytes as events of Bancor.
#![no_main]

use evm_plugin::venues::bancor;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[bancor::BANCOR_V2, bancor::BANCOR_V3], data));
