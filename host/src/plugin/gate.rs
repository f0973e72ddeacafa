//! The list in `PLUGINS_ALLOW`: which components may be admitted, by digest or by a key that signs them.

use super::verdict::{Stage, Verdict};
use ring::signature::{ED25519, UnparsedPublicKey};
use std::collections::BTreeSet;
use std::path::Path;

/// The list. An empty one admits every component.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    digests: BTreeSet<String>,
    keys: Vec<Vec<u8>>,
}

impl Gate {
    /// Reads a list: `sha256:HEX` and `ed25519:HEX` (the 32 bytes of a public key), separated by commas.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut gate = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let bytes = |hex: &str| hex::decode(hex).ok().filter(|bytes| bytes.len() == 32);
            match entry.split_once(':') {
                Some(("sha256", hex)) if bytes(hex).is_some() => {
                    gate.digests.insert(entry.to_ascii_lowercase());
                }
                Some(("ed25519", hex)) => match bytes(hex) {
                    Some(key) => gate.keys.push(key),
                    None => return Err(format!("holds `{entry}`, whose key is not 64 hex digits")),
                },
                _ => return Err(format!("holds `{entry}`, but must hold sha256:HEX and ed25519:HEX of 64 digits")),
            }
        }
        Ok(gate)
    }

    /// Checks that a component is on the list, by its digest or by a signature over its bytes.
    pub(super) fn check(&self, digest: &str, bytes: &[u8], signature: Option<&[u8]>) -> Result<(), Verdict> {
        if (self.digests.is_empty() && self.keys.is_empty()) || self.digests.contains(digest) {
            return Ok(());
        }
        let signed = |signature: &[u8]| {
            self.keys.iter().any(|key| UnparsedPublicKey::new(&ED25519, key).verify(bytes, signature).is_ok())
        };
        let why = match signature {
            Some(signature) if signed(signature) => return Ok(()),
            Some(_) => format!("has a signature, but of none of the {} keys in PLUGINS_ALLOW", self.keys.len()),
            None => format!("has the digest {digest}, which is not in PLUGINS_ALLOW, and no signature beside it"),
        };
        let fix = "add the digest to PLUGINS_ALLOW, or put an Ed25519 signature over the file into NAME.wasm.sig";
        Err(Verdict::new(Stage::Digest, why, fix))
    }
}

/// The detached signature in `NAME.wasm.sig`: 64 bytes, raw or as hex.
pub(super) fn signature_beside(path: &Path) -> Option<Vec<u8>> {
    let mut name = path.file_name()?.to_owned();
    name.push(".sig");
    let bytes = std::fs::read(path.with_file_name(name)).ok()?;
    if bytes.len() == 64 {
        return Some(bytes);
    }
    hex::decode(String::from_utf8(bytes).ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn an_empty_list_admits_every_component() {
        assert!(Gate::parse(" , ").unwrap().check("sha256:1", b"x", None).is_ok());
    }

    #[test]
    fn a_listed_digest_is_admitted_and_another_is_refused_with_the_reason() {
        let gate = Gate::parse(DIGEST).unwrap();
        assert!(gate.check(DIGEST, b"x", None).is_ok());
        let refused = gate.check("sha256:other", b"x", None).unwrap_err();
        assert_eq!(refused.stage, Stage::Digest);
        assert!(refused.why.contains("sha256:other"), "{refused}");
    }

    #[test]
    fn a_signature_admits_only_the_bytes_it_was_made_for() {
        let pair = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref());
        let pair = pair.unwrap();
        let gate = Gate::parse(&format!("ed25519:{}", hex::encode(pair.public_key()))).unwrap();
        let signature = pair.sign(b"component");
        assert!(gate.check("sha256:1", b"component", Some(signature.as_ref())).is_ok());
        assert!(gate.check("sha256:1", b"another", Some(signature.as_ref())).is_err());
        assert!(gate.check("sha256:1", b"component", Some(&[0; 64])).is_err());
        assert!(gate.check("sha256:1", b"component", None).is_err());
    }

    #[test]
    fn a_wrong_list_is_named() {
        for bad in ["sha256:12", "ed25519:zz", "md5:00", "plain"] {
            assert!(Gate::parse(bad).unwrap_err().contains(bad), "{bad}");
        }
    }
}
