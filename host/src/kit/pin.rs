//! Pins a chain file to one component: rewrites its line `plugin = …` to name version and digest, and nothing else of it.

use super::place::{PreparedFile, prepare};
use anyhow::{Context, ensure};
use semver::Version;
use std::path::Path;

/// Rewrites the file, which is to be put into its place yet; with it comes what its line names then.
pub(super) fn pin(path: &Path, id: &str, version: &Version, digest: &str) -> anyhow::Result<(String, PreparedFile)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("read the chain file {shown}"))?;
    let pinned = format!("{id}@{version}@{digest}");
    let rewritten = rewritten(&text, id, &pinned).with_context(|| format!("pin {id} in {shown}"))?;
    Ok((pinned, prepare(path, rewritten.as_bytes())?))
}

fn rewritten(text: &str, id: &str, pinned: &str) -> anyhow::Result<String> {
    let named = named_plugin(text)?;
    let of_file = named.split('@').next().unwrap_or_default();
    ensure!(of_file == id, "the file names the plugin `{of_file}`; name the file of a chain of `{id}`");
    let is_named = |line: &&str| line.strip_prefix("plugin").is_some_and(|rest| rest.trim_start().starts_with('='));
    let line = text.lines().find(is_named).context("the file has no line `plugin = \"…\"`; write it as one")?;
    let new = line.replacen(&format!("\"{named}\""), &format!("\"{pinned}\""), 1);
    let rewritten = text.replacen(line, &new, 1);
    ensure!(named_plugin(&rewritten)? == pinned, "the file has no line `plugin = \"{named}\"`; write it as one");
    Ok(rewritten)
}

fn named_plugin(text: &str) -> anyhow::Result<String> {
    let table: toml::Table = text.parse().context("read it as TOML")?;
    let named = table.get("plugin").and_then(toml::Value::as_str);
    Ok(named.context("the file names no plugin; write plugin = \"evm\"")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_plugin_is_rewritten_and_nothing_else() {
        let text =
            "id = \"base\" # plugin = \"evm\"\nplugin   = \"evm@1.3.0\" # pinned\n[settings]\nplugin = \"evm@1.3.0\"\n";
        let pinned = rewritten(text, "evm", "evm@1.4.0@sha256:ab").unwrap();
        let expected = text.replacen("plugin   = \"evm@1.3.0\"", "plugin   = \"evm@1.4.0@sha256:ab\"", 1);
        assert_eq!(pinned, expected);
        let again = rewritten(&pinned, "evm", "evm@1.5.0@sha256:cd").unwrap();
        assert!(again.contains("plugin   = \"evm@1.5.0@sha256:cd\" # pinned"), "{again}");
    }

    #[test]
    fn a_file_of_another_plugin_is_left_alone() {
        let wrong = |text: &str| format!("{:#}", rewritten(text, "evm", "evm@1.4.0@sha256:ab").unwrap_err());
        assert!(wrong("plugin = \"solana\"").contains("names the plugin `solana`"));
        assert!(wrong("id = \"a\"").contains("write plugin = \"evm\""));
        assert!(wrong("plugin = 'evm'").contains("write it as one"), "another way of quoting");
        assert!(wrong("plugin =").contains("TOML"));
    }
}
