//! `plugin build`: compiles the crate of a plugin and makes a component of it, in one way for everybody.
//!
//! One crate at a time, since features that another crate asks for would change the result; and without the folders of
//! this machine in it, since they would too.

use anyhow::{Context, bail, ensure};
use environment::Strings;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wit_component::ComponentEncoder;

/// What plugins are compiled to.
const TARGET: &str = "wasm32-unknown-unknown";
/// What follows the name of a plugin in that of its crate.
const CRATE_SUFFIX: &str = "-plugin";

/// Builds the crate in a folder into `target/plugins/NAME-VERSION.wasm` there; with `names`, its functions keep their names, so
/// that a trap says where it came from.
pub fn build(folder: &Path, names: bool, strings: &impl Strings) -> anyhow::Result<String> {
    let manifest = folder.join("Cargo.toml");
    ensure!(
        manifest.is_file(),
        "build {}: there is no Cargo.toml; make a crate with `plugin new NAME`",
        folder.display()
    );
    let module = compile(folder, names, strings)?;
    let bytes = std::fs::read(&module.file).with_context(|| format!("read {}", module.file.display()))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|why| anyhow::anyhow!("{why:#}"))
        .context("make a component of it; is `chain_plugin_sdk::plugin!(…)` in lib.rs?")?;
    let out = folder.join("target/plugins").join(format!("{}-{}.wasm", module.name, module.version));
    let made = out.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(&out, &component)).with_context(|| format!("write {}", out.display()))?;
    Ok(format!("{} ({} kB)", out.display(), component.len() / 1_000))
}

/// A core module, and whose it is.
struct BuiltModule {
    file: PathBuf,
    name: String,
    version: String,
}

fn compile(folder: &Path, names: bool, strings: &impl Strings) -> anyhow::Result<BuiltModule> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).args(["build", "--profile", "plugin", "--target", TARGET]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if names {
        cargo.args(["--config", "profile.plugin.strip=false"]);
    }
    for (from, to) in machine_folders(folder, strings)? {
        cargo.args(["--config", &remapped(&from, to)]);
    }
    // What was set for the compiler of another program is not meant for this one.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let built =
        cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("run cargo: is Rust installed?")?;
    if !built.status.success() {
        bail!("compile the plugin: cargo says why above; if it lacks {TARGET}: rustup target add {TARGET}");
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_module = |message: &Value| {
        message["reason"] == "compiler-artifact"
            && message["target"]["crate_types"].as_array().is_some_and(|types| types.iter().any(|it| it == "cdylib"))
    };
    let artifact = artifacts.rfind(is_module);
    let artifact = artifact.context("find the module: Cargo.toml needs `crate-type = [\"cdylib\", \"rlib\"]`")?;
    let files = artifact["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let file = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|it| it == "wasm"));
    let (name, version) = named(artifact["package_id"].as_str().unwrap_or_default(), folder)?;
    Ok(BuiltModule { file: file.context("find the module among what cargo made")?, name, version })
}

/// The folders of this machine that would stand in the texts of panics, and what stands there instead.
fn machine_folders(folder: &Path, strings: &impl Strings) -> anyhow::Result<Vec<(PathBuf, &'static str)>> {
    let folder = folder.canonicalize().with_context(|| format!("find {}", folder.display()))?;
    let home = strings.get("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(strings.get("HOME")?).join(".cargo")));
    let registry = home.map(|home| (home.join("registry/src"), "/registry"));
    Ok([(folder, "/plugin")].into_iter().chain(registry).collect())
}

/// An argument of cargo that adds to the flags of the target, whatever configuration they come from.
fn remapped(from: &Path, to: &str) -> String {
    format!("target.{TARGET}.rustflags=[\"--remap-path-prefix={}={to}\"]", from.display())
}

/// The plugin's name and version from `path+file:///folder#crate@version` or `path+file:///folder#version`.
fn named(package: &str, folder: &Path) -> anyhow::Result<(String, String)> {
    let (path, after) = package.rsplit_once('#').context("read the id of the package")?;
    let of_folder = || path.rsplit('/').next().unwrap_or_default();
    let (name, version) = after.split_once('@').unwrap_or_else(|| (of_folder(), after));
    ensure!(!name.is_empty() && !version.is_empty(), "name the plugin in {}: {package} says nothing", folder.display());
    Ok((name.strip_suffix(CRATE_SUFFIX).unwrap_or(name).to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_plugin_is_named_by_its_package() {
        let folder = Path::new(".");
        let both = named("path+file:///tmp/my-chain#my-chain-plugin@0.1.0", folder).unwrap();
        assert_eq!(both, ("my-chain".to_owned(), "0.1.0".to_owned()));
        let same = named("path+file:///tmp/comet-plugin#0.2.0", folder).unwrap();
        assert_eq!(same, ("comet".to_owned(), "0.2.0".to_owned()));
        assert!(named("nothing", folder).is_err());
    }

    #[test]
    fn a_folder_without_a_crate_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            build(folder.path(), false, &HashMap::<String, String>::new())
                .unwrap_err()
                .to_string()
                .contains("plugin new NAME")
        );
    }
}
