//! What stands for WASI in a host that was built without the feature `wasi`: components that import it are refused.

use super::sandbox::CallState;
use wasmtime::component::Linker;

/// Refuses, and says what to build.
pub(super) fn add_to_linker(_linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    Err(wasmtime::Error::msg(
        "it imports WASI, and this program was built without it: build it with the feature `wasi`",
    ))
}
