//! Any bytes as events of Saddle and its forks.
#![no_main]

use evm_plugin::venues::saddle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[saddle::SADDLE], data));
