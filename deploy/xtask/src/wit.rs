//! `cargo xtask wit`: the plugin contract as one binary WIT package, which `wkg publish` and OCI registries take.

use std::path::Path;

use anyhow::Context;
use wit_parser::Resolve;

use crate::process::{note, put, root, target};

/// Packs the contract into `target/wit`.
pub(crate) fn pack() -> anyhow::Result<()> {
    let (name, bytes) = packed(&root().join("wit/chain-plugin"))?;
    let path = target("wit").join(name);
    put(&path, &bytes)?;
    note(&format!("{}; to publish it: wkg publish {0}", path.strip_prefix(root())?.display()));
    Ok(())
}

/// The file's name and its bytes.
fn packed(folder: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let name = &resolve.packages[package].name;
    let version = name.version.as_ref().context("the contract has no version")?;
    let file = format!("{}-{}-{version}.wasm", name.namespace, name.name);
    let bytes = wit_component::encode(&resolve, package).context("pack the contract")?;
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_component::DecodedWasm;

    #[test]
    fn the_package_is_the_contract() {
        let (name, bytes) = packed(&root().join("wit/chain-plugin")).unwrap();
        assert!(name.starts_with("chaintape-plugin-1."), "{name}");
        let DecodedWasm::WitPackage(resolve, package) = wit_component::decode(&bytes).unwrap() else { panic!() };
        assert!(resolve.packages[package].worlds.contains_key("plugin"));
    }
}
