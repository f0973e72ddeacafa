//! What a file is made of, read before anything is compiled: kind, wholeness, and sizes that bound what compiling costs.
//!
//! A compiler's time and memory grow with the largest function and with the sum of all. Both are capped here, so that a
//! file made to exhaust the compiler is refused by reading it.

use super::admit::{Stage, Verdict};
use wasmparser::{Parser, Payload, WasmFeatures};

/// Largest body of one function, bytes: the largest of an embedded JavaScript engine has 172 kB.
const BODY: u64 = 512 << 10;
/// Most functions in all modules together.
const FUNCTIONS: u32 = 200_000;
/// Most bytes of code in all modules together.
const CODE: u64 = 24 << 20;
/// Most modules and components inside of a component.
const PARTS: u32 = 64;
/// Most types, imports and exports that one module or component declares.
const DECLARED: u32 = 100_000;

/// Refuses what is no whole, bounded component.
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
                bound("one function of", size, BODY)?;
            }
            Payload::TypeSection(section) => bound("so many types:", section.count().into(), DECLARED.into())?,
            Payload::ImportSection(section) => bound("so many imports:", section.count().into(), DECLARED.into())?,
            Payload::ExportSection(section) => bound("so many exports:", section.count().into(), DECLARED.into())?,
            Payload::ComponentTypeSection(section) => {
                bound("so many component types:", section.count().into(), DECLARED.into())?;
            }
            _ => {}
        }
        bound("so many parts:", parts.into(), PARTS.into())?;
        bound("so many functions:", functions.into(), FUNCTIONS.into())?;
        bound("code of", code, CODE)?;
    }
    let mut validator = wasmparser::Validator::new_with_features(features());
    validator.validate_all(bytes).map(drop).map_err(|e| broken(&e))
}

/// What this host runs: finished proposals, without threads, 64-bit memories, garbage collection and what is not
/// deterministic.
fn features() -> WasmFeatures {
    let off = WasmFeatures::THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::GC
        | WasmFeatures::EXCEPTIONS;
    WasmFeatures::default().difference(off)
}

/// Tells a component from everything else that may lie in the folder.
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

fn bound(what: &str, count: u64, most: u64) -> Result<(), Verdict> {
    if count <= most {
        return Ok(());
    }
    let why = format!("is too much to compile: {what} {count}, at most {most}");
    Err(Verdict::new(Stage::Compile, why, "split large functions and leave out what is not called"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_by_the_first_bytes() {
        assert!(kind(b"\0asm\x0d\0\x01\0").is_ok());
        for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"\x7fELF\x02\x01\x01\0", b"text of a person"] {
            assert_eq!(kind(bytes).unwrap_err().stage, Stage::Component);
        }
    }
}
