//! Inspects a file before it is compiled: whether it is a complete component, and small enough to compile.
//!
//! A compiler's time and memory grow with the largest function and with the sum of all. Both are capped here, so that a
//! file made to exhaust the compiler is refused without compiling it.

use super::verdict::{Stage, Verdict};
use wasmparser::{Parser, Payload, WasmFeatures};

/// Bytes of one function: the largest of an embedded JavaScript engine has 172 kB.
const MAX_FUNCTION_BYTES: u64 = 512 << 10;
/// Functions in all modules together.
const MAX_FUNCTIONS: u32 = 200_000;
/// Bytes of code in all modules together.
const MAX_CODE_BYTES: u64 = 24 << 20;
/// Modules and components inside of a component.
const MAX_PARTS: u32 = 64;
/// Types, imports or exports that one module or component declares.
const MAX_DECLARATIONS: u32 = 100_000;

/// Refuses what is not a complete component within the bounds.
pub(super) fn inspect(bytes: &[u8]) -> Result<(), Verdict> {
    kind(bytes)?;
    let (mut parts, mut functions, mut code) = (0_u32, 0_u32, 0_u64);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|e| broken(&e))?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => parts += 1,
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                let size = (range.end - range.start) as u64;
                (functions, code) = (functions + 1, code + size);
                bound("one function of", size, MAX_FUNCTION_BYTES)?;
            }
            Payload::TypeSection(section) => bound("so many types:", section.count().into(), MAX_DECLARATIONS.into())?,
            Payload::ImportSection(section) => {
                bound("so many imports:", section.count().into(), MAX_DECLARATIONS.into())?;
            }
            Payload::ExportSection(section) => {
                bound("so many exports:", section.count().into(), MAX_DECLARATIONS.into())?;
            }
            Payload::ComponentTypeSection(section) => {
                bound("so many component types:", section.count().into(), MAX_DECLARATIONS.into())?;
            }
            _ => {}
        }
        bound("so many parts:", parts.into(), MAX_PARTS.into())?;
        bound("so many functions:", functions.into(), MAX_FUNCTIONS.into())?;
        bound("code of", code, MAX_CODE_BYTES)?;
    }
    let mut validator = wasmparser::Validator::new_with_features(features());
    validator.validate_all(bytes).map(drop).map_err(|e| broken(&e))
}

/// The WebAssembly proposals that this host runs: the finished ones, without threads, 64-bit memories, garbage
/// collection and those that are not deterministic.
fn features() -> WasmFeatures {
    let off = WasmFeatures::THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::GC
        | WasmFeatures::EXCEPTIONS;
    WasmFeatures::default().difference(off)
}

/// Refuses what is not a component by its first bytes, and says what it is instead.
fn kind(bytes: &[u8]) -> Result<(), Verdict> {
    let (why, fix) = match bytes.get(..8) {
        Some(_) if Parser::is_component(bytes) => return Ok(()),
        Some(_) if Parser::is_core_wasm(bytes) => (
            "is a core WebAssembly module, not a component",
            "build it with `cargo component build`, or `cargo xtask plugins`",
        ),
        Some([0, b'a', b's', b'm', ..]) => {
            ("is WebAssembly of an unknown binary version, not a component", "build it with a current tool")
        }
        Some([0x7f, b'E', b'L', b'F', ..]) => (
            "is a compiled file; only .wasm components are taken, not .cwasm",
            "drop the .wasm it was compiled from: this host compiles by itself and runs no machine code of others",
        ),
        _ => ("is not a WebAssembly component", "drop the file that `cargo component build` makes"),
    };
    Err(Verdict::new(Stage::Component, why, fix))
}

fn broken(error: &wasmparser::BinaryReaderError) -> Verdict {
    let at = format!("is not a valid component: {} at byte {}", error.message(), error.offset());
    if error.message().contains("unexpected end") {
        return Verdict::new(
            Stage::Whole,
            format!("ends too early: {at}"),
            "write it under another name and rename it into place; it is looked at again when it changes",
        );
    }
    Verdict::new(Stage::Component, at, "build it again with a current tool")
}

fn bound(what: &str, count: u64, max: u64) -> Result<(), Verdict> {
    if count <= max {
        return Ok(());
    }
    let why = format!("is too much to compile: {what} {count}, at most {max}");
    Err(Verdict::new(Stage::Compile, why, "split large functions and leave out what is not called"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_recognized_by_its_first_bytes() {
        assert!(kind(b"\0asm\x0d\0\x01\0").is_ok());
        for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"\x7fELF\x02\x01\x01\0", b"text of a person"] {
            assert_eq!(kind(bytes).unwrap_err().stage, Stage::Component);
        }
    }
}
