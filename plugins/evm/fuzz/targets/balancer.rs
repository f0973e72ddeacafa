//! Any bytes as events of Balancer.
#![no_main]

use evm_plugin::venues::balancer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[balancer::BALANCER_V1, balancer::BALANCER_V2, balancer::BALANCER_V3], data));
