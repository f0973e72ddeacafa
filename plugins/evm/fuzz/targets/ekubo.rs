//! Any bytes as events of Ekubo.
#![no_main]

use evm_plugin::venues::ekubo;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[ekubo::EKUBO], data));
