//! Any bytes as events of PancakeSwap Infinity.
#![no_main]

use evm_plugin::venues::infinity;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(
    &[infinity::PANCAKE_INFINITY_CL, infinity::PANCAKE_INFINITY_BIN],
    data
));
