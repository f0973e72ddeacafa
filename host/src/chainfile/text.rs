//! The text of a chain file as it is written, and the checks that turn it into a [`ChainFile`].

use super::address::{AddressText, check_addresses};
use super::{ChainFile, DEFAULT_POLL_MS, Limits, NodeAddress, NodeProxy, Policy, Promote};
use crate::digest::is_digest;
use environment::Secret;
use ingest_domain::Beginning;
use semver::Version;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Milliseconds between two reads of the head, whatever the file says.
const MIN_POLL_MS: u64 = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    id: String,
    plugin: String,
    #[serde(default)]
    endpoints: Vec<AddressText>,
    sockets: Option<Vec<AddressText>>,
    proxy: Option<String>,
    start: Option<StartText>,
    poll_ms: Option<u64>,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    display: BTreeMap<String, String>,
    #[serde(default)]
    providers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StartText {
    Height(u64),
    Word(String),
}

impl Text {
    /// The chain file, or these problems and all others that the text has.
    pub(super) fn check(
        self,
        path: &Path,
        mut secrets: Vec<Secret>,
        mut problems: Vec<String>,
    ) -> Result<ChainFile, Vec<String>> {
        if !is_id(&self.id) {
            problems.push(format!("id `{}` must be lower-case letters, digits and hyphens", self.id));
        }
        let addresses = |texts: Vec<AddressText>| texts.into_iter().map(NodeAddress::from).collect::<Vec<_>>();
        let (endpoints, sockets) = (addresses(self.endpoints), self.sockets.map(addresses));
        check_addresses("endpoints", &endpoints, ["http://", "https://"], &mut problems);
        check_addresses("sockets", sockets.as_deref().unwrap_or_default(), ["ws://", "wss://"], &mut problems);
        let proxy = NodeProxy::parse(self.proxy, &mut problems);
        let start = beginning(self.start, &mut problems);
        let (plugin, pinned, pinned_digest) = plugin_and_version(&self.plugin, &mut problems);
        if self.policy.promote == Promote::Manual && !self.plugin.contains('@') {
            problems.push(format!("policy.promote is \"manual\", so plugin must name a version: {plugin}@1.4.0"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let endpoints: Vec<NodeAddress> = endpoints.into_iter().filter(|endpoint| !endpoint.url.is_empty()).collect();
        let names_sockets = sockets.is_some();
        let same_or_beside = || {
            // `http` becomes `ws`, `https` becomes `wss`.
            let same = |node: &NodeAddress| NodeAddress { url: node.url.replacen("http", "ws", 1), ..node.clone() };
            endpoints.iter().map(same).chain(endpoints.iter().filter_map(socket_beside)).collect()
        };
        let sockets: Vec<NodeAddress> = sockets.unwrap_or_else(same_or_beside);
        // The longest first, so that no rest of it stays.
        let of_headers = endpoints.iter().chain(&sockets).flat_map(NodeAddress::header_secrets).map(Secret::new);
        secrets.extend(of_headers);
        if let NodeProxy::Through(proxy) = &proxy {
            secrets.push(proxy.clone());
        }
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Ok(ChainFile {
            path: path.to_owned(),
            id: self.id,
            plugin,
            pinned,
            pinned_digest,
            sockets,
            names_sockets,
            endpoints,
            proxy,
            start,
            poll_ms: self.poll_ms.unwrap_or(DEFAULT_POLL_MS).max(MIN_POLL_MS),
            settings: serde_json::to_string(&self.settings).unwrap_or_else(|_| "{}".to_owned()),
            limits: self.limits,
            policy: self.policy,
            display: self.display,
            providers: self.providers,
            secrets,
        })
    }
}

/// The next port, where Geth and its forks have their WebSocket: of addresses that hold nothing but host and port, so that no
/// other service ever sees a key.
fn socket_beside(node: &NodeAddress) -> Option<NodeAddress> {
    let (scheme, rest) = node.url.split_once("://")?;
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let is_bare = !host.contains(['/', '?', '#', '@']) && !host.is_empty() && node.headers.is_empty();
    let next = port.checked_add(1).filter(|_| is_bare)?;
    Some(NodeAddress::from(format!("{}://{host}:{next}", scheme.replacen("http", "ws", 1)).as_str()))
}

/// Whether a text can be a chain's id.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn beginning(start: Option<StartText>, problems: &mut Vec<String>) -> Beginning {
    match start {
        None => Beginning::Latest,
        Some(StartText::Height(height)) => Beginning::Height(height),
        Some(StartText::Word(word)) if word == "latest" => Beginning::Latest,
        Some(StartText::Word(word)) if word == "finalized" => Beginning::Finalized,
        Some(StartText::Word(word)) => {
            problems.push(format!("start is `{word}` and must be \"latest\", \"finalized\" or a height"));
            Beginning::Latest
        }
    }
}

/// The plugin's id, the version where the text pins one, `evm@1.4.0`, and the component's digest where it pins that too:
/// `evm@1.4.0@sha256:HEX`.
fn plugin_and_version(text: &str, problems: &mut Vec<String>) -> (String, Option<Version>, Option<String>) {
    let Some((plugin, pinned)) = text.split_once('@') else { return (text.to_owned(), None, None) };
    let (version, digest) = pinned.split_once('@').map_or((pinned, None), |(version, digest)| (version, Some(digest)));
    let parsed = Version::parse(version);
    if let Err(e) = &parsed {
        problems.push(format!("plugin version `{version}`: {e}; it is like evm@1.4.0"));
    }
    let digest = digest.map(str::to_ascii_lowercase);
    if let Some(wrong) = digest.as_ref().filter(|digest| !is_digest(digest)) {
        problems.push(format!(
            "plugin digest `{wrong}` must be sha256: and 64 hex digits; it is like evm@1.4.0@sha256:HEX"
        ));
    }
    (plugin.to_owned(), parsed.ok(), digest)
}
