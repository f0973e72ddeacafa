//! Any bytes as events of Liquidity Book.
#![no_main]

use evm_plugin::venues::book;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(&[book::LIQUIDITY_BOOK], data));
