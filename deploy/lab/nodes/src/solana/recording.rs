//! The recorded block: as it is, and cut into its transactions.

use anyhow::Context;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Read;
use std::path::Path;

/// The slot of the block that the repository carries.
pub const SLOT: u64 = 285_000_037;
/// The hash of mainnet's first block.
pub const GENESIS: &str = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";

/// A block as a node answered `getBlock`.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The whole answer.
    pub text: String,
    /// Each transaction of it.
    pub transactions: Vec<String>,
    pub(super) blockhash: String,
    pub(super) previous_blockhash: String,
    pub(super) parent_slot: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockResponse<'a> {
    blockhash: &'a str,
    previous_blockhash: &'a str,
    parent_slot: u64,
    #[serde(borrow)]
    transactions: Vec<&'a RawValue>,
}

impl Recording {
    /// The one that the repository carries.
    pub fn load() -> anyhow::Result<Self> {
        Self::load_from(&crate::replay::blocks_dir())
    }

    /// The same from another folder.
    pub fn load_from(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(format!("solana_{SLOT}.json.gz"));
        let file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).with_context(|| path.display().to_string())?;
        Self::parse(text)
    }

    fn parse(text: String) -> anyhow::Result<Self> {
        let answer: BlockResponse<'_> = serde_json::from_str(&text).context("not an answer of getBlock")?;
        let BlockResponse { blockhash, previous_blockhash, parent_slot, transactions } = answer;
        let (blockhash, previous_blockhash) = (blockhash.to_owned(), previous_blockhash.to_owned());
        let transactions = transactions.into_iter().map(|one| one.get().to_owned()).collect();
        Ok(Self { text, transactions, blockhash, previous_blockhash, parent_slot })
    }
}
