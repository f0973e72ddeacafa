//! Any bytes as events of Curve.
#![no_main]

use evm_plugin::venues::curve;

libfuzzer_sys::fuzz_target!(|data: &[u8]| evm_fuzz::venue(
    &[curve::CURVE_STABLE, curve::CURVE_UNDERLYING, curve::CURVE_CRYPTO, curve::CURVE_CRYPTO_NG],
    data
));
