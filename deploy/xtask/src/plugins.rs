//! Plugins: from Rust crates to components that import nothing but what a host lends.
//!
//! There are two ways and both are kept working: plain cargo and an encoder (ordinary), or cargo-component.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use plugin_build::{CRATE_SUFFIX, PluginCrate, TARGET};
use wit_component::DecodedWasm;

use crate::process::{cargo, note, output, program, put, root, run, target};
use crate::setup::{self, Toolchain};

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
    let mut delivered = vec![];
    for name in names {
        let plugin = described(name, toolchain, "wasm")?;
        let built = plugin.build(false).with_context(|| format!("failed to build the plugin {name}"))?;
        delivered.push(deliver(&plugin, &built.bytes, "plugins")?);
    }
    Ok(delivered)
}

/// A plugin as cargo describes it; it is compiled into a folder of its own, so that the two compilers and the two kinds of build
/// leave each other's work alone.
fn described(name: &str, toolchain: Toolchain, folder: &str) -> anyhow::Result<PluginCrate> {
    PluginCrate::read_with(&root().join("plugins").join(name), toolchain.name(), Some(&target(folder)))
}

/// The plugins of this repository: the folders of `plugins` whose crate says that it is one.
fn names() -> anyhow::Result<Vec<String>> {
    let folder = root().join("plugins");
    let mut names = vec![];
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let manifest = std::fs::read_to_string(folder.join(&name).join("Cargo.toml")).unwrap_or_default();
        if manifest.lines().any(|line| line == format!("name = \"{name}{CRATE_SUFFIX}\"")) {
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
    for name in names()? {
        let plugin = described(&name, toolchain, "component")?;
        run(&mut plugin.cargo(&["component", "build", "--quiet"]))?;
        let built =
            target("component").join(TARGET).join("plugin").join(format!("{}_plugin.wasm", name.replace('-', "_")));
        let component = std::fs::read(&built).with_context(|| built.display().to_string())?;
        deliver(&plugin, &component, "component-plugins")?;
    }
    Ok(())
}

/// What the example in JavaScript consists of, where it lies here, and where an author has it.
const JAVASCRIPT: [(&str, &str); 4] = [
    ("plugins/examples/javascript/package.json", "package.json"),
    ("plugins/examples/javascript/build.js", "build.js"),
    ("plugins/examples/javascript/plugin.js", "plugin.js"),
    ("wit/chain-plugin/chain-plugin.wit", "wit/chain-plugin.wit"),
];

/// Builds the example in JavaScript into `target/examples`, from a folder such as `chaintape plugin new --language javascript` makes,
/// where nothing of this repository is around it; needs Node.js and fetches its packages.
pub(crate) fn build_javascript() -> anyhow::Result<()> {
    let folder = target("javascript");
    for (from, to) in JAVASCRIPT {
        put(&folder.join(to), &std::fs::read(root().join(from)).context(from)?)?;
    }
    if !folder.join("node_modules").is_dir() {
        note("fetching the packages of plugins/examples/javascript");
        run(program("npm", &["install", "--no-audit", "--no-fund", "--no-package-lock"]).current_dir(&folder))?;
    }
    std::fs::create_dir_all(target("examples"))?;
    run(program("node", &["build.js"]).arg(target("examples")).current_dir(&folder))
}

pub(crate) fn has_cargo_component() -> bool {
    output(&mut cargo(&["component", "--version"])).is_ok()
}

/// Checks a component and puts it in place under its version.
fn deliver(plugin: &PluginCrate, component: &[u8], folder: &str) -> anyhow::Result<PathBuf> {
    check(component).with_context(|| format!("the plugin {} cannot be lent to", plugin.name))?;
    let path = target(folder).join(plugin.file_name());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo xtask plugins` from here, and `chaintape plugin build` by an author elsewhere: a copy of the source in another folder,
    /// compiled into another target folder.
    #[test]
    fn one_source_has_one_digest_whoever_builds_it_and_wherever_it_lies() {
        let Some(toolchain) = setup::installed() else {
            println!("skipped: no toolchain here compiles for {TARGET}; `cargo xtask setup` prepares one");
            return;
        };
        let here = std::fs::read(build_one("mock").unwrap()).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("a checkout");
        std::fs::create_dir(&copy).unwrap();
        let tracked = output(&mut program("git", &["ls-files", "--cached", "--others", "--exclude-standard"])).unwrap();
        for file in tracked.lines().filter(|file| is_needed(file) && root().join(file).is_file()) {
            put(&copy.join(file), &std::fs::read(root().join(file)).unwrap()).unwrap();
        }
        let target = elsewhere.path().join("target");
        let plugin = PluginCrate::read_with(&copy.join("plugins/mock"), toolchain.name(), Some(&target)).unwrap();
        assert_eq!(plugin.file_name(), format!("mock-{}.wasm", plugin.version));
        let there = plugin.build(false).unwrap();
        assert!(there.bytes == here, "{} bytes there, {} here", there.bytes.len(), here.len());
        let is_own = |source: &PathBuf| source.ends_with("plugins/mock/src/lib.rs");
        assert!(there.sources.iter().any(is_own), "{:?}", there.sources);
        let holds = |text: &str| here.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(root().to_str().unwrap()), "it names a folder of this machine");
    }

    /// Whether cargo reads a file when it builds a plugin: every crate of the workspace, with its sources.
    fn is_needed(file: &str) -> bool {
        let ending = |endings: &[&str]| endings.iter().any(|ending| file.ends_with(ending));
        ending(&["Cargo.toml", "Cargo.lock", ".rs", ".generated", ".wit", ".md", ".txt", ".cargo/config.toml"])
    }

    #[test]
    fn what_is_not_a_component_is_refused() {
        assert!(check(b"\0asm\x01\0\0\0").is_err());
        assert!(check(b"no wasm at all").is_err());
    }
}
