//! Admission: a file becomes a plugin stage by stage, or is refused with the stage, the reason and the cure.

use super::anatomy;
use super::engine::Engine;
use super::gate::Gate;
use super::sandbox::Lent;
use super::settings::Schema;
use super::v1;
use crate::cache::Cache;
use crate::chainfile::Limits;
use semver::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tape::Detector;
use wasmtime::component::Component;

/// Largest component, bytes: one with an embedded JavaScript engine has 14 MB.
pub const LARGEST: u64 = 64 << 20;
/// How long a component may compile.
const COMPILING: Duration = Duration::from_mins(1);
/// What the contract's exported interface is called, up to its version.
const EXPORT: &str = "chaintape:plugin/chain@";
/// Interfaces that are lent.
const LENT: [&str; 4] = ["types", "upstream", "cache", "log"];
/// The newest version of the contract that this host speaks.
pub const SPOKEN: Version = Version::new(1, 1, 0);

/// A step of admission, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The file is whole and can be read.
    Whole,
    /// It is not too large.
    Size,
    /// Its digest or signature is on the list, where there is one.
    Digest,
    /// It is a component.
    Component,
    /// It asks for nothing that is not lent.
    Imports,
    /// It speaks a version of the contract that the host speaks.
    Wit,
    /// It compiles within bounds.
    Compile,
    /// It says who it is.
    Describe,
    /// It accepts the chain file's settings.
    Settings,
    /// It reads the chain's last blocks.
    Shadow,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Size => "size",
            Self::Digest => "digest",
            Self::Component => "component",
            Self::Imports => "imports",
            Self::Wit => "wit",
            Self::Compile => "compile",
            Self::Describe => "describe",
            Self::Settings => "settings",
            Self::Shadow => "shadow",
        })
    }
}

/// Where admission stopped, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} ({stage}); {fix}")]
pub struct Verdict {
    /// The step that was not passed.
    pub stage: Stage,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub fix: String,
}

impl Verdict {
    pub(crate) fn new(stage: Stage, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { stage, why: why.into(), fix: fix.into() }
    }
}

/// A plugin that may run.
#[derive(Clone)]
pub struct Admitted {
    /// Who it is.
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
    /// The most heights that it takes at once, where it says so.
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

/// Why a file is no plugin.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {verdict}", .path.display())]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// Stage, reason, cure.
    pub verdict: Verdict,
}

/// Admits every `*.wasm` of a folder; those that are refused are listed beside.
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

/// Admits one file. It is opened once; what was read is what runs.
pub async fn admit(engine: &Engine, gate: &Gate, path: &Path) -> Result<Admitted, Refusal> {
    let refused = |verdict| Refusal { path: path.to_owned(), verdict };
    let bytes = read(path).map_err(refused)?;
    let signature = super::gate::signature_beside(path);
    admit_bytes(engine, gate, path, bytes.into(), signature.as_deref()).await.map_err(refused)
}

/// Reads a file that is not too large.
fn read(path: &Path) -> Result<Vec<u8>, Verdict> {
    use std::io::Read;
    let unread = |e: std::io::Error| Verdict::new(Stage::Whole, format!("cannot be read: {e}"), "mend its permissions");
    let file = std::fs::File::open(path).map_err(unread)?;
    let size = file.metadata().map_err(unread)?.len();
    if size > LARGEST {
        let why = format!("has {size} bytes, more than {LARGEST}");
        return Err(Verdict::new(Stage::Size, why, "strip it and build it for release"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

async fn admit_bytes(
    engine: &Engine,
    gate: &Gate,
    path: &Path,
    bytes: Arc<[u8]>,
    signature: Option<&[u8]>,
) -> Result<Admitted, Verdict> {
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
    gate.pass(&digest, &bytes, signature)?;
    let (component, bytes) = compile(engine, bytes).await?;
    let wit = shape(&engine.inner, &component, &SPOKEN)?;
    let ready = v1::link(&engine.inner, &component).map_err(|e| {
        let why = format!("does not fit the contract: {e:#}");
        Verdict::new(Stage::Wit, why, "build it against wit/chain-plugin as it stands in this host's repository")
    })?;
    let nothing =
        Lent { chain: "admission".into(), upstream: None, cache: Cache::default(), limits: Limits::default() };
    let (said, widest_span) = v1::describe(engine, &ready, nothing).await.map_err(|e| {
        let why = format!("cannot describe itself: {e}");
        Verdict::new(Stage::Describe, why, "`describe` must answer without asking anything")
    })?;
    if said.id.is_empty() || !said.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        let why = format!("describes itself as `{}`", said.id);
        return Err(Verdict::new(Stage::Describe, why, "an id is lower-case letters, digits and hyphens"));
    }
    let version = Version::parse(&said.version).map_err(|e| {
        let why = format!("describes itself as version `{}`: {e}", said.version);
        Verdict::new(Stage::Describe, why, "a version is like 1.4.0")
    })?;
    let schema = Schema::parse(&said.settings_schema)?;
    let detector = Arc::new(Detector { plugin: said.id, version: said.version, digest });
    Ok(Admitted {
        detector,
        version,
        wit,
        path: path.to_owned(),
        size: bytes.len(),
        synthetic: said.synthetic,
        widest_span,
        schema: Arc::new(schema),
        ready,
        bytes,
        metered: Arc::default(),
    })
}

/// Reads, then compiles, in the background; one at a time, so that admission never takes all cores and all memory.
async fn compile(engine: &Engine, bytes: Arc<[u8]>) -> Result<(Component, Arc<[u8]>), Verdict> {
    static ONE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);
    let turn = ONE.acquire().await;
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
    match tokio::time::timeout(COMPILING, compiling).await {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(e)) => Err(Verdict::new(Stage::Compile, format!("breaks the compiler: {e}"), "report it")),
        Err(_) => {
            let why = format!("compiles for more than {} s", COMPILING.as_secs());
            Err(Verdict::new(Stage::Compile, why, "split large functions and leave out what is not called"))
        }
    }
}

/// Checks what a component exports and asks for, by name; answers which version of the contract it speaks.
fn shape(engine: &wasmtime::Engine, component: &Component, spoken: &Version) -> Result<Version, Verdict> {
    let kind = component.component_type();
    for (import, _) in kind.imports(engine) {
        let lent = LENT.iter().any(|name| import.starts_with(&format!("chaintape:plugin/{name}@1.")));
        // WASI is an empty world: see `empty`.
        if !lent && !import.starts_with("wasi:") {
            let why = format!("imports {import}, which is not lent to plugins");
            return Err(Verdict::new(Stage::Imports, why, "leave out the crate that asks for it, or its feature"));
        }
    }
    let exports: Vec<String> = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let Some(version) = exports.iter().find_map(|name| name.strip_prefix(EXPORT)) else {
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        let why = format!("exports no {EXPORT}1.x but {exports}");
        return Err(Verdict::new(Stage::Wit, why, "implement the world `plugin` of wit/chain-plugin"));
    };
    fits(version, spoken)
}

/// Whether a plugin of one version of the contract runs on a host that speaks another.
fn fits(version: &str, spoken: &Version) -> Result<Version, Verdict> {
    let unfit = |fix: String| {
        let why = format!("speaks version {version} of the contract; this host speaks 1.0.0 to {spoken}");
        Verdict::new(Stage::Wit, why, fix)
    };
    let parsed = Version::parse(version).map_err(|_| unfit("a version is like 1.0.0".to_owned()))?;
    if parsed.major != spoken.major {
        return Err(unfit(format!("build it against version {spoken} of wit/chain-plugin")));
    }
    if parsed > *spoken {
        return Err(unfit(format!("upgrade this host, or build it against version {spoken}")));
    }
    Ok(parsed)
}

impl Admitted {
    /// The same component under fuel, compiled when it is first wanted.
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
        assert_eq!(fits("1.0.0", &host), Ok(Version::new(1, 0, 0)));
        assert_eq!(fits("1.1.0", &host), Ok(Version::new(1, 1, 0)));
        let later = fits("1.1.0", &Version::new(1, 0, 0)).unwrap_err();
        assert!(later.fix.contains("upgrade this host"), "{later}");
        for other in ["2.0.0", "0.9.0", "one"] {
            let verdict = fits(other, &host).unwrap_err();
            assert_eq!(verdict.stage, Stage::Wit);
            assert!(verdict.why.contains("this host speaks 1.0.0 to 1.1.0"), "{verdict}");
        }
    }
}
