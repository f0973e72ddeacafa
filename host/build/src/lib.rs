//! From the crate of a plugin to its component: one way for `chaintape plugin build`, `chaintape plugin dev` and `cargo xtask plugins`,
//! so that one source has one digest.
//!
//! One crate at a time, since features that another crate asks for would change the result; and without the folders of
//! this machine in it, since they would too.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wit_component::ComponentEncoder;

/// What plugins are compiled to.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// What follows the name of a plugin in that of its crate.
pub const CRATE_SUFFIX: &str = "-plugin";

/// The crate of a plugin, as cargo describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginCrate {
    /// The plugin's name: that of the crate without `-plugin`.
    pub name: String,
    /// The crate's version.
    pub version: String,
    folder: PathBuf,
    toolchain: Option<String>,
    target: Option<PathBuf>,
    /// Folders of this machine that would stand in the texts of panics, and what stands there instead.
    remapped: BTreeMap<PathBuf, String>,
}

/// A component that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltComponent {
    /// The component.
    pub bytes: Vec<u8>,
    /// The files that the compiler read, those of path dependencies too.
    pub sources: Vec<PathBuf>,
}

impl PluginCrate {
    /// Asks cargo what crate lies in a folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        Self::read_with(folder, None, None)
    }

    /// Asks cargo what crate lies in a folder, which is compiled by this toolchain of rustup's into this target folder.
    pub fn read_with(folder: &Path, toolchain: Option<&str>, target: Option<&Path>) -> anyhow::Result<Self> {
        let manifest = folder.join("Cargo.toml");
        ensure!(
            manifest.is_file(),
            "build {}: there is no Cargo.toml; make a crate with `plugin new NAME`",
            folder.display()
        );
        let folder = folder.canonicalize().with_context(|| format!("find {}", folder.display()))?;
        let mut metadata = cargo(&folder, toolchain);
        metadata.args(["metadata", "--format-version", "1", "--filter-platform", TARGET]);
        let described = metadata.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let described = described.context("run cargo: is Rust installed?")?;
        ensure!(
            described.status.success(),
            "read {}: cargo says why above; where it finds no chain-plugin-sdk, make the crate with `plugin new --sdk \
             CHECKOUT/plugins/sdk`",
            manifest.display()
        );
        let described: Value =
            serde_json::from_slice(&described.stdout).context("read what `cargo metadata` printed")?;
        let packages: Vec<Package> =
            described["packages"].as_array().into_iter().flatten().filter_map(Package::read).collect();
        let own = packages.iter().find(|package| package.folder == folder);
        let own = own.with_context(|| {
            format!("find a package in {}: it is a workspace; name a crate's folder", manifest.display())
        })?;
        let root = described["workspace_root"].as_str().and_then(|root| Path::new(root).canonicalize().ok());
        let root = root.unwrap_or_else(|| folder.clone());
        let target_folder =
            target.map(Path::to_owned).or_else(|| described["target_directory"].as_str().map(PathBuf::from));
        let mut remapped = remapped_folders(&packages, &root);
        remapped.extend(target_folder.map(|folder| (folder, "/target".to_owned())));
        Ok(Self {
            name: own.name.strip_suffix(CRATE_SUFFIX).unwrap_or(&own.name).to_owned(),
            version: own.version.clone(),
            folder,
            toolchain: toolchain.map(str::to_owned),
            target: target.map(Path::to_owned),
            remapped,
        })
    }

    /// What the component is called: `NAME-VERSION.wasm`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.wasm", self.name, self.version)
    }

    /// Cargo with a verb such as `build`, and with all that decides about the bytes of the result.
    pub fn cargo(&self, verb: &[&str]) -> Command {
        let mut cargo = cargo(&self.folder, self.toolchain.as_deref());
        cargo.args(verb).args(["--profile", "plugin", "--target", TARGET]);
        if let Some(target) = &self.target {
            cargo.arg("--target-dir").arg(target);
        }
        for (from, to) in &self.remapped {
            let flag = format!("--remap-path-prefix={}={to}", from.display());
            // Added to the flags of the target, whatever configuration those come from.
            cargo.args(["--config", &format!("target.{TARGET}.rustflags=[{flag:?}]")]);
        }
        // What was set for the compiler of another program is not meant for this one.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo
    }

    /// Compiles the crate and makes a component of it; with `names`, its functions keep their names, so that a trap says where
    /// it came from.
    pub fn build(&self, names: bool) -> anyhow::Result<BuiltComponent> {
        let mut cargo = self.cargo(&["build", "--message-format", "json-render-diagnostics"]);
        if names {
            cargo.args(["--config", "profile.plugin.strip=false"]);
        }
        let built =
            cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("run cargo: is Rust installed?")?;
        if !built.status.success() {
            bail!("compile the plugin: cargo says why above; if it lacks {TARGET}: rustup target add {TARGET}");
        }
        let module = module_among(&String::from_utf8_lossy(&built.stdout))?;
        let bytes = std::fs::read(&module).with_context(|| format!("read {}", module.display()))?;
        let component = ComponentEncoder::default()
            .validate(true)
            .module(&bytes)
            .and_then(|mut encoder| encoder.encode())
            .map_err(|why| anyhow::anyhow!("{why:#}"))
            .context("make a component of it; is `chain_plugin_sdk::plugin!(…)` in lib.rs?")?;
        let read = std::fs::read_to_string(module.with_extension("d")).unwrap_or_default();
        Ok(BuiltComponent { bytes: component, sources: sources_in(&read) })
    }
}

/// A package of the graph, as far as it matters here.
struct Package {
    name: String,
    version: String,
    folder: PathBuf,
    /// Whether it lies in a folder that somebody works in.
    is_local: bool,
}

impl Package {
    fn read(described: &Value) -> Option<Self> {
        let manifest = Path::new(described["manifest_path"].as_str()?);
        let folder = manifest.parent()?;
        Some(Self {
            name: described["name"].as_str()?.to_owned(),
            version: described["version"].as_str()?.to_owned(),
            folder: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()),
            is_local: described["source"].is_null(),
        })
    }
}

/// Where the sources of the graph lie, and what is to stand there instead: cargo names those of its workspace from the workspace's
/// root, all others by their whole path.
fn remapped_folders(packages: &[Package], root: &Path) -> BTreeMap<PathBuf, String> {
    let name = |package: &Package| {
        if !package.is_local {
            // All crates of a registry lie in one folder, whose name depends on where the registry is.
            return Some((package.folder.parent()?.to_owned(), "/registry".to_owned()));
        }
        let is_outside = !package.folder.starts_with(root);
        is_outside.then(|| (package.folder.clone(), format!("/{}", package.name)))
    };
    packages.iter().filter_map(name).collect()
}

fn cargo(folder: &Path, toolchain: Option<&str>) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).args(toolchain.map(|name| format!("+{name}")));
    cargo
}

/// The core module among what cargo says that it made.
fn module_among(messages: &str) -> anyhow::Result<PathBuf> {
    let mut artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_module = |message: &Value| {
        message["reason"] == "compiler-artifact"
            && message["target"]["crate_types"].as_array().is_some_and(|types| types.iter().any(|it| it == "cdylib"))
    };
    let artifact = artifacts.rfind(is_module);
    let artifact = artifact.context("find the module: Cargo.toml needs `crate-type = [\"cdylib\", \"rlib\"]`")?;
    let mut files = artifact["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from);
    files.find(|file| file.extension().is_some_and(|it| it == "wasm")).context("find the module among what cargo made")
}

/// The files behind the colon of a list of dependencies as cargo writes it; a space within a name stands behind a backslash.
fn sources_in(list: &str) -> Vec<PathBuf> {
    let behind = list.lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, behind)| behind);
    let names = behind.replace("\\ ", "\0");
    names.split(' ').filter(|name| !name.is_empty()).map(|name| PathBuf::from(name.replace('\0', " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, is_local: bool) -> Package {
        Package { name: name.to_owned(), version: "1.0.0".to_owned(), folder: folder.into(), is_local }
    }

    #[test]
    fn every_folder_of_this_machine_has_a_name_that_is_the_same_everywhere() {
        let packages = [
            package("mine-plugin", "/home/me/mine", true),
            package("helper", "/home/me/mine/helper", true),
            package("chain-plugin-sdk", "/checkout/plugins/sdk", true),
            package("serde", "/home/me/.cargo/registry/src/index-1/serde-1.0.0", false),
            package("hex", "/home/me/.cargo/registry/src/index-1/hex-0.4.3", false),
        ];
        let remapped = remapped_folders(&packages, Path::new("/home/me/mine"));
        let expected =
            [("/checkout/plugins/sdk", "/chain-plugin-sdk"), ("/home/me/.cargo/registry/src/index-1", "/registry")];
        let expected = expected.map(|(from, to)| (PathBuf::from(from), to.to_owned()));
        assert_eq!(remapped, expected.into());
    }

    #[test]
    fn the_files_that_the_compiler_read_are_known() {
        let list = "/t/x.wasm: /a/src/lib.rs /b\\ c/src/node.rs /a/cassettes/first.json\n\n/t/y: /z\n";
        assert_eq!(
            sources_in(list),
            ["/a/src/lib.rs", "/b c/src/node.rs", "/a/cassettes/first.json"].map(PathBuf::from)
        );
        assert!(sources_in("").is_empty());
    }

    #[test]
    fn a_folder_without_a_crate_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let refused = PluginCrate::read(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("plugin new NAME"), "{refused}");
    }

    #[test]
    fn a_crate_that_is_no_library_for_hosts_is_refused_with_what_to_write() {
        let messages = r#"{"reason":"compiler-artifact","target":{"crate_types":["rlib"]},"filenames":["/t/a.rlib"]}"#;
        assert!(module_among(messages).unwrap_err().to_string().contains("cdylib"));
        let both = messages.replace("[\"rlib\"]", "[\"cdylib\",\"rlib\"]").replace("a.rlib", "a.wasm");
        assert_eq!(module_among(&both).unwrap(), Path::new("/t/a.wasm"));
    }
}
