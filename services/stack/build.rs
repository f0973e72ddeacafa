//! With the feature `demo`: finds the plugins that the demo brings along, where `cargo xtask plugins` has put them.

use std::path::{Path, PathBuf};

/// Names the folder of plugins.
const FOLDER_VARIABLE: &str = "CHAINTAPE_PLUGINS";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_DEMO").is_none() {
        return;
    }
    println!("cargo::rerun-if-env-changed={FOLDER_VARIABLE}");
    let named = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"));
    println!("cargo::rerun-if-changed={}", folder.display());
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    for id in ["mock", "evm", "solana"] {
        let copied = newest(&folder, id).and_then(|file| {
            println!("cargo::rerun-if-changed={}", file.display());
            std::fs::copy(file, out.join(format!("{id}.wasm"))).ok()
        });
        if copied.is_none() {
            let found = format!("the feature `demo` needs {id}-VERSION.wasm in {}", folder.display());
            println!("cargo::error={found}; build it with `cargo xtask plugins --plugin {id}`");
        }
    }
}

/// The file `ID-VERSION.wasm` that was written last.
fn newest(folder: &Path, id: &str) -> Option<PathBuf> {
    let is_version = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let version = name.strip_prefix(id).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".wasm"));
        version.is_some_and(|version| version.starts_with(|it: char| it.is_ascii_digit()))
    };
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_version);
    files.max_by_key(|path| path.metadata().and_then(|it| it.modified()).ok())
}
