//! Any bytes as events of Euler Swap.
#![no_main]

use evm_plugin::venues::euler_swap;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(
    &[euler_swap::EULER_SWAP_V1, euler_swap::EULER_SWAP_V2],
    data
));
