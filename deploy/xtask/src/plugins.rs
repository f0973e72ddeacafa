//! Plugins: from Rust crates to components that import nothing but what a host lends.
//!
//! There are two ways and both are kept working: plain cargo and an encoder (ordinary), or cargo-component.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use wit_component::{ComponentEncoder, DecodedWasm};

use crate::process::{cargo, note, output, program, put, root, run, target};
use crate::setup::{self, TARGET, Toolchain};

/// What the crate of a plugin is called: `<name>-plugin`, in `plugins/<name>`.
const CRATE: &str = "-plugin";

/// The only package a component may import from.
const LENT: &str = "chaintape:plugin/";

/// What follows the magic number in a component, and in nothing else.
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];

/// Builds every plugin, or those that are named, into `target/plugins/<name>-<version>.wasm`.
pub(crate) fn build(wanted: &[String]) -> anyhow::Result<()> {
    if wanted.is_empty() {
        build_these(&names()?).map(drop)
    } else {
        wanted.iter().try_for_each(|one| build_one(one).map(drop))
    }
}

/// Builds some of the plugins; names that are none of this repository are left out.
pub(crate) fn build_some(wanted: &BTreeSet<String>) -> anyhow::Result<()> {
    let names: Vec<String> = names()?.into_iter().filter(|name| wanted.contains(name)).collect();
    build_these(&names).map(drop)
}

/// Builds one plugin; where it is.
pub(crate) fn build_one(name: &str) -> anyhow::Result<PathBuf> {
    let known = names()?;
    ensure!(known.iter().any(|it| it == name), "there is no plugin {name}; there are {}", known.join(", "));
    build_these(&[name.to_owned()])?.pop().context("a plugin that was built is somewhere")
}

fn build_these(names: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let toolchain = setup::wasm()?;
    let modules = compile(toolchain, &["build"], "wasm", names)?;
    let mut delivered = vec![];
    for (name, module) in names.iter().zip(modules) {
        let module = std::fs::read(&module).with_context(|| module.display().to_string())?;
        let component = ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(|mut encoder| encoder.encode())
            .with_context(|| format!("failed to make a component of the plugin {name}"))?;
        delivered.push(deliver(name, &component, "plugins")?);
    }
    Ok(delivered)
}

/// The plugins of this repository: the folders of `plugins` whose crate says that it is one.
fn names() -> anyhow::Result<Vec<String>> {
    let folder = root().join("plugins");
    let mut names = vec![];
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let manifest = std::fs::read_to_string(folder.join(&name).join("Cargo.toml")).unwrap_or_default();
        if manifest.lines().any(|line| line == format!("name = \"{name}{CRATE}\"")) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Builds every plugin with cargo-component, into a folder of its own.
pub(crate) fn build_with_cargo_component() -> anyhow::Result<()> {
    let toolchain = setup::wasm()?;
    ensure!(has_cargo_component(), "this needs cargo-component: `cargo install cargo-component --locked`");
    let names = names()?;
    let components = compile(toolchain, &["component", "build"], "component", &names)?;
    for (name, component) in names.iter().zip(components) {
        let component = std::fs::read(&component).with_context(|| component.display().to_string())?;
        deliver(name, &component, "component-plugins")?;
    }
    Ok(())
}

/// Builds the example in JavaScript into `target/examples`; needs Node.js and fetches its packages.
pub(crate) fn build_javascript() -> anyhow::Result<()> {
    let folder = root().join("plugins/examples/javascript");
    let packages = folder.join("node_modules");
    if !packages.is_dir() {
        note("fetching the packages of plugins/examples/javascript");
        run(program("npm", &["install", "--no-audit", "--no-fund", "--no-package-lock"]).current_dir(&folder))?;
    }
    std::fs::create_dir_all(target("examples"))?;
    run(program("node", &["build.js"]).arg(target("examples").join("comet-js-1.0.0.wasm")).current_dir(&folder))
}

pub(crate) fn has_cargo_component() -> bool {
    output(&mut cargo(&["component", "--version"])).is_ok()
}

/// Compiles plugins; where the results are.
fn compile(toolchain: Toolchain, verb: &[&str], folder: &str, names: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    // A folder of its own, so that the two compilers and the two kinds of build leave each other's work alone.
    let folder = target(folder);
    // One at a time: together, the features that one asks of a shared crate are in the others too, and a component had
    // another digest by `plugins` than by `plugin check`.
    for name in names {
        let mut command = toolchain.cargo(verb);
        command.args(["--quiet", "--profile", "plugin", "--target", TARGET, "--target-dir"]).arg(&folder);
        command.args(["-p", &format!("{name}{CRATE}")]);
        if let Some(from) = sources_of_cargo() {
            // The texts of panics name files: not those of this machine.
            let flag = format!("--remap-path-prefix={}=/registry", from.display());
            command.args(["--config", &format!("target.{TARGET}.rustflags=[\"{flag}\"]")]);
        }
        // What the caller set for the host's compiler is not meant for this one.
        run(command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    }
    let built =
        |name: &String| folder.join(TARGET).join("plugin").join(format!("{}_plugin.wasm", name.replace('-', "_")));
    Ok(names.iter().map(built).collect())
}

/// Where cargo keeps the sources of crates.
fn sources_of_cargo() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    Some(home.join("registry/src"))
}

/// Checks a component and puts it in place under its version.
fn deliver(name: &str, component: &[u8], folder: &str) -> anyhow::Result<PathBuf> {
    check(component).with_context(|| format!("the plugin {name} cannot be lent to"))?;
    let path = target(folder).join(format!("{name}-{}.wasm", version(name)?));
    if put(&path, component)? {
        note(&format!("{} ({} kB)", path.strip_prefix(root())?.display(), component.len() / 1000));
    }
    Ok(path)
}

/// An error unless these bytes are a component that imports nothing but what a host lends.
fn check(component: &[u8]) -> anyhow::Result<()> {
    ensure!(component.get(4..8) == Some(&COMPONENT[..]), "it is not a component");
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("it is a package of interfaces, not a component");
    };
    for import in resolve.worlds[world].imports.keys() {
        let import = resolve.name_world_key(import);
        ensure!(import.starts_with(LENT), "it imports {import}, which nobody lends");
    }
    Ok(())
}

/// A plugin's version, from its manifest or the workspace's.
fn version(name: &str) -> anyhow::Result<String> {
    let id = output(&mut cargo(&["pkgid", "--offline", "-p", &format!("{name}-plugin")]))?;
    let version = id.rsplit(['@', '#']).next().unwrap_or_default();
    ensure!(Path::new(version).components().count() == 1, "the plugin {name} has no version");
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_component_is_refused() {
        assert!(check(b"\0asm\x01\0\0\0").is_err());
        assert!(check(b"no wasm at all").is_err());
    }
}
