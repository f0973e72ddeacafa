//! Any bytes as events of Hashflow.
#![no_main]

use evm_plugin::venues::hashflow;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[hashflow::V1, hashflow::V2], data));
