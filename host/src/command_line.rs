//! The command line of the binary `chain-ingestor`.

use chain_ingestor::ChainCommand;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use tape_log::TopicsCommand;

/// Follows blockchains through WASM plugins and publishes canonical trades.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Follow every chain in CHAINS_DIR.
    Run,
    /// Print the trades of a span, or of a cassette, as JSON lines, without any log.
    Scan {
        /// The component.
        #[arg(long)]
        plugin: PathBuf,
        #[command(flatten)]
        source: ScanSource,
    },
    /// Check, list and try plugins.
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
    #[command(flatten)]
    Chain(ChainCommand),
    /// Compare the topics with what they should be, create them, or print what must exist.
    Topics(TopicsCommand),
    /// Check settings, chain files and plugins, and print what is resolved.
    CheckConfig,
    /// Check whether the log can be reached (exec probe).
    Health,
}

/// What is scanned: a cassette, or a span of a chain.
#[derive(Args)]
pub(crate) struct ScanSource {
    /// A cassette to replay, without a network.
    #[arg(long, conflicts_with_all = ["chain", "from", "to"])]
    pub(crate) cassette: Option<PathBuf>,
    /// The chain file.
    #[arg(long, required_unless_present = "cassette")]
    pub(crate) chain: Option<PathBuf>,
    /// First height.
    #[arg(long, required_unless_present = "cassette")]
    pub(crate) from: Option<u64>,
    /// Last height.
    #[arg(long, required_unless_present = "cassette")]
    pub(crate) to: Option<u64>,
}

#[derive(Subcommand)]
pub(crate) enum PluginCommand {
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
    List,
    /// Show what the running ingestors make of PLUGINS_DIR and CHAINS_DIR.
    Status,
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
