//! The command `new`: a folder from which `chaintape` runs, on the mock chain or on a node that is asked at once what it is.

use crate::known_chains::{MOCK, chain_file, value_in, variable_in};
use crate::overlay::StackSettings;
use crate::probe::{Network, ProbedNode, probe};
use anyhow::{Context, ensure};
use clap::Args;
use environment::Strings;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is the same in every new folder.
const FILES: [(&str, &str); 5] = [
    ("README.md", include_str!("new/README.md.txt")),
    ("compose.yaml", include_str!("new/compose.yaml.txt")),
    ("env/.env", include_str!("new/env.txt")),
    ("env/.env.prod", include_str!("new/env.prod.txt")),
    (".gitignore", include_str!("new/gitignore.txt")),
];

/// What is to be made.
#[derive(Args, Clone, Debug)]
pub(crate) struct NewCommand {
    /// The folder to make; it must not be there yet.
    name: PathBuf,
    /// The HTTP address of a node: it is asked which chain it is of. Without one, the mock chain is followed.
    #[arg(long)]
    rpc: Option<String>,
    /// Where plugins are taken from. Default: PLUGINS_DIR, else `plugins` near the program.
    #[arg(long)]
    plugins: Option<PathBuf>,
}

impl NewCommand {
    /// Makes the folder and says what to do with it.
    pub(crate) async fn execute(self, strings: &StackSettings) -> anyhow::Result<()> {
        let folder = &self.name;
        ensure!(
            !folder.exists(),
            "make {}: it is there already; choose another name, or remove it first",
            folder.display()
        );
        // Whatever may fail comes before the first file.
        if let Some(plugins) = &self.plugins {
            ensure!(plugins.is_dir(), "take plugins from {}: there is no such folder", plugins.display());
        }
        let (chain, secret) = match &self.rpc {
            None => (MOCK.to_owned(), None),
            Some(url) => {
                let node = probe(url).await?;
                let text = chain_file(&node.network);
                environment::print_line!("{}", sentence(&node, &text));
                let secret = variable_in(&text).map(|name| (name.to_owned(), url.clone()));
                (text, secret)
            }
        };
        let (id, plugin) = (value_in(&chain, "id").unwrap_or("chain"), value_in(&chain, "plugin").unwrap_or("mock"));
        for (file, text) in FILES {
            write(&folder.join(file), &text.replace("{chain}", id).replace("{plugin}", plugin))?;
        }
        write(&folder.join("chains").join(format!("{id}.toml")), &chain)?;
        if let Some((name, url)) = secret {
            write_secret(&folder.join("secrets").join(name), &url)?;
        }
        for made in ["plugins", "secrets"] {
            fs::create_dir_all(folder.join(made)).with_context(|| format!("make {}/{made}", folder.display()))?;
        }
        let near = self.plugins.clone().map_or_else(|| folders_of_plugins(strings), |folder| vec![folder]);
        if let Some(component) = near.iter().find_map(|folder| newest_component(folder, plugin)) {
            let to = folder.join("plugins").join(component.file_name().unwrap_or_default());
            fs::copy(&component, &to).with_context(|| format!("copy {}", component.display()))?;
        } else if let Some((name, bytes)) = embedded(plugin) {
            let to = folder.join("plugins").join(name);
            fs::write(&to, bytes).with_context(|| format!("write {}", to.display()))?;
        } else {
            let looked = near.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
            environment::print_line!(
                "put {plugin}-VERSION.wasm into {}/plugins: it is not in {looked}",
                folder.display()
            );
        }
        let quoted = quoted(folder);
        environment::print_line!("made {}; next:\n  cd {quoted}\n  chaintape doctor\n  chaintape", folder.display());
        Ok(())
    }
}

/// The plugin that this program brings along for its demo, by the name of its file.
#[cfg(feature = "demo")]
fn embedded(plugin: &str) -> Option<(String, &'static [u8])> {
    crate::demo::plugin(plugin).map(|bytes| (format!("{plugin}.wasm"), bytes))
}

#[cfg(not(feature = "demo"))]
fn embedded(_plugin: &str) -> Option<(String, &'static [u8])> {
    None
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What the node is, as it said.
fn sentence(node: &ProbedNode, chain: &str) -> String {
    let display = value_in(chain, "name").unwrap_or("a chain that this program does not know");
    let ProbedNode { network, height, raw_receipts, batch, rate } = node;
    let what = match network {
        Network::Evm(id) => {
            let raw = if *raw_receipts { "has raw receipts" } else { "has no raw receipts" };
            let batch = if *batch > 1 { format!("batches of {batch}") } else { "no batches".to_owned() };
            format!("chain id {id}, block {height}, {raw}, {batch}")
        }
        Network::Solana(_) => format!("slot {height}"),
        Network::Comet(name) => format!("network {name}, block {height}"),
    };
    let rate = rate.as_ref().map(|rate| format!(", {rate}")).unwrap_or_default();
    format!("this is {display}: {what}{rate}")
}

/// Where plugins may be: what is set, then beside the program as it is released or built.
fn folders_of_plugins(strings: &StackSettings) -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.iter().flat_map(|program| program.ancestors().skip(1).take(2).map(|it| it.join("plugins")));
    strings.get("PLUGINS_DIR").map(PathBuf::from).into_iter().chain(beside).collect()
}

/// The file `ID-VERSION.wasm` with the highest version.
fn newest_component(folder: &Path, id: &str) -> Option<PathBuf> {
    let version = |path: &Path| -> Option<Vec<u64>> {
        let name = path.file_name()?.to_str()?;
        let version = name.strip_prefix(id)?.strip_prefix('-')?.strip_suffix(".wasm")?;
        version.split('.').map(|part| part.parse().ok()).collect()
    };
    let files = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter_map(|path| Some((version(&path)?, path))).max().map(|(_, path)| path)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).with_context(|| format!("write {}", path.display()))
}

/// Writes a file that nobody else may read.
fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    let opened = made.and_then(|()| fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
    opened.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Rate;

    #[test]
    fn the_newest_version_is_taken_and_a_longer_name_is_another_plugin() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["evm-0.9.0.wasm", "evm-0.10.0.wasm", "evm-next-1.0.0.wasm", "evm-1.0.0.wasm.sig", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(newest_component(folder.path(), "evm"), Some(folder.path().join("evm-0.10.0.wasm")));
        assert_eq!(newest_component(folder.path(), "solana"), None);
    }

    #[test]
    fn a_path_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted(Path::new("tapes/my-tape")), "tapes/my-tape");
        assert_eq!(quoted(Path::new("my tape")), "'my tape'");
        assert_eq!(quoted(Path::new("it's")), "'it'\\''s'");
    }

    #[test]
    fn a_node_is_described_in_a_sentence() {
        let network = Network::Evm(8453);
        let text = chain_file(&network);
        let rate = Some(Rate::Named { requests: 25, seconds: Some(1) });
        let node = ProbedNode { network, height: 41_000_000, raw_receipts: true, batch: 100, rate };
        assert_eq!(
            sentence(&node, &text),
            "this is Base: chain id 8453, block 41000000, has raw receipts, batches of 100, 25 req/s by its own word"
        );
    }
}
