//! Any bytes as events of Curve.
#![no_main]

use evm_plugin::venues::curve;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(
    &[curve::STABLE, curve::UNDERLYING, curve::CRYPTO, curve::CRYPTO_NG],
    data
));
