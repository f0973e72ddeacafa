//! Any bytes as events of Maverick.
#![no_main]

use evm_plugin::venues::maverick;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[maverick::MAVERICK_V1, maverick::MAVERICK_V2], data));
