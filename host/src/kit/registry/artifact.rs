//! A component as an artifact: the CNCF's "Wasm OCI artifact", one layer `application/wasm` under a config that lists what the component
//! imports and exports. The signature of `plugin sign` is an annotation of the layer.

use super::client::MANIFEST_MEDIA_TYPE;
use crate::digest::{digest_of, is_digest};
use crate::plugin::admit::MAX_COMPONENT_BYTES;
use anyhow::{Context, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tape::Detector;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wit_component::DecodedWasm;

/// What the config of the artifact is.
const CONFIG_MEDIA_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// What its layer is: a component.
const LAYER_MEDIA_TYPE: &str = "application/wasm";
/// The annotation of the layer that holds the Ed25519 signature over it, 128 hex digits.
const SIGNATURE_ANNOTATION: &str = "chaintape.signature.ed25519";
/// Bytes of such a signature.
const SIGNATURE_BYTES: usize = 64;
/// Annotations that every tool shows.
const TITLE_ANNOTATION: &str = "org.opencontainers.image.title";
const VERSION_ANNOTATION: &str = "org.opencontainers.image.version";

/// What an artifact consists of.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u8,
    #[serde(default = "manifest_media_type")]
    media_type: String,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// A blob of it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// The config, as the CNCF's layout has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: String,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<String>,
    component: World,
}

/// What a component imports and exports, by name.
#[derive(Serialize)]
struct World {
    exports: Vec<String>,
    imports: Vec<String>,
}

/// An artifact that is to be pushed.
pub(super) struct Artifact {
    /// The bytes of the config.
    pub(super) config: Vec<u8>,
    /// The bytes of the manifest.
    pub(super) manifest: Vec<u8>,
}

/// The component within an artifact.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// Its digest: that of the component.
    pub(super) digest: String,
    /// The signature over it, where it has one.
    pub(super) signature: Option<Vec<u8>>,
}

impl Artifact {
    /// The artifact of a component.
    pub(super) fn of(
        component: &[u8],
        plugin: &Detector,
        signature: Option<&[u8]>,
        now_ms: u64,
    ) -> anyhow::Result<Self> {
        let now = OffsetDateTime::from_unix_timestamp(i64::try_from(now_ms / 1_000)?)?;
        let config = Config {
            created: now.format(&Rfc3339)?,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: vec![plugin.digest.clone()],
            component: world_of(component)?,
        };
        let config = serde_json::to_vec(&config)?;
        let annotated = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let file = format!("{}-{}.wasm", plugin.plugin, plugin.version);
        let mut of_layer = annotated(&[(TITLE_ANNOTATION, file.as_str())]);
        of_layer.extend(signature.map(|bytes| (SIGNATURE_ANNOTATION.to_owned(), hex::encode(bytes))));
        let described = |kind: &str, digest: String, bytes: &[u8], annotations| Descriptor {
            media_type: kind.to_owned(),
            digest,
            size: bytes.len() as u64,
            annotations,
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: manifest_media_type(),
            config: Some(described(CONFIG_MEDIA_TYPE, digest_of(&config), &config, BTreeMap::new())),
            layers: vec![described(LAYER_MEDIA_TYPE, plugin.digest.clone(), component, of_layer)],
            annotations: annotated(&[
                (TITLE_ANNOTATION, plugin.plugin.as_str()),
                (VERSION_ANNOTATION, plugin.version.as_str()),
            ]),
        };
        Ok(Self { manifest: serde_json::to_vec(&manifest)?, config })
    }
}

impl Manifest {
    /// Reads the bytes of one.
    pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(bytes).context("read the manifest")
    }

    /// The one component of the artifact.
    pub(super) fn component(&self) -> anyhow::Result<Layer> {
        let kind = &self.media_type;
        ensure!(
            kind == MANIFEST_MEDIA_TYPE,
            "read the artifact: its manifest is {kind}, and a plugin is one artifact of one component"
        );
        let kind = self.config.as_ref().map_or("missing", |config| config.media_type.as_str());
        ensure!(
            kind == CONFIG_MEDIA_TYPE,
            "read the artifact: its config is {kind}, and that of a component is {CONFIG_MEDIA_TYPE}"
        );
        let [layer] = &self.layers[..] else {
            bail!("read the artifact: it has {} layers, and a plugin is one component", self.layers.len());
        };
        let Descriptor { media_type: kind, size, digest, annotations } = layer;
        ensure!(
            kind == LAYER_MEDIA_TYPE,
            "read the artifact: its layer is {kind}, and a component is {LAYER_MEDIA_TYPE}"
        );
        ensure!(
            *size <= MAX_COMPONENT_BYTES,
            "read the artifact: it says {size} bytes, and a plugin has at most {MAX_COMPONENT_BYTES}"
        );
        ensure!(is_digest(digest), "read the artifact: `{digest}` is no digest of a layer");
        let signature = annotations.get(SIGNATURE_ANNOTATION).map(hex::decode).transpose();
        let signature: Option<Vec<u8>> = signature.context("read the artifact: its signature is no hex")?;
        let bytes = signature.as_ref().map_or(SIGNATURE_BYTES, Vec::len);
        ensure!(
            bytes == SIGNATURE_BYTES,
            "read the artifact: its signature has {bytes} bytes, and one has {SIGNATURE_BYTES}"
        );
        Ok(Layer { digest: digest.clone(), signature })
    }
}

fn manifest_media_type() -> String {
    MANIFEST_MEDIA_TYPE.to_owned()
}

/// What a component imports and exports.
fn world_of(component: &[u8]) -> anyhow::Result<World> {
    let decoded = wit_component::decode(component).map_err(|why| anyhow!("{why:#}")).context("read the component")?;
    let DecodedWasm::Component(resolve, world) = decoded else { bail!("read the component: it is a package of WIT") };
    let world = &resolve.worlds[world];
    let exports = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    Ok(World { exports, imports })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const MOCK: &[u8] = include_bytes!("../../../tests/fixtures/wit-1.1.0-mock-0.1.0.wasm");

    fn detector() -> Detector {
        Detector { plugin: "mock".to_owned(), version: "0.1.0".to_owned(), digest: digest_of(MOCK) }
    }

    #[test]
    fn an_artifact_is_as_registries_of_components_have_it() {
        let artifact = Artifact::of(MOCK, &detector(), Some(&[7; 64]), 1_800_000_000_000).unwrap();
        let manifest: Value = serde_json::from_slice(&artifact.manifest).unwrap();
        let digest = digest_of(MOCK);
        assert_eq!(manifest["schemaVersion"], 2);
        assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
        assert_eq!(manifest["config"]["digest"], digest_of(&artifact.config));
        assert_eq!(manifest["config"]["size"], artifact.config.len());
        let layer = &manifest["layers"][0];
        assert_eq!((&layer["mediaType"], &layer["digest"]), (&json!("application/wasm"), &json!(digest)));
        assert_eq!(layer["annotations"]["org.opencontainers.image.title"], "mock-0.1.0.wasm");
        let config: Value = serde_json::from_slice(&artifact.config).unwrap();
        assert_eq!(config["created"], "2027-01-15T08:00:00Z");
        assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
        assert_eq!(config["layerDigests"], json!([digest]));
        let exports = config["component"]["exports"].as_array().unwrap();
        assert!(exports.contains(&json!("chaintape:plugin/chain@1.1.0")), "{exports:?}");
        let read = Manifest::parse(&artifact.manifest).unwrap().component().unwrap();
        assert_eq!(read, Layer { digest, signature: Some(vec![7; 64]) });
    }

    #[test]
    fn what_is_no_component_is_named() {
        let good = Artifact::of(MOCK, &detector(), None, 0).unwrap().manifest;
        let good: Value = serde_json::from_slice(&good).unwrap();
        let refused = |path: &str, value: Value| {
            let mut manifest = good.clone();
            *manifest.pointer_mut(path).unwrap() = value;
            let read = Manifest::parse(manifest.to_string().as_bytes()).and_then(|manifest| manifest.component());
            format!("{:#}", read.unwrap_err())
        };
        assert!(refused("/mediaType", json!("application/vnd.oci.image.index.v1+json")).contains("one artifact"));
        let image = "application/vnd.oci.image.config.v1+json";
        assert!(refused("/config/mediaType", json!(image)).contains(image));
        assert!(refused("/layers", json!([])).contains("0 layers"));
        assert!(refused("/layers/0/mediaType", json!("text/plain")).contains("text/plain"));
        assert!(refused("/layers/0/size", json!(65 << 20)).contains("at most"));
        assert!(refused("/layers/0/size", json!(-1)).contains("read the manifest"));
        assert!(refused("/layers/0/digest", json!("sha256:../../x")).contains("no digest"));
        for (signature, why) in [("not hex", "no hex"), ("00ff", "has 2 bytes, and one has 64")] {
            let mut manifest = good.clone();
            manifest["layers"][0]["annotations"] = json!({ "chaintape.signature.ed25519": signature });
            let read = Manifest::parse(manifest.to_string().as_bytes()).unwrap().component();
            assert!(read.unwrap_err().to_string().contains(why), "{signature}");
        }
    }
}
