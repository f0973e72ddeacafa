//! `plugin build`: compiles the crate of a plugin and puts the component into `target/plugins` of its folder.

use super::place;
use anyhow::Context;
use plugin_build::PluginCrate;
use std::path::{Path, PathBuf};

/// Builds the crate in a folder into `target/plugins/NAME-VERSION.wasm` there; with `names`, its functions keep their names, so
/// that a trap says where it came from.
pub fn build(folder: &Path, names: bool) -> anyhow::Result<String> {
    let plugin = PluginCrate::read(folder)?;
    let component = plugin.build(names)?.bytes;
    let out = put(folder, &plugin, &component)?;
    Ok(format!("{} ({} kB)", out.display(), component.len() / 1_000))
}

/// Writes a component to where `plugin build` leaves it.
pub(super) fn put(folder: &Path, plugin: &PluginCrate, component: &[u8]) -> anyhow::Result<PathBuf> {
    let out = folder.join("target/plugins").join(plugin.file_name());
    let made = out.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.with_context(|| format!("make the folder of {}", out.display()))?;
    place::put(&out, component)?;
    Ok(out)
}
