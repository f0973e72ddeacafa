//! `plugin publish` and `plugin install`: a component in an OCI registry, in the layout that registries of WebAssembly share.
//!
//! What is installed has passed the admission of `run`, under the same list of digests and keys.
//!
//! **Decision, 2026-11-30: our own client.** `oci-client` turns on `preserve_order` of `serde_json` for the whole program, which changes
//! the order of fields in whatever is published, and brings 24 crates. A component needs six requests; they are tested on the CNCF's
//! own registry. Price: no identity tokens, no uploads that go on where they stopped.

mod artifact;
mod client;
mod location;

use super::pin::pin;
use super::place::{prepare, put, with_ending};
use crate::digest::digest_of;
use crate::plugin::admit::{MAX_COMPONENT_BYTES, admit_component};
use crate::plugin::{Engine, Gate, admit, signature_beside};
use anyhow::{Context, bail, ensure};
use artifact::{Artifact, Manifest};
use client::Repository;
use location::Location;
use std::path::Path;
use std::sync::Arc;

/// Pushes a component, with the signature beside it where there is one; returns what it is called from now on.
pub async fn publish(file: &Path, place: &str) -> anyhow::Result<String> {
    environment::install_crypto();
    let plugin = admit(&Engine::new(1)?, &Gate::default(), file).await.context("admit the plugin")?;
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let digest = &plugin.detector.digest;
    ensure!(digest_of(&bytes) == *digest, "publish {}: it has changed meanwhile; try again", file.display());
    let location = Location::to_publish(place, &plugin.detector.version)?;
    let mut repository = Repository::at(&location)?;
    let to = |what: &str| format!("{what} {location}");
    let mut signature = signature_beside(file);
    // A version stays what it was; other tags may be moved.
    if location.has_version_as_tag()
        && let Some(there) = repository.manifest().await.with_context(|| to("ask for"))?
    {
        let there = Manifest::parse(&there).and_then(|manifest| manifest.component());
        let there = there.with_context(|| format!("replace {location}, which is there already"))?;
        ensure!(
            there.digest == *digest,
            "publish {location}: it is there with the component {}, and this one has {digest}; raise the version",
            there.digest
        );
        // Nor does it lose its signature.
        signature = signature.or(there.signature);
    }
    let artifact = Artifact::of(&bytes, &plugin.detector, signature.as_deref(), environment::now_ms())?;
    for blob in [&bytes, &artifact.config] {
        repository.push_blob(blob, &digest_of(blob)).await.with_context(|| to("push to"))?;
    }
    let manifest = repository.push_manifest(&artifact.manifest).await.with_context(|| to("push to"))?;
    let signed = match signature {
        Some(_) => "with its signature",
        None => "without a signature: `plugin sign` makes one, then publish again",
    };
    let pinned = format!("{location}@{manifest}");
    Ok(format!("published {pinned}, {signed}\ncomponent {digest}\nto install it: chaintape plugin install {pinned}"))
}

/// What is to be installed.
pub struct Installation<'a> {
    /// Where it is: `REGISTRY/NAME:VERSION`, `REGISTRY/NAME@sha256:HEX`, or both.
    pub place: &'a str,
    /// The folder of plugins.
    pub folder: &'a Path,
    /// Which components are admitted.
    pub gate: &'a Gate,
    /// A chain file that is to name this component and no other.
    pub pin: Option<&'a Path>,
}

/// Pulls a component, admits it and puts it into the folder; returns what was installed.
pub async fn install(wanted: &Installation<'_>) -> anyhow::Result<String> {
    environment::install_crypto();
    let location = Location::to_install(wanted.place)?;
    let mut repository = Repository::at(&location)?;
    let from = || format!("pull {location}");
    let manifest = repository.manifest().await.with_context(from)?;
    let Some(manifest) = manifest else {
        bail!("pull {location}: the registry has no such version; see whether name and version are right");
    };
    let layer = Manifest::parse(&manifest).and_then(|manifest| manifest.component()).with_context(from)?;
    let bytes: Arc<[u8]> = repository.blob(&layer.digest, MAX_COMPONENT_BYTES).await.with_context(from)?.into();
    let signature = layer.signature.as_deref();
    let named = Path::new(wanted.place);
    let admitted = admit_component(&Engine::new(1)?, wanted.gate, named, Arc::clone(&bytes), signature).await;
    let plugin = admitted.context("admit what was pulled")?;
    let (id, digest) = (&plugin.detector.plugin, &plugin.detector.digest);
    let path = wanted.folder.join(format!("{id}-{}.wasm", plugin.version));
    // Whatever may be wrong with the chain file is found before the component is where an ingestor sees it.
    let pinned = wanted.pin.map(|chain| pin(chain, id, &plugin.version, digest)).transpose()?;
    let done = match std::fs::read(&path) {
        Ok(there) if digest_of(&there) == *digest => {
            add_signature(&path, signature, wanted.gate)?;
            "is there already"
        }
        Ok(there) => bail!(
            "install {}: it is there with {}, and what was pulled has {digest}; remove the file first if that is meant",
            path.display(),
            digest_of(&there)
        ),
        Err(_) => {
            std::fs::create_dir_all(wanted.folder).with_context(|| format!("make {}", wanted.folder.display()))?;
            let component = prepare(&path, &bytes)?;
            // The signature comes first: an ingestor looks for it as soon as it sees the component.
            if let Some(signature) = signature {
                put(&with_ending(&path, ".sig"), signature)?;
            }
            component.place()?;
            "is installed"
        }
    };
    let checked = if wanted.gate.is_open() {
        "nothing was asked of it: PLUGINS_ALLOW is empty, and there is no --key"
    } else {
        "its digest or its signature is on the list"
    };
    let mut said = format!("{} {done}: {id} {}, {digest}\n{checked}", path.display(), plugin.version);
    if let (Some(chain), Some((pinned, prepared))) = (wanted.pin, pinned) {
        prepared.place()?;
        said = format!("{said}\n{}: plugin = \"{pinned}\"", chain.display());
    }
    Ok(said)
}

/// Puts the signature that was pulled beside a component that is there already: where there is none, or where it is what lets the
/// component in.
fn add_signature(path: &Path, signature: Option<&[u8]>, gate: &Gate) -> anyhow::Result<()> {
    let there = signature_beside(path);
    match signature {
        Some(signature) if there.is_none() || (!gate.is_open() && there.as_deref() != Some(signature)) => {
            put(&with_ending(path, ".sig"), signature)
        }
        _ => Ok(()),
    }
}
