//! Any bytes as events of Hashflow.
#![no_main]

use evm_plugin::venues::hashflow;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[hashflow::HASHFLOW_V1, hashflow::HASHFLOW_V2], data));
