//! Any bytes as events of Balancer.
#![no_main]

use evm_plugin::venues::balancer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[balancer::V1, balancer::V2, balancer::V3], data));
