//! Where the nodes of a chain are: their addresses, the headers that each wants, and the proxy on the way.

use environment::Secret;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Headers that belong to the connection, not to whoever asks.
const CONNECTION_HEADERS: [&str; 8] = [
    "host",
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "sec-websocket-key",
    "sec-websocket-version",
];

/// One node: its address, and the headers of each request to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAddress {
    /// Where it is; may hold a key.
    pub url: String,
    /// What it wants to be told with each request, such as `Authorization`; by name.
    pub headers: BTreeMap<String, Secret>,
}

impl From<&str> for NodeAddress {
    fn from(url: &str) -> Self {
        Self { url: url.to_owned(), headers: BTreeMap::new() }
    }
}

impl NodeAddress {
    /// Its headers as they are sent; those that cannot be were refused with the chain file.
    pub(crate) fn header_map(&self) -> HeaderMap {
        let header = |(name, value): (&String, &Secret)| {
            let mut value = HeaderValue::try_from(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name).ok()?, value))
        };
        self.headers.iter().filter_map(header).collect()
    }

    /// What of its headers must not be shown: each value, and what follows a scheme such as `Bearer`.
    pub(crate) fn header_secrets(&self) -> impl Iterator<Item = &str> {
        self.headers.values().flat_map(|value| {
            let value = value.expose();
            [Some(value), value.split_once(' ').map(|(_, token)| token)].into_iter().flatten()
        })
    }
}

/// An address as it is written: alone, or with headers.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum AddressText {
    Url(String),
    WithHeaders(AddressTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressTable {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl From<AddressText> for NodeAddress {
    fn from(text: AddressText) -> Self {
        match text {
            AddressText::Url(url) => Self { url, headers: BTreeMap::new() },
            AddressText::WithHeaders(AddressTable { url, headers }) => {
                let headers = headers.into_iter().map(|(name, value)| (name, Secret::new(value)));
                Self { url, headers: headers.collect() }
            }
        }
    }
}

/// Checks that each address has one of two schemes, and headers that can be sent.
pub(super) fn check_addresses(key: &str, addresses: &[NodeAddress], schemes: [&str; 2], problems: &mut Vec<String>) {
    for NodeAddress { url, headers } in addresses {
        let known = schemes.iter().any(|scheme| url.starts_with(scheme));
        // A variable that was not found has been reported already.
        if !url.is_empty() && !known && !url.contains("${") {
            problems.push(format!("each of {key} must start with {} or {}", schemes[0], schemes[1]));
        }
        for (name, value) in headers {
            if CONNECTION_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                problems.push(format!("{key}: header `{name}` is the host's own"));
            } else if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value.expose()).is_err() {
                problems.push(format!("{key}: header `{name}` has a name or a value that cannot be sent"));
            }
        }
    }
}

/// How nodes are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodeProxy {
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the process say.
    #[default]
    Environment,
    /// Directly, whatever these say.
    Direct,
    /// Through this HTTP proxy; may hold a password.
    Through(Secret),
}

impl NodeProxy {
    /// The key `proxy` of a chain file: `none`, or an address.
    pub(super) fn parse(text: Option<String>, problems: &mut Vec<String>) -> Self {
        match text {
            None => Self::Environment,
            Some(text) if text == "none" => Self::Direct,
            Some(text) => {
                let is_address = Url::parse(&text).is_ok_and(|url| url.scheme() == "http" && url.has_host());
                // A variable that was not found has been reported already.
                if !is_address && !text.contains("${") {
                    problems.push("proxy must be `none` or start with http://".to_owned());
                }
                Self::Through(Secret::new(text))
            }
        }
    }
}
