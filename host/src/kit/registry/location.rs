//! Where a component lies in a registry: `REGISTRY/NAME:TAG`, `REGISTRY/NAME@sha256:HEX`, or both.

use crate::digest::is_digest;
use anyhow::{bail, ensure};
use semver::Version;
use std::fmt;
use std::net::IpAddr;

/// What a right one looks like.
const EXAMPLE: &str = "it is like registry.example.com/plugins/my-chain:0.1.0";
/// Characters of a tag.
const MAX_TAG_CHARACTERS: usize = 128;

/// A place in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// Host, and port where there is one.
    pub(super) registry: String,
    /// Path of the repository.
    pub(super) repository: String,
    /// A name that its owner may move.
    pub(super) tag: Option<String>,
    /// The manifest's digest, `sha256:HEX`.
    pub(super) digest: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl Location {
    /// Reads one.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
        let Some((registry, path)) = named.split_once('/') else {
            bail!("read the place `{text}`: it names no registry; {EXAMPLE}");
        };
        // A name without dot and port is a folder of some registry that nobody named.
        let names_registry = registry.contains(['.', ':']) || registry == "localhost";
        ensure!(names_registry && is_host(registry), "read the place `{text}`: `{registry}` is no registry; {EXAMPLE}");
        let (repository, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        let is_path = repository.split('/').all(is_path_component);
        ensure!(
            is_path,
            "read the place `{text}`: `{repository}` must be lower-case letters, digits, `-`, `_` and `.`; {EXAMPLE}"
        );
        if let Some(tag) = tag {
            ensure!(
                is_tag(tag),
                "read the place `{text}`: the tag `{tag}` must be letters, digits, `-`, `_` and `.`; {EXAMPLE}"
            );
        }
        if let Some(digest) = digest {
            ensure!(is_digest(digest), "read the place `{text}`: the digest must be sha256: and 64 hex digits");
        }
        let [tag, digest] = [tag, digest].map(|it| it.map(str::to_owned));
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }

    /// Where a component is to be published; its version is the tag unless another is named.
    pub(super) fn to_publish(text: &str, version: &str) -> anyhow::Result<Self> {
        let location = Self::parse(text)?;
        ensure!(location.digest.is_none(), "publish to {text}: a digest is what comes of it; name REGISTRY/NAME:TAG");
        let own = tag_of(version);
        let tag = location.tag.clone().unwrap_or_else(|| own.clone());
        let location = Self { tag: Some(tag), ..location };
        ensure!(
            !location.has_version_as_tag() || location.tag.as_deref().map(bare) == Some(&*own),
            "publish to {text}: its tag is a version, and the component says that it is {version}; leave the tag out, or name \
             one that is no version, such as edge"
        );
        Ok(location)
    }

    /// Whether the tag is a version, which stays what it was.
    pub(super) fn has_version_as_tag(&self) -> bool {
        let version = self.tag.as_ref().map(|tag| bare(tag).replacen('_', "+", 1));
        version.is_some_and(|version| Version::parse(&version).is_ok())
    }

    /// Where a component is to be pulled from.
    pub(super) fn to_install(text: &str) -> anyhow::Result<Self> {
        let location = Self::parse(text)?;
        let is_definite = location.tag.is_some() || location.digest.is_some();
        ensure!(is_definite, "install {text}: name a version or a digest, such as {text}:0.1.0 or {text}@sha256:HEX");
        Ok(location)
    }

    /// What the manifest is asked for by: the digest where one is named.
    pub(super) fn manifest(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or_default()
    }

    /// Where the registry answers. Nothing leaves this machine on loopback; everywhere else it is encrypted.
    pub(super) fn base_url(&self) -> String {
        // Docker's own registry is not at the address that it is named by.
        let host = if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry };
        let scheme = if is_loopback(host) { "http" } else { "https" };
        format!("{scheme}://{host}/v2/{}", self.repository)
    }

    /// Whether the registry is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.registry)
    }
}

/// A tag without the `v` that some write before a version.
fn bare(tag: &str) -> &str {
    tag.strip_prefix('v').unwrap_or(tag)
}

/// The tag of a version: one has no `+`.
fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// Whether a host, with or without a port, is this machine.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_host(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

fn is_path_component(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.into_iter().all(|end| end.is_some_and(is_letter))
        && text.bytes().all(|byte| is_letter(byte) || b"._-".contains(&byte))
}

fn is_tag(text: &str) -> bool {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    begins
        && text.len() <= MAX_TAG_CHARACTERS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_its_registry_and_what_is_installed_is_definite() {
        let published = |text: &str| {
            Location::to_publish(text, "0.2.0+one").map(|it| it.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(published("ghcr.io/me/comet").unwrap(), "ghcr.io/me/comet:0.2.0_one");
        assert_eq!(published("localhost/comet:latest").unwrap(), "localhost/comet:latest");
        for wrong in
            ["comet", "me/comet:1", "ghcr.io/ME", "ghcr.io/", "ghcr.io/a//b", "ghcr.io/a:", "ghcr.io/a:b c", "x.y@z/a"]
        {
            let refused = published(wrong).unwrap_err();
            assert!(refused.contains("registry.example.com/plugins/my-chain:0.1.0"), "{wrong}: {refused}");
        }
        for other in ["0.2.0", "v0.1.0", "0.2.0_two", "0.2.0-one"] {
            let refused = published(&format!("ghcr.io/me/comet:{other}")).unwrap_err();
            assert!(refused.contains("says that it is 0.2.0+one"), "{other}: {refused}");
        }
        for own in ["0.2.0_one", "v0.2.0_one", "edge", "0.2", "vnext"] {
            published(&format!("ghcr.io/me/comet:{own}")).unwrap();
        }
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(published(&format!("ghcr.io/me/comet@{digest}")).unwrap_err().contains("REGISTRY/NAME:TAG"));
        assert!(published("ghcr.io/me/comet@sha256:A").unwrap_err().contains("64 hex digits"));
        let vague = Location::to_install("ghcr.io/me/comet").unwrap_err().to_string();
        assert!(vague.contains("ghcr.io/me/comet:0.1.0"), "{vague}");
        let exact = Location::to_install(&format!("127.0.0.1:5000/comet:0.2.0@{digest}")).unwrap();
        assert_eq!((exact.tag.as_deref(), exact.manifest()), (Some("0.2.0"), digest.as_str()));
        assert_eq!(exact.to_string(), format!("127.0.0.1:5000/comet:0.2.0@{digest}"));
    }

    #[test]
    fn only_this_machine_is_talked_to_without_encryption() {
        let base = |text: &str| Location::parse(text).unwrap().base_url();
        assert_eq!(base("localhost:5000/a"), "http://localhost:5000/v2/a");
        assert_eq!(base("127.0.0.1:5000/a/b"), "http://127.0.0.1:5000/v2/a/b");
        assert_eq!(base("[::1]:5000/a"), "http://[::1]:5000/v2/a");
        for elsewhere in ["ghcr.io", "127.0.0.1.example.com:80", "10.0.0.1:5000", "localhost.example.com"] {
            assert_eq!(base(&format!("{elsewhere}/a")), format!("https://{elsewhere}/v2/a"));
        }
        assert_eq!(base("docker.io/me/a"), "https://registry-1.docker.io/v2/me/a");
    }
}
