//! Admission: a file becomes a plugin, or is refused with one sentence that names what is wrong.

use super::engine::Engine;
use super::sandbox::Lent;
use super::v1;
use crate::cache::Cache;
use crate::chainfile::Limits;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tape::Detector;
use wasmtime::component::Component;

/// Largest component, bytes.
const LARGEST: u64 = 64 << 20;
/// What the contract's exported interface is called, up to its version.
const EXPORT: &str = "chaintape:plugin/chain@";
/// Interfaces that are lent.
const LENT: [&str; 4] = ["types", "upstream", "cache", "log"];

/// A plugin that may run.
#[derive(Clone)]
pub struct Admitted {
    /// Who it is.
    pub detector: Arc<Detector>,
    /// Whether its blocks may depend on the time.
    pub synthetic: bool,
    /// JSON Schema of its settings.
    pub settings_schema: String,
    pub(super) ready: v1::Ready,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", .path.display())]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// One sentence.
    pub why: String,
}

/// Admits every `*.wasm` of a folder; those that are refused are listed beside.
pub async fn admit_folder(engine: &Engine, folder: &Path) -> std::io::Result<(Vec<Admitted>, Vec<Refusal>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    paths.sort();
    let (mut admitted, mut refused) = (vec![], vec![]);
    for path in paths {
        match admit(engine, &path).await {
            Ok(plugin) => admitted.push(plugin),
            Err(refusal) => refused.push(refusal),
        }
    }
    Ok((admitted, refused))
}

/// Admits one file.
pub async fn admit(engine: &Engine, path: &Path) -> Result<Admitted, Refusal> {
    try_admit(engine, path).await.map_err(|why| Refusal { path: path.to_owned(), why })
}

async fn try_admit(engine: &Engine, path: &Path) -> Result<Admitted, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > LARGEST {
        return Err(format!("has {size} bytes, more than {LARGEST}"));
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    check_kind(&bytes)?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
    let compiling = engine.inner.clone();
    let compiled = tokio::task::spawn_blocking(move || Component::from_binary(&compiling, &bytes)).await;
    let component = compiled.map_err(|e| e.to_string())?.map_err(|e| format!("is not a valid component: {e:#}"))?;
    check_shape(engine, &component)?;
    let ready = v1::link(engine, &component).map_err(|e| format!("does not fit the contract: {e:#}"))?;
    let nothing =
        Lent { chain: "admission".into(), upstream: None, cache: Cache::default(), limits: Limits::default() };
    let said = v1::describe(engine, &ready, nothing).await.map_err(|e| format!("cannot describe itself: {e}"))?;
    if said.id.is_empty() || said.version.is_empty() {
        return Err("describes itself without id or version".to_owned());
    }
    let detector = Arc::new(Detector { plugin: said.id, version: said.version, digest });
    Ok(Admitted { detector, synthetic: said.synthetic, settings_schema: said.settings_schema, ready })
}

/// Tells a component from everything else that may lie in the folder.
fn check_kind(bytes: &[u8]) -> Result<(), String> {
    let why = match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => return Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => {
            "is a core WebAssembly module, not a component; build it with cargo component"
        }
        Some([0, b'a', b's', b'm', ..]) => "is WebAssembly of an unknown binary version, not a component",
        Some([0x7f, b'E', b'L', b'F', ..]) => "is a compiled file; only .wasm components are taken, not .cwasm",
        _ => "is not a WebAssembly component",
    };
    Err(why.to_owned())
}

/// Checks what it exports and asks for, by name.
fn check_shape(engine: &Engine, component: &Component) -> Result<(), String> {
    let kind = component.component_type();
    let exports: Vec<String> = kind.exports(&engine.inner).map(|(name, _)| name.to_owned()).collect();
    let Some(version) = exports.iter().find_map(|name| name.strip_prefix(EXPORT)) else {
        return Err(format!("exports no {EXPORT}1.x but {}", listed(&exports)));
    };
    if !version.starts_with("1.") {
        return Err(format!("speaks version {version} of the contract; this host speaks 1.x"));
    }
    for (import, _) in kind.imports(&engine.inner) {
        let lent = LENT.iter().any(|name| import.starts_with(&format!("chaintape:plugin/{name}@1.")));
        if !lent {
            return Err(format!("imports {import}, which is not lent to plugins"));
        }
    }
    Ok(())
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
