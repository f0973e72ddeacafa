//! `plugin sign` and `plugin verify`: an Ed25519 signature over a component, in `NAME.wasm.sig` beside it.

use crate::digest::digest_of;
use crate::plugin::{Gate, signature_beside};
use anyhow::{Context, anyhow, bail};
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};

/// Signs a component with a private key in PEM; writes the signature beside it.
pub fn sign(component: &Path, key: &Path) -> anyhow::Result<String> {
    let pair = read_key(key)?;
    let bytes = read_component(component)?;
    let path = signature_path(component)?;
    std::fs::write(&path, pair.sign(&bytes).as_ref()).with_context(|| format!("write {}", path.display()))?;
    let public = hex::encode(pair.public_key());
    Ok(format!("wrote {}\nfor PLUGINS_ALLOW, with the ids of the plugins: ed25519:{public}=ID,ID", path.display()))
}

/// Checks the signature beside a component against a list such as `PLUGINS_ALLOW`.
pub fn verify(component: &Path, gate: &Gate) -> anyhow::Result<String> {
    if gate.is_open() {
        bail!("verify it: neither --key nor PLUGINS_ALLOW names a key; pass --key HEX");
    }
    let bytes = read_component(component)?;
    let digest = digest_of(&bytes);
    let signature = signature_beside(component);
    let plugins = gate
        .check(&digest, &bytes, signature.as_deref())
        .map_err(|refused| anyhow!("verify {}: it {refused}", component.display()))?;
    Ok(format!("{}: {digest} may be the plugins: {plugins}", component.display()))
}

fn read_key(path: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let cure = "make one with `openssl genpkey -algorithm ed25519 -out KEY.pem`";
    let key = PrivatePkcs8KeyDer::from_pem_file(path)
        .with_context(|| format!("read the private key in {}; {cure}", path.display()))?;
    // OpenSSL leaves the public key out of the file.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der())
        .map_err(|e| anyhow!("read {}: it holds no Ed25519 key ({e}); {cure}", path.display()))
}

fn read_component(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// `NAME.wasm.sig` beside `NAME.wasm`.
fn signature_path(component: &Path) -> anyhow::Result<PathBuf> {
    let mut name = component.file_name().with_context(|| format!("{} names no file", component.display()))?.to_owned();
    name.push(".sig");
    Ok(component.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenSSL writes it: the private key alone.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
    /// Its public key: the first test vector of RFC 8032.
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn what_is_signed_is_verified_and_what_is_changed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("key.pem"), KEY).unwrap();
        std::fs::write(path("evm.wasm"), b"component").unwrap();
        let gate = Gate::parse(&format!("ed25519:{PUBLIC}=evm")).unwrap();
        let unsigned = verify(&path("evm.wasm"), &gate).unwrap_err().to_string();
        assert!(unsigned.contains("no signature beside it") && unsigned.contains("plugin sign"), "{unsigned}");
        let signed = sign(&path("evm.wasm"), &path("key.pem")).unwrap();
        assert!(signed.contains(&format!("ed25519:{PUBLIC}=")), "{signed}");
        let verified = verify(&path("evm.wasm"), &gate).unwrap();
        assert!(verified.ends_with("may be the plugins: evm"), "{verified}");
        std::fs::write(path("evm.wasm"), b"another").unwrap();
        assert!(verify(&path("evm.wasm"), &gate).unwrap_err().to_string().contains("of none of the 1 keys"));
        assert!(verify(&path("evm.wasm"), &Gate::default()).unwrap_err().to_string().contains("--key"));
        std::fs::write(path("key.pem"), "no key").unwrap();
        let wrong = format!("{:#}", sign(&path("evm.wasm"), &path("key.pem")).unwrap_err());
        assert!(wrong.contains("openssl genpkey"), "{wrong}");
    }
}
