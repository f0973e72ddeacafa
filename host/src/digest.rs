//! How a component is named by what it is: `sha256:` and 64 hex digits, on the tape, in chain files and in registries.

use sha2::{Digest, Sha256};

/// The digest of bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Whether a text is a digest as [`digest_of`] writes one.
pub(crate) fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let empty = digest_of(b"");
        assert_eq!(empty, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(is_digest(&empty));
        for wrong in
            ["", "sha256:", "sha256:0a", &empty[7..], &empty[..70], &empty.to_uppercase(), &format!("{empty}0")]
        {
            assert!(!is_digest(wrong), "{wrong}");
        }
    }
}
