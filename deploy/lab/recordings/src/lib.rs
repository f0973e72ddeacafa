//! Recorded mainnet data for tests: files of this repository, unpacked when read, and the folder of those that may not be copied.
//!
//! ```
//! let block = recordings::read_text("evm/blocks/1_18000000.json")?; // kept as evm/blocks/1_18000000.json.gz
//! assert!(block.contains("chainId"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod raw;
mod truth;

pub use raw::raw_receipts;
pub use truth::{TRUTH_FILE, Truth};

use std::io::{Error, Read, Result};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// The extension that every recording of this repository has after its name.
const PACKED: &str = ".gz";

/// Unpacks one recording of this repository, such as `evm/blocks/1_18000000.json`.
pub fn read_text(name: &str) -> Result<String> {
    let path = folder().join(format!("{name}{PACKED}"));
    let unpack = || {
        let mut text = String::new();
        GzDecoder::new(std::fs::File::open(&path)?).read_to_string(&mut text)?;
        Ok(text)
    };
    unpack().map_err(|e: Error| Error::new(e.kind(), format!("cannot read the recording {}: {e}", path.display())))
}

/// The names of all recordings in a folder of this repository, such as `evm/blocks`, sorted and without `.gz`.
pub fn names_in(dir: &str) -> Result<Vec<String>> {
    let path = folder().join(dir);
    let listed = std::fs::read_dir(&path)
        .map_err(|e| Error::new(e.kind(), format!("cannot list the recordings in {}: {e}", path.display())))?;
    let mut names = Vec::new();
    for entry in listed {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(PACKED).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The folder of recordings that may not be copied into a repository: the one that `CHAINTAPE_FIXTURES` names, else
/// `../shared/fixtures` beside the clone; none, with a line printed, where there is no such folder.
///
/// # Panics
/// Where `CHAINTAPE_FIXTURES` names something that is no folder: a test must not be skipped because of a typing error.
pub fn fixtures() -> Option<PathBuf> {
    let named = std::env::var_os("CHAINTAPE_FIXTURES").filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named {
        assert!(folder.is_dir(), "CHAINTAPE_FIXTURES names {}, which is no folder", folder.display());
        return Some(folder);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures");
    if beside.is_dir() {
        return Some(beside);
    }
    println!("skipped: CHAINTAPE_FIXTURES is not set and there is no folder {}", beside.display());
    None
}

/// Where the recordings of this repository are.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recording_of_this_repository_can_be_unpacked() {
        for (dir, files) in [("evm/blocks", 23), ("evm/receipts-2025", 8), ("solana/block", 2)] {
            let names = names_in(dir).unwrap();
            assert_eq!(names.len(), files, "{dir}: {names:?}");
            for name in names {
                let text = read_text(&format!("{dir}/{name}")).unwrap();
                assert!(text.starts_with(['{', '[']), "{dir}/{name} is JSON");
            }
        }
    }

    #[test]
    fn a_missing_recording_is_named_in_the_error() {
        let error = read_text("evm/blocks/1_7.json").unwrap_err().to_string();
        assert!(error.contains("evm/blocks/1_7.json.gz"), "{error}");
    }
}
