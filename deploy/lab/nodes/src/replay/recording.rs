//! One recorded block with its receipts, read from a file `{chainId, block, receipts}`, plain or gzipped.

use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A block as the chain's nodes answered it, ready to be served again.
#[derive(Debug)]
pub struct Recording {
    pub(super) chain_id: u64,
    pub(super) height: u64,
    pub(super) hash: String,
    /// With whole transactions.
    pub(super) whole: String,
    /// With transaction hashes only.
    pub(super) slim: String,
    /// All receipts as one array.
    pub(super) receipts: String,
    /// The receipts again, taken apart for logs and single receipts once somebody asks.
    parts: OnceLock<Vec<Value>>,
    /// The receipts in their consensus encoding, made once somebody asks.
    raw: OnceLock<String>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(rename = "chainId")]
    chain_id: u64,
    #[serde(borrow)]
    block: &'a RawValue,
    #[serde(borrow)]
    receipts: &'a RawValue,
}

impl Recording {
    /// Reads the text of a recording.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let file: File = serde_json::from_str(text).context("not a recording")?;
        Self::from_answers(file.chain_id, file.block.get(), file.receipts.get())
    }

    /// Makes a recording of a node's own answers to `eth_getBlockByNumber` and `eth_getBlockReceipts`.
    pub fn from_answers(chain_id: u64, block: &str, receipts: &str) -> anyhow::Result<Self> {
        let mut header: Value = serde_json::from_str(block).context("the block is not JSON")?;
        let _: Vec<&RawValue> = serde_json::from_str(receipts).context("the receipts are no list")?;
        let height = quantity(&header["number"]).context("the block has no number")?;
        let hash = header["hash"].as_str().context("the block has no hash")?.to_owned();
        let Some(transactions) = header["transactions"].as_array_mut() else { bail!("the block has no transactions") };
        for transaction in transactions.iter_mut() {
            if let Some(hash) = transaction.get("hash") {
                *transaction = hash.clone();
            }
        }
        let slim = header.to_string();
        Ok(Self {
            chain_id,
            height,
            hash,
            whole: block.to_owned(),
            slim,
            receipts: receipts.to_owned(),
            parts: OnceLock::new(),
            raw: OnceLock::new(),
        })
    }

    /// Puts one together from texts that fit each other: the block with whole transactions and with hashes, the receipts, and those
    /// in their consensus encoding.
    pub fn from_texts(chain_id: u64, (height, hash): (u64, String), [whole, slim, receipts, raw]: [String; 4]) -> Self {
        Self { chain_id, height, hash, whole, slim, receipts, parts: OnceLock::new(), raw: raw.into() }
    }

    /// The block with transaction hashes only.
    pub fn slim_json(&self) -> &str {
        &self.slim
    }

    /// Its receipts, one by one.
    pub(super) fn parts(&self) -> &[Value] {
        self.parts.get_or_init(|| serde_json::from_str(&self.receipts).unwrap_or_default())
    }

    /// Its receipts in their consensus encoding, as one array of hex.
    pub fn raw_receipts(&self) -> &str {
        self.raw.get_or_init(|| raw(&self.receipts))
    }

    /// Which chain it was recorded on.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The block's number.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The block's hash.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The block with whole transactions, as the node answered it.
    pub fn block_json(&self) -> &str {
        &self.whole
    }

    /// The receipts, as the node answered them.
    pub fn receipts_json(&self) -> &str {
        &self.receipts
    }
}

/// The JSON of receipts in their consensus encoding; `null` where one cannot be encoded.
pub(super) fn raw(receipts: &str) -> String {
    let receipts: Vec<Value> = serde_json::from_str(receipts).unwrap_or_default();
    recordings::raw_receipts(&receipts).map_or(Value::Null, Value::from).to_string()
}

/// All recordings `<chain>_<height>.json[.gz]` of one chain in a folder, lowest first.
pub fn read_all(dir: &Path, chain_id: u64) -> anyhow::Result<Vec<Recording>> {
    let mut recordings = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("no recordings at {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((stem, extension)) = name.split_once('.') else { continue };
        let Some((chain, height)) = stem.split_once('_') else { continue };
        if chain != chain_id.to_string() || height.parse::<u64>().is_err() || !["json", "json.gz"].contains(&extension)
        {
            continue;
        }
        let text = read_file(&path).with_context(|| format!("failed to read {}", path.display()))?;
        recordings.push(Recording::parse(&text).with_context(|| path.display().to_string())?);
    }
    recordings.sort_by_key(|recording| recording.height);
    Ok(recordings)
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let bytes = std::fs::read(path)?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text)?;
    } else {
        bytes.as_slice().read_to_string(&mut text)?;
    }
    Ok(text)
}

/// A JSON-RPC quantity, such as `"0xd59f80"`.
pub(super) fn quantity(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}
