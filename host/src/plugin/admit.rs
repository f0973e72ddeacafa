//! Admission: checks a file stage by stage until it is a plugin that can run, or refuses it with the stage, the reason
//! and the cure.

use super::anatomy;
use super::engine::Engine;
use super::gate::Gate;
use super::sandbox::CallResources;
use super::settings::Schema;
use super::v1;
use super::verdict::{Stage, Verdict};
use crate::cache::Cache;
use crate::chainfile::Limits;
use crate::digest::digest_of;
use semver::Version;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tape::Detector;
use wasmtime::component::Component;

/// Bytes of a component: one with an embedded JavaScript engine has 14 MB.
pub(crate) const MAX_COMPONENT_BYTES: u64 = 64 << 20;
/// How long a component may compile.
const COMPILE_TIMEOUT: Duration = Duration::from_mins(1);
/// Bytes of a plugin's description: its schema is the largest part of it.
const MAX_DESCRIPTION_BYTES: usize = 1 << 20;
/// Bytes of a plugin's id, and of its version.
const MAX_IDENTITY_BYTES: usize = 64;
/// What the contract's exported interface is called, up to its version.
const EXPORT: &str = "chaintape:plugin/chain@";
/// The interfaces of the contract that the host offers to plugins.
const OFFERED_INTERFACES: [&str; 4] = ["types", "upstream", "cache", "log"];
/// The newest version of the contract that this host supports.
pub const CONTRACT_VERSION: Version = Version::new(1, 1, 0);

/// A plugin that may run.
#[derive(Clone)]
pub struct Admitted {
    /// Its id, version and digest.
    pub detector: Arc<Detector>,
    /// Its version, to be compared.
    pub version: Version,
    /// The version of the contract it was built for.
    pub wit: Version,
    /// The file it was read from.
    pub path: PathBuf,
    /// How many bytes it has.
    pub size: usize,
    /// Whether its blocks may depend on the time.
    pub synthetic: bool,
    /// The most heights that it accepts at once, where it says so.
    pub widest_span: Option<u64>,
    /// What its settings must look like.
    pub schema: Arc<Schema>,
    pub(super) ready: v1::Ready,
    pub(super) bytes: Arc<[u8]>,
    pub(super) metered: Arc<OnceLock<v1::Ready>>,
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.detector.plugin, self.version, self.detector.digest)
    }
}

/// A file that is not admitted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {verdict}", .path.display())]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// Stage, reason, cure.
    pub verdict: Verdict,
}

/// Admits every `*.wasm` of a folder; returns the admitted plugins and the refusals.
pub async fn admit_folder(
    engine: &Engine,
    gate: &Gate,
    folder: &Path,
) -> std::io::Result<(Vec<Admitted>, Vec<Refusal>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    paths.sort();
    let (mut admitted, mut refused) = (vec![], vec![]);
    for path in paths {
        match admit(engine, gate, &path).await {
            Ok(plugin) => admitted.push(plugin),
            Err(refusal) => refused.push(refusal),
        }
    }
    Ok((admitted, refused))
}

/// The plugin of that id with the highest version.
pub fn newest_version<'a>(plugins: impl IntoIterator<Item = &'a Admitted>, id: &str) -> Option<&'a Admitted> {
    plugins.into_iter().filter(|plugin| plugin.detector.plugin == id).max_by_key(|plugin| &plugin.version)
}

/// Admits one file. It is opened once, and what was read then is what runs.
pub async fn admit(engine: &Engine, gate: &Gate, path: &Path) -> Result<Admitted, Refusal> {
    let bytes = read_component(path).map_err(|verdict| Refusal { path: path.to_owned(), verdict })?;
    let signature = super::gate::signature_beside(path);
    admit_component(engine, gate, path, bytes.into(), signature.as_deref()).await
}

/// Reads a file that is not too large.
fn read_component(path: &Path) -> Result<Vec<u8>, Verdict> {
    use std::io::Read;
    let unread = |error: std::io::Error| {
        let fix = match error.kind() {
            std::io::ErrorKind::NotFound => "name a file that is there",
            _ => "mend its permissions",
        };
        Verdict::new(Stage::Whole, format!("cannot be read: {error}"), fix)
    };
    let file = std::fs::File::open(path).map_err(unread)?;
    let size = file.metadata().map_err(unread)?.len();
    if size > MAX_COMPONENT_BYTES {
        let why = format!("has {size} bytes, more than {MAX_COMPONENT_BYTES}");
        return Err(Verdict::new(Stage::Size, why, "strip it and build it for release"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

/// Admits the bytes of a component, from whatever place; the path names it to people.
pub(crate) async fn admit_component(
    engine: &Engine,
    gate: &Gate,
    path: &Path,
    bytes: Arc<[u8]>,
    signature: Option<&[u8]>,
) -> Result<Admitted, Refusal> {
    let admitted = admit_bytes(engine, gate, path, bytes, signature).await;
    admitted.map_err(|verdict| Refusal { path: path.to_owned(), verdict })
}

async fn admit_bytes(
    engine: &Engine,
    gate: &Gate,
    path: &Path,
    bytes: Arc<[u8]>,
    signature: Option<&[u8]>,
) -> Result<Admitted, Verdict> {
    let digest = digest_of(&bytes);
    let allowed = gate.check(&digest, &bytes, signature)?;
    let (component, bytes) = compile(engine, bytes).await?;
    let wit = contract_version(&engine.inner, &component, &CONTRACT_VERSION)?;
    let ready = v1::link(&engine.inner, &component).map_err(|e| {
        let why = format!("does not fit the contract: {e:#}");
        Verdict::new(Stage::Wit, why, "build it against wit/chain-plugin as it stands in this host's repository")
    })?;
    let (description, widest_span) = describe(engine, &ready).await?;
    let version = check_identity(&description)?;
    if !allowed.contain(&description.id) {
        let why = format!("describes itself as `{}`, but its key may sign only {allowed}", description.id);
        let fix = "let the key of that plugin sign it, or bind the key to it in PLUGINS_ALLOW: ed25519:HEX=ID,ID";
        return Err(Verdict::new(Stage::Digest, why, fix));
    }
    let schema = Schema::parse(&description.settings_schema)?;
    let detector = Arc::new(Detector { plugin: description.id, version: description.version, digest });
    Ok(Admitted {
        detector,
        version,
        wit,
        path: path.to_owned(),
        size: bytes.len(),
        synthetic: description.synthetic,
        widest_span,
        schema: Arc::new(schema),
        ready,
        bytes,
        metered: Arc::default(),
    })
}

/// Asks a component to describe itself, without upstream and with an empty cache.
async fn describe(engine: &Engine, ready: &v1::Ready) -> Result<(v1::Description, Option<u64>), Verdict> {
    // A description is small: its texts have bounds of their own, and it asks for nothing.
    let limits =
        Limits { output_bytes: MAX_DESCRIPTION_BYTES, call_bytes: 4 * MAX_DESCRIPTION_BYTES, ..Limits::default() };
    let nothing = CallResources { chain: "admission".into(), upstream: None, cache: Cache::default(), limits };
    v1::describe(engine, ready, nothing).await.map_err(|e| {
        let why = format!("cannot describe itself: {e}");
        Verdict::new(Stage::Describe, why, "`describe` must answer without asking anything")
    })
}

/// Checks the id and the version of a description; returns the version, parsed.
fn check_identity(description: &v1::Description) -> Result<Version, Verdict> {
    let longest = description.id.len().max(description.version.len());
    if longest > MAX_IDENTITY_BYTES {
        let why = format!("describes itself with an id or a version of {longest} bytes, at most {MAX_IDENTITY_BYTES}");
        return Err(Verdict::new(Stage::Describe, why, "an id is like `evm`, a version like 1.4.0"));
    }
    if !is_plugin_id(&description.id) {
        let why = format!("describes itself as `{}`", description.id);
        return Err(Verdict::new(Stage::Describe, why, "an id is lower-case letters, digits and hyphens"));
    }
    Version::parse(&description.version).map_err(|e| {
        let why = format!("describes itself as version `{}`: {e}", description.version);
        Verdict::new(Stage::Describe, why, "a version is like 1.4.0")
    })
}

/// Whether a text can be a plugin's id.
pub(super) fn is_plugin_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Inspects, then compiles, in the background; one component at a time, so that admission never takes all cores and all
/// memory.
async fn compile(engine: &Engine, bytes: Arc<[u8]>) -> Result<(Component, Arc<[u8]>), Verdict> {
    static TURN: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);
    let turn = TURN.acquire().await;
    let inner = engine.inner.clone();
    let compiling = tokio::task::spawn_blocking(move || {
        // Held until the compiler is done, also when nobody waits for it any more.
        let _turn = turn;
        anatomy::inspect(&bytes)?;
        let component = Component::from_binary(&inner, &bytes).map_err(|e| {
            Verdict::new(Stage::Compile, format!("does not compile: {e:#}"), "build it again with a current tool")
        })?;
        Ok((component, bytes))
    });
    match tokio::time::timeout(COMPILE_TIMEOUT, compiling).await {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(e)) => Err(Verdict::new(Stage::Compile, format!("breaks the compiler: {e}"), "report it")),
        Err(_) => {
            let why = format!("compiles for more than {} s", COMPILE_TIMEOUT.as_secs());
            Err(Verdict::new(Stage::Compile, why, "split large functions and leave out what is not called"))
        }
    }
}

/// Checks what a component imports and exports, by name; returns the version of the contract that it implements.
fn contract_version(engine: &wasmtime::Engine, component: &Component, supported: &Version) -> Result<Version, Verdict> {
    let kind = component.component_type();
    for (import, _) in kind.imports(engine) {
        let offered = OFFERED_INTERFACES.iter().any(|name| import.starts_with(&format!("chaintape:plugin/{name}@1.")));
        // WASI can be imported, but has no effect: see `empty_wasi`.
        if !offered && !import.starts_with("wasi:") {
            let why = format!("imports {import}, which this host does not offer");
            return Err(Verdict::new(Stage::Imports, why, "leave out the crate that asks for it, or its feature"));
        }
    }
    let exports: Vec<String> = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let Some(version) = exports.iter().find_map(|name| name.strip_prefix(EXPORT)) else {
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        let why = format!("exports no {EXPORT}1.x but {exports}");
        return Err(Verdict::new(Stage::Wit, why, "implement the world `plugin` of wit/chain-plugin"));
    };
    check_version(version, supported)
}

/// Whether a plugin of one version of the contract runs on a host that supports up to another.
fn check_version(version: &str, supported: &Version) -> Result<Version, Verdict> {
    let unfit = |fix: String| {
        let why = format!("speaks version {version} of the contract; this host speaks 1.0.0 to {supported}");
        Verdict::new(Stage::Wit, why, fix)
    };
    let parsed = Version::parse(version).map_err(|_| unfit("a version is like 1.0.0".to_owned()))?;
    if parsed.major != supported.major {
        return Err(unfit(format!("build it against version {supported} of wit/chain-plugin")));
    }
    if parsed > *supported {
        return Err(unfit(format!("upgrade this host, or build it against version {supported}")));
    }
    Ok(parsed)
}

impl Admitted {
    /// The same component on the engine that counts fuel, compiled at its first use.
    pub(super) fn metered(&self, engine: &Engine) -> wasmtime::Result<&v1::Ready> {
        if let Some(ready) = self.metered.get() {
            return Ok(ready);
        }
        let engine = engine.metered()?;
        let ready = v1::link(engine, &Component::from_binary(engine, &self.bytes)?)?;
        Ok(self.metered.get_or_init(|| ready))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_fits_a_host_that_speaks_its_version_or_a_later_one() {
        let host = Version::new(1, 1, 0);
        assert_eq!(check_version("1.0.0", &host), Ok(Version::new(1, 0, 0)));
        assert_eq!(check_version("1.1.0", &host), Ok(Version::new(1, 1, 0)));
        let later = check_version("1.1.0", &Version::new(1, 0, 0)).unwrap_err();
        assert!(later.fix.contains("upgrade this host"), "{later}");
        for other in ["2.0.0", "0.9.0", "one"] {
            let verdict = check_version(other, &host).unwrap_err();
            assert_eq!(verdict.stage, Stage::Wit);
            assert!(verdict.why.contains("this host speaks 1.0.0 to 1.1.0"), "{verdict}");
        }
    }
}
