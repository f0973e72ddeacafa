//! Any bytes as events of 0x's quotes and orders.
#![no_main]

use evm_plugin::venues::zerox;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[zerox::ZEROX_RFQ, zerox::ZEROX_OTC, zerox::ZEROX_LIMIT], data));
