//! The command `plugin`: what authors and operators do with a component.

use super::Traced;
use crate::plugin::Gate;
use crate::{Settings, kit};
use clap::Subcommand;
use environment::{Problems, Strings};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "Examples:
  chaintape plugin new my-chain
  chaintape plugin build my-chain
  chaintape plugin list
  chaintape plugin check my-chain-0.1.0.wasm --cassettes cassettes
  chaintape plugin record --plugin my-chain-0.1.0.wasm --chain my-chain.toml --from 7 --to 9 --out cassettes/first.cassette.json
  chaintape plugin test --plugin my-chain-0.1.0.wasm cassettes";

/// What to do with a plugin.
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum PluginCommand {
    /// Make the crate of a plugin in a folder of its own, with a test that passes.
    New {
        /// Lower-case letters, digits and hyphens: the folder, and the plugin's id.
        name: String,
        /// A checkout of the crate chain-plugin-sdk, to be used instead of the published one.
        #[arg(long)]
        sdk: Option<PathBuf>,
    },
    /// Compile the crate of a plugin and make a component of it: target/plugins/NAME-VERSION.wasm.
    Build {
        /// The folder of the crate.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Leave the functions their names, so that a trap says where it came from; another digest, and larger.
        #[arg(long)]
        names: bool,
    },
    /// Admit a component as `run` would; with cassettes, check its behaviour too.
    Check {
        /// The component.
        file: PathBuf,
        /// A chain file whose settings and limits are to be used.
        #[arg(long)]
        chain: Option<PathBuf>,
        /// A folder of `*.cassette.json`.
        #[arg(long)]
        cassettes: Option<PathBuf>,
    },
    /// List what is in PLUGINS_DIR.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what the running ingestors make of PLUGINS_DIR and CHAINS_DIR.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Scan a span of a real chain and write all answers to a cassette.
    Record {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        /// The chain file.
        #[arg(long)]
        chain: PathBuf,
        /// First height.
        #[arg(long)]
        from: u64,
        /// Last height.
        #[arg(long)]
        to: u64,
        /// The file to write: `NAME.cassette.json`.
        #[arg(long)]
        out: PathBuf,
    },
    /// Replay cassettes and compare the trades with what is expected.
    Test {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        /// A folder of `*.cassette.json` and `*.expected.jsonl`.
        cassettes: PathBuf,
        /// Write the result as what is expected.
        #[arg(long)]
        bless: bool,
        /// Print each request and what was answered, on standard error.
        #[arg(long, value_enum)]
        trace: Option<Traced>,
    },
    /// Measure how fast cassettes are scanned, and what a trade costs in fuel.
    Bench {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        /// A folder of `*.cassette.json`.
        cassettes: PathBuf,
    },
    /// Sign a component with an Ed25519 key: writes NAME.wasm.sig beside it and prints the public key.
    Sign {
        /// The component.
        file: PathBuf,
        /// The private key, in PEM: `openssl genpkey -algorithm ed25519 -out KEY.pem`.
        #[arg(long)]
        key: PathBuf,
    },
    /// Check the signature beside a component against PLUGINS_ALLOW, or against one public key.
    Verify {
        /// The component.
        file: PathBuf,
        /// The public key, 64 hex digits.
        #[arg(long)]
        key: Option<String>,
    },
}

impl PluginCommand {
    /// Carries it out; returns what the caller reads.
    pub async fn execute(self, strings: &impl Strings, mut problems: Problems) -> anyhow::Result<String> {
        let settings = |mut problems: Problems| -> anyhow::Result<Settings> {
            let settings = Settings::read(strings, &mut problems);
            problems.finish()?;
            Ok(settings)
        };
        match self {
            Self::Check { file, chain, cassettes } => {
                let gate = Settings::gate(strings, &mut problems);
                problems.finish()?;
                kit::check(&file, chain.as_deref(), cassettes.as_deref(), &gate, strings).await
            }
            Self::New { name, sdk } => kit::new(Path::new("."), &name, sdk.as_deref()),
            Self::Build { folder, names } => kit::build(&folder, names, strings),
            Self::List { json } => kit::list(&settings(problems)?, json).await,
            Self::Status { json } => kit::status(&settings(problems)?, json),
            Self::Record { plugin, chain, from, to, out } => {
                kit::record(&plugin, &chain, (from, to), &out, strings).await
            }
            Self::Test { plugin, cassettes, bless, .. } => kit::test(&plugin, &cassettes, bless).await,
            Self::Sign { file, key } => kit::sign(&file, &key),
            Self::Verify { file, key: Some(key) } => {
                let key = format!("ed25519:{}", key.strip_prefix("ed25519:").unwrap_or(&key));
                let gate = Gate::parse(&key).map_err(|wrong| anyhow::anyhow!("--key {wrong}"))?;
                kit::verify(&file, &gate)
            }
            Self::Verify { file, key: None } => {
                let gate = Settings::gate(strings, &mut problems);
                problems.finish()?;
                kit::verify(&file, &gate)
            }
            Self::Bench { plugin, cassettes } => kit::bench(&plugin, &cassettes).await,
        }
    }
}
