//! Any bytes as events of Clober V2.
#![no_main]

use evm_plugin::venues::clober;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[clober::CLOBER_V2], data));
