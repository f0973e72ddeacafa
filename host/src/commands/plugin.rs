//! The command `plugin`: what authors and operators do with a component.

use super::Traced;
use crate::in_use::is_in_use;
use crate::plugin::Gate;
use crate::{Settings, kit};
use clap::Subcommand;
use environment::{Problems, Strings};
use std::path::{Path, PathBuf};
use tape_log::settings::target;

const EXAMPLES: &str = "Examples:
  chaintape plugin new my-chain
  chaintape plugin build my-chain
  chaintape plugin list
  chaintape plugin check my-chain-0.1.0.wasm --cassettes cassettes
  chaintape plugin record --plugin my-chain-0.1.0.wasm --chain my-chain.toml --from 7 --to 9 --out cassettes/first.cassette.json
  chaintape plugin test --plugin my-chain-0.1.0.wasm cassettes
  chaintape plugin dev ../my-chain --chain chains/my-chain.toml
  chaintape plugin publish my-chain-0.1.0.wasm ghcr.io/me/my-chain
  chaintape plugin install ghcr.io/me/my-chain:0.1.0 --chain chains/my-chain.toml";

/// What to do with a plugin.
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum PluginCommand {
    /// Make the crate of a plugin in a folder of its own, with a test that passes; or a package in JavaScript.
    New {
        /// Lower-case letters, digits and hyphens: the folder, and the plugin's id.
        name: String,
        /// A checkout of the crate chain-plugin-sdk, to be used instead of the published one.
        #[arg(long)]
        sdk: Option<PathBuf>,
        /// What it is written in.
        #[arg(long, value_enum, default_value = "rust")]
        language: kit::Language,
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
    /// Watch the crate of a plugin: at each change build it, show which trades its cassettes give now and did not before, put it into
    /// the running system of this folder, and say when its first trade is on the tape. Ctrl-C ends it.
    Dev {
        /// The folder of the crate.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// The chain file with which the running system follows the plugin's chain.
        #[arg(long)]
        chain: PathBuf,
        /// A folder of `*.cassette.json`. Default: `cassettes` of the crate.
        #[arg(long)]
        cassettes: Option<PathBuf>,
        /// End after so many builds.
        #[arg(long, value_name = "N")]
        builds: Option<u64>,
    },
    /// Push a component to an OCI registry, with the signature beside it; the version is its tag unless another is named.
    Publish {
        /// The component.
        file: PathBuf,
        /// Where to: REGISTRY/NAME or REGISTRY/NAME:TAG. Who may, is what `docker login REGISTRY` left.
        place: String,
    },
    /// Pull a component from an OCI registry, admit it as `run` would, and put it into PLUGINS_DIR.
    Install {
        /// Where from: REGISTRY/NAME:VERSION, REGISTRY/NAME@sha256:HEX, or both.
        place: String,
        /// Have this chain file name the component by version and digest, so that no other is used.
        #[arg(long)]
        chain: Option<PathBuf>,
        /// The public key that must have signed it, 64 hex digits, instead of PLUGINS_ALLOW.
        #[arg(long)]
        key: Option<String>,
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
            Self::New { name, sdk, language } => kit::new(Path::new("."), &name, language, sdk.as_deref()),
            Self::Build { folder, names } => kit::build(&folder, names),
            Self::List { json } => kit::list(&settings(problems)?, json).await,
            Self::Status { json } => {
                // Files are files: they are shown wherever the log is, and though nobody says where.
                let mut problems_of_log = Problems::default();
                let log = target(strings, &mut problems_of_log);
                let is_running = problems_of_log.finish().is_err() || is_in_use(&log);
                kit::status(&settings(problems)?, is_running, json)
            }
            Self::Record { plugin, chain, from, to, out } => {
                kit::record(&plugin, &chain, (from, to), &out, strings).await
            }
            Self::Test { plugin, cassettes, bless, .. } => kit::test(&plugin, &cassettes, bless).await,
            Self::Sign { file, key } => kit::sign(&file, &key),
            Self::Dev { folder, chain, cassettes, builds } => {
                let plugins = problems.required(strings, "PLUGINS_DIR").into();
                let log = target(strings, &mut problems);
                problems.finish()?;
                kit::dev(&kit::Development { folder, chain, cassettes, plugins, log, builds }, strings).await
            }
            Self::Publish { file, place } => kit::publish(&file, &place).await,
            Self::Install { place, chain, key } => {
                let folder = PathBuf::from(problems.required(strings, "PLUGINS_DIR"));
                let gate = match &key {
                    Some(key) => only(key)?,
                    None => Settings::gate(strings, &mut problems),
                };
                problems.finish()?;
                kit::install(&kit::Installation { place: &place, folder: &folder, gate: &gate, pin: chain.as_deref() })
                    .await
            }
            Self::Verify { file, key: Some(key) } => kit::verify(&file, &only(&key)?),
            Self::Verify { file, key: None } => {
                let gate = Settings::gate(strings, &mut problems);
                problems.finish()?;
                kit::verify(&file, &gate)
            }
            Self::Bench { plugin, cassettes } => kit::bench(&plugin, &cassettes).await,
        }
    }
}

/// A list that admits what one key has signed, and nothing else.
fn only(key: &str) -> anyhow::Result<Gate> {
    let listed = format!("ed25519:{}", key.strip_prefix("ed25519:").unwrap_or(key));
    Gate::parse(&listed).map_err(|wrong| anyhow::anyhow!("read --key: it {wrong}"))
}
