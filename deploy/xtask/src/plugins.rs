//! Plugins: from Rust crates to components that import nothing but what a host lends.
//!
//! There are two ways and both are kept working: plain cargo and an encoder (ordinary), or cargo-component.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use wit_component::{ComponentEncoder, DecodedWasm};

use crate::process::{cargo, note, output, put, run, target};
use crate::setup::{self, TARGET, Toolchain};

/// The plugins of this repository; each is the crate `<name>-plugin`.
const PLUGINS: [&str; 3] = ["evm", "mock", "solana"];

/// The only package a component may import from.
const LENT: &str = "chaintape:plugin/";

/// What follows the magic number in a component, and in nothing else.
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];

/// Builds every plugin into `target/plugins/<name>-<version>.wasm`.
pub(crate) fn build() -> anyhow::Result<()> {
    let toolchain = setup::wasm()?;
    let modules = compile(toolchain, &["build"], "wasm")?;
    for (name, module) in PLUGINS.iter().zip(modules) {
        let module = std::fs::read(&module).with_context(|| module.display().to_string())?;
        let component = ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(ComponentEncoder::encode)
            .with_context(|| format!("failed to make a component of the plugin {name}"))?;
        deliver(name, &component, "plugins")?;
    }
    Ok(())
}

/// Builds every plugin with cargo-component, into a folder of its own.
pub(crate) fn build_with_cargo_component() -> anyhow::Result<()> {
    let toolchain = setup::wasm()?;
    ensure!(has_cargo_component(), "this needs cargo-component: `cargo install cargo-component --locked`");
    let components = compile(toolchain, &["component", "build"], "component")?;
    for (name, component) in PLUGINS.iter().zip(components) {
        let component = std::fs::read(&component).with_context(|| component.display().to_string())?;
        deliver(name, &component, "component-plugins")?;
    }
    Ok(())
}

pub(crate) fn has_cargo_component() -> bool {
    output(&mut cargo(&["component", "--version"])).is_ok()
}

/// Compiles every plugin; where the results are.
fn compile(toolchain: Toolchain, verb: &[&str], folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    // A folder of its own, so that the two compilers and the two kinds of build leave each other's work alone.
    let folder = target(folder);
    let mut command = toolchain.cargo(verb);
    command.args(["--quiet", "--profile", "plugin", "--target", TARGET, "--target-dir"]).arg(&folder);
    for name in PLUGINS {
        command.args(["-p", &format!("{name}-plugin")]);
    }
    // What the caller set for the host's compiler is not meant for this one.
    run(command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    Ok(PLUGINS.iter().map(|name| folder.join(TARGET).join("plugin").join(format!("{name}_plugin.wasm"))).collect())
}

/// Checks a component and puts it in place under its version.
fn deliver(name: &str, component: &[u8], folder: &str) -> anyhow::Result<()> {
    check(component).with_context(|| format!("the plugin {name} cannot be lent to"))?;
    let path = target(folder).join(format!("{name}-{}.wasm", version(name)?));
    if put(&path, component)? {
        note(&format!("{} ({} kB)", path.strip_prefix(crate::process::root())?.display(), component.len() / 1000));
    }
    Ok(())
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
