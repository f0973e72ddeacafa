//! Any bytes as events of Fluid.
#![no_main]

use evm_plugin::venues::fluid;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[fluid::FLUID], data));
