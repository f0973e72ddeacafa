//! The list in `PLUGINS_ALLOW`: which components may be admitted, by digest or by a key that signs them, and which
//! plugins each key may sign.

use super::verdict::{Stage, Verdict};
use ring::signature::{ED25519, UnparsedPublicKey};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// What stands for every plugin.
const EVERY_PLUGIN: &str = "*";

/// The list. An empty one admits every component.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    digests: BTreeSet<String>,
    keys: Vec<SigningKey>,
}

#[derive(Clone, Debug)]
struct SigningKey {
    public: Vec<u8>,
    /// The plugins that it may sign; none where the list names none.
    plugins: Option<Plugins>,
}

/// Which plugins a component may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plugins {
    /// Any.
    Every,
    /// Those with these ids.
    Ids(BTreeSet<String>),
}

impl Plugins {
    /// Whether a plugin of an id is among them.
    pub fn contain(&self, id: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Ids(ids) => ids.contains(id),
        }
    }

    fn add(&mut self, id: &str) {
        match self {
            _ if id == EVERY_PLUGIN => *self = Self::Every,
            Self::Every => {}
            Self::Ids(ids) => {
                ids.insert(id.to_owned());
            }
        }
    }
}

impl fmt::Display for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str(EVERY_PLUGIN),
            Self::Ids(ids) => f.write_str(&ids.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}

impl Gate {
    /// Reads a list, separated by commas: `sha256:HEX`, and `ed25519:HEX=ID,ID` or `ed25519:HEX=*` (the 32 bytes of a
    /// public key and the plugins that it may sign).
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut gate = Self::default();
        let mut ids_may_follow = false;
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let bytes = |hex: &str| hex::decode(hex).ok().filter(|bytes| bytes.len() == 32);
            match entry.split_once(':') {
                Some(("sha256", hex)) if bytes(hex).is_some() => {
                    gate.digests.insert(entry.to_ascii_lowercase());
                    ids_may_follow = false;
                }
                Some(("ed25519", key)) => {
                    let (hex, id) = key.split_once('=').map_or((key, None), |(hex, id)| (hex, Some(id.trim())));
                    let public =
                        bytes(hex.trim()).ok_or_else(|| format!("holds `{entry}`, whose key is not 64 hex digits"))?;
                    ids_may_follow = id.is_some();
                    let plugins = id.map(|id| checked_id(entry, id).map(|id| plugins_from(&id))).transpose()?;
                    gate.keys.push(SigningKey { public, plugins });
                }
                None if ids_may_follow => {
                    let id = checked_id(entry, entry)?;
                    if let Some(SigningKey { plugins: Some(plugins), .. }) = gate.keys.last_mut() {
                        plugins.add(&id);
                    }
                }
                _ => {
                    return Err(format!(
                        "holds `{entry}`, but must hold sha256:HEX and ed25519:HEX=ID,ID, with 64 hex digits each"
                    ));
                }
            }
        }
        Ok(gate)
    }

    /// Whether it admits every component.
    pub fn is_open(&self) -> bool {
        self.digests.is_empty() && self.keys.is_empty()
    }

    /// The first key that the list binds to no plugin.
    pub fn unbound_key(&self) -> Option<String> {
        self.keys.iter().find(|key| key.plugins.is_none()).map(|key| format!("ed25519:{}", hex::encode(&key.public)))
    }

    /// Checks that a component is on the list, by its digest or by a signature over its bytes; returns which plugins it
    /// may be.
    pub fn check(&self, digest: &str, bytes: &[u8], signature: Option<&[u8]>) -> Result<Plugins, Verdict> {
        if self.is_open() || self.digests.contains(digest) {
            return Ok(Plugins::Every);
        }
        let why = match signature {
            Some(signature) => match self.signed_plugins(bytes, signature) {
                Some(plugins) => return Ok(plugins),
                None => format!("has a signature, but of none of the {} keys that are allowed", self.keys.len()),
            },
            None => format!("has the digest {digest}, which is not allowed, and no signature beside it"),
        };
        let fix = "add the digest to PLUGINS_ALLOW, or sign the file with a key that is there: `plugin sign --key KEY.pem FILE`";
        Err(Verdict::new(Stage::Digest, why, fix))
    }

    /// What the keys that made a signature may sign; none where no key made it.
    fn signed_plugins(&self, bytes: &[u8], signature: &[u8]) -> Option<Plugins> {
        let made = |key: &&SigningKey| UnparsedPublicKey::new(&ED25519, &key.public).verify(bytes, signature).is_ok();
        let mut signed: Option<Plugins> = None;
        for key in self.keys.iter().filter(made) {
            let all = signed.get_or_insert_with(|| Plugins::Ids(BTreeSet::new()));
            match &key.plugins {
                None | Some(Plugins::Every) => *all = Plugins::Every,
                Some(Plugins::Ids(ids)) => ids.iter().for_each(|id| all.add(id)),
            }
        }
        signed
    }
}

fn plugins_from(id: &str) -> Plugins {
    let mut plugins = Plugins::Ids(BTreeSet::new());
    plugins.add(id);
    plugins
}

/// Checks the id of a plugin in an entry of the list.
fn checked_id(entry: &str, id: &str) -> Result<String, String> {
    if id == EVERY_PLUGIN || super::admit::is_plugin_id(id) {
        return Ok(id.to_owned());
    }
    Err(format!(
        "holds `{entry}`, but a plugin's id is lower-case letters, digits and hyphens, or `*` for every plugin"
    ))
}

/// The detached signature in `NAME.wasm.sig`: 64 bytes, raw or as hex.
pub fn signature_beside(path: &Path) -> Option<Vec<u8>> {
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
    fn a_key_signs_only_the_plugins_that_the_list_binds_it_to() {
        let pair = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref());
        let pair = pair.unwrap();
        let (key, signature) = (hex::encode(pair.public_key()), pair.sign(b"component"));
        let other = "11".repeat(32);
        let may_be = |list: &str| {
            let gate = Gate::parse(list).unwrap();
            assert_eq!(gate.unbound_key().is_some(), list == format!("ed25519:{key}"), "{list}");
            gate.check("sha256:1", b"component", Some(signature.as_ref())).unwrap().to_string()
        };
        assert_eq!(may_be(&format!("ed25519:{key}=evm, solana")), "evm,solana");
        assert_eq!(may_be(&format!("{DIGEST},ed25519:{key}=evm,ed25519:{other}=mock,{DIGEST}")), "evm");
        assert_eq!(may_be(&format!("ed25519:{key}=evm,ed25519:{key}=solana")), "evm,solana");
        assert_eq!(may_be(&format!("ed25519:{key}=evm,*")), "*");
        assert_eq!(may_be(&format!("ed25519:{key}=*,evm")), "*");
        assert_eq!(may_be(&format!("ed25519:{key}")), "*", "without ids");
        assert!(!plugins_from("evm").contain("mock") && plugins_from("*").contain("mock"));
    }

    #[test]
    fn a_wrong_list_is_named() {
        for bad in [
            "sha256:12",
            "ed25519:zz",
            "md5:00",
            "plain",
            &format!("ed25519:{}=EVM", "00".repeat(32)),
            &format!("ed25519:{}=", "00".repeat(32)),
        ] {
            assert!(Gate::parse(bad).unwrap_err().contains(bad), "{bad}");
        }
    }
}
