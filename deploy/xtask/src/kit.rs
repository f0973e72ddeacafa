//! `cargo xtask plugin`: `new` makes a plugin's crate; the other commands build the plugin and run `chain-ingestor plugin`, so
//! that what passes here passes in production.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Subcommand;

use crate::plugins;
use crate::process::{build, build_fast, built, note, program, put, root};

/// The files of a new plugin of this repository (`chaintape plugin new` makes one outside, from the same), with `NAME` (`my-chain`), `MODULE` (`my_chain`) and `TYPE` (`MyChain`) to be filled in.
const TEMPLATE: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("kit/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("../../../host/src/kit/template/lib.rs.txt")),
    ("cassettes/first.cassette.json", include_str!("../../../host/src/kit/template/first.cassette.json")),
    ("cassettes/first.expected.jsonl", include_str!("../../../host/src/kit/template/first.expected.jsonl")),
];

/// Commands for plugin authors.
#[derive(Subcommand)]
pub(crate) enum PluginCommand {
    /// Makes the crate `plugins/NAME`, which builds and has a passing test.
    New {
        /// Lower-case letters, digits and hyphens.
        name: String,
    },
    /// Scans heights of a real chain and keeps every answer: `plugins/NAME/cassettes/CASE.cassette.json`.
    Record {
        /// The plugin.
        name: String,
        /// What the cassette is to be called.
        case: String,
        /// The chain file.
        #[arg(long)]
        chain: PathBuf,
        /// First height.
        #[arg(long)]
        from: u64,
        /// Last height.
        #[arg(long)]
        to: u64,
    },
    /// Replays the plugin's cassettes and compares the trades with what is expected.
    Test {
        /// The plugin.
        name: String,
        /// Write what comes out as what is expected.
        #[arg(long)]
        bless: bool,
    },
    /// Admission, determinism, starved limits, the trades' own rules; how much fuel and memory are left.
    Check {
        /// The plugin.
        name: String,
        /// A chain file whose settings and limits are to be used.
        #[arg(long)]
        chain: Option<PathBuf>,
    },
    /// How fast the cassettes are scanned, and what a trade costs in fuel.
    Bench {
        /// The plugin.
        name: String,
    },
}

pub(crate) fn run(command: PluginCommand) -> anyhow::Result<()> {
    let cassettes = |name: &str| root().join("plugins").join(name).join("cassettes");
    match command {
        PluginCommand::New { name } => new(&name),
        PluginCommand::Record { name, case, chain, from, to } => {
            let plugin = plugins::build_one(&name)?;
            let out = cassettes(&name).join(format!("{case}.cassette.json"));
            std::fs::create_dir_all(cassettes(&name))?;
            let (from, to) = (from.to_string(), to.to_string());
            let span = ["--from".into(), from.into(), "--to".into(), to.into()];
            let files = ["--plugin".into(), plugin.into(), "--chain".into(), chain.into(), "--out".into(), out.into()];
            run_ingestor("record", files.into_iter().chain(span))
        }
        PluginCommand::Test { name, bless } => {
            let plugin = plugins::build_one(&name)?;
            let bless = bless.then(|| "--bless".into());
            run_ingestor("test", ["--plugin".into(), plugin.into(), cassettes(&name).into()].into_iter().chain(bless))
        }
        PluginCommand::Check { name, chain } => {
            let plugin = plugins::build_one(&name)?;
            let chain = chain.into_iter().flat_map(|chain| ["--chain".into(), chain.into()]);
            run_ingestor(
                "check",
                [plugin.into(), "--cassettes".into(), cassettes(&name).into()].into_iter().chain(chain),
            )
        }
        PluginCommand::Bench { name } => {
            let plugin = plugins::build_one(&name)?;
            run_ingestor_at(
                &build_fast("chain-ingestor")?,
                "bench",
                ["--plugin".into(), plugin.into(), cassettes(&name).into()],
            )
        }
    }
}

fn run_ingestor(verb: &str, arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    build(&["chain-ingestor"])?;
    run_ingestor_at(&built("chain-ingestor"), verb, arguments)
}

fn run_ingestor_at(ingestor: &Path, verb: &str, arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    crate::process::run(program(ingestor, &["plugin", verb]).args(arguments))
}

/// Makes a crate from the template.
fn new(name: &str) -> anyhow::Result<()> {
    let is_plain = name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
    ensure!(is_plain, "the name `{name}` must be lower-case letters, digits and hyphens, a letter first");
    let folder = root().join("plugins").join(name);
    ensure!(!folder.exists(), "plugins/{name} is there already");
    for (file, text) in TEMPLATE {
        put(&folder.join(file), filled(text, name).as_bytes())?;
    }
    note(&format!("made plugins/{name}; its test: cargo test -p {name}-plugin"));
    note(&format!("then: cargo xtask plugin test {name} and cargo xtask plugin check {name}"));
    Ok(())
}

fn filled(text: &str, name: &str) -> String {
    let word = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let type_name: String = name.split('-').map(word).collect();
    text.replace("NAME", name).replace("MODULE", &name.replace('-', "_")).replace("TYPE", &type_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in() {
        assert_eq!(filled("NAME MODULE TYPE", "my-chain-2"), "my-chain-2 my_chain_2 MyChain2");
        for (file, text) in TEMPLATE {
            let text = filled(text, "my-chain");
            assert!(!text.contains("NAME") && !text.contains("TYPE"), "{file}");
        }
    }
}
