//! A chain file: which plugin follows a chain, on which endpoints and from where, as TOML with `${VAR}` filled in.

mod address;
mod policy;
mod text;
mod variables;

pub use address::{NodeAddress, NodeProxy};
pub use policy::{OnFailure, Policy, Promote};
pub use variables::Variables;

use environment::{Secret, Strings};
use ingest_domain::Beginning;
use semver::Version;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use text::Text;
use variables::{Filled, fill};

/// One chain to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFile {
    /// The file it was read from.
    pub path: PathBuf,
    /// Names the chain everywhere.
    pub id: String,
    /// Id of the plugin, such as `evm`.
    pub plugin: String,
    /// The only version that may be used, where the file names one: `evm@1.4.0`.
    pub pinned: Option<Version>,
    /// The only component that may be used, where the file names one too: `evm@1.4.0@sha256:HEX`.
    pub pinned_digest: Option<String>,
    /// Nodes; none for synthetic chains.
    pub endpoints: Vec<NodeAddress>,
    /// WebSockets at which nodes notify about new blocks; unless the file names them, those of the endpoints, and the
    /// port beside each where many nodes have theirs.
    pub sockets: Vec<NodeAddress>,
    /// Whether the file names them.
    pub names_sockets: bool,
    /// How both are reached.
    pub proxy: NodeProxy,
    /// Where a chain without a cursor begins.
    pub start: Beginning,
    /// Milliseconds between two reads of the head.
    pub poll_ms: u64,
    /// Handed to the plugin, as one JSON object.
    pub settings: String,
    /// What its calls may use.
    pub limits: Limits,
    /// What happens with new versions, and with versions that fail.
    pub policy: Policy,
    /// Names and links for display.
    pub display: BTreeMap<String, String>,
    /// What balance providers call the chain.
    pub providers: BTreeMap<String, String>,
    /// What was filled in for `${VAR}`.
    pub secrets: Vec<Secret>,
}

impl Default for ChainFile {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            id: String::new(),
            plugin: String::new(),
            pinned: None,
            pinned_digest: None,
            endpoints: vec![],
            sockets: vec![],
            names_sockets: false,
            proxy: NodeProxy::default(),
            start: Beginning::Latest,
            poll_ms: DEFAULT_POLL_MS,
            settings: "{}".to_owned(),
            limits: Limits::default(),
            policy: Policy::default(),
            display: BTreeMap::new(),
            providers: BTreeMap::new(),
            secrets: vec![],
        }
    }
}

/// Milliseconds between two reads of the head, unless the file says otherwise.
const DEFAULT_POLL_MS: u64 = 500;
/// Bytes below which a filled-in text does not count as a secret.
const MIN_SECRET_BYTES: usize = 4;

impl ChainFile {
    /// Whether a component may be used, by its version and digest.
    pub fn allows(&self, version: &Version, digest: &str) -> bool {
        self.pinned.as_ref().is_none_or(|pinned| pinned == version)
            && self.pinned_digest.as_ref().is_none_or(|pinned| pinned == digest)
    }

    /// The plugin as the file names it, with version and digest where it does.
    pub fn wanted_plugin(&self) -> String {
        let version = self.pinned.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        let digest = self.pinned_digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{}{version}{digest}", self.plugin)
    }

    /// A text with `***` for whatever was filled in for `${VAR}`.
    pub fn without_secrets(&self, text: &str) -> String {
        let secrets = self.secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= MIN_SECRET_BYTES);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// What the plugin calls of one chain may use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds that a plugin may compute in one call; waiting on the endpoint is not charged.
    pub compute_ms: u64,
    /// Bytes of a plugin's memory.
    pub memory_bytes: usize,
    /// Heights asked for at once.
    pub span: u64,
    /// Spans that are scanned ahead while the chain is far below its final head; 0 is none.
    pub ahead: usize,
    /// Bytes of one response of an endpoint.
    pub answer_bytes: usize,
    /// Milliseconds that one response may take.
    pub answer_ms: u64,
    /// Weight of requests per second and endpoint; 0 is no limit.
    pub weight_per_second: u32,
    /// Requests in one scan.
    pub requests: u64,
    /// Trades in one block.
    pub trades: usize,
    /// Bytes that a plugin may hand to the host at once: its results, a list of requests, cache entries.
    pub output_bytes: usize,
    /// Bytes that the host holds for one call at once: requests, responses, answers of the cache, what is recorded.
    pub call_bytes: usize,
    /// Keys that one call may ask the cache for.
    pub cache_keys: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compute_ms: 10_000,
            memory_bytes: 256 << 20,
            span: 16,
            ahead: 8,
            answer_bytes: 64 << 20,
            answer_ms: 15_000,
            weight_per_second: 0,
            requests: 10_000,
            trades: 20_000,
            output_bytes: 64 << 20,
            call_bytes: 256 << 20,
            cache_keys: 100_000,
        }
    }
}

/// Every chain file of a folder, by name.
pub(crate) fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(folder)?;
    let mut paths: Vec<PathBuf> = listed.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

/// Reads every chain file of a folder, or says everything that is wrong with them.
pub fn read_folder(folder: &Path, variables: &Variables<'_, impl Strings>) -> Result<Vec<ChainFile>, Vec<String>> {
    let paths = list(folder).map_err(|e| vec![format!("CHAINS_DIR {}: {e}", folder.display())])?;
    let mut chains: Vec<ChainFile> = vec![];
    let mut problems = vec![];
    for path in paths {
        match read(&path, variables) {
            Ok(chain) => {
                if let Some(twin) = chains.iter().find(|other| other.id == chain.id) {
                    let (this, that) = (path.display(), twin.path.display());
                    problems.push(format!("{this}: id `{}` is taken by {that}; choose another", chain.id));
                } else {
                    chains.push(chain);
                }
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    if problems.is_empty() { Ok(chains) } else { Err(problems) }
}

/// Reads one chain file, or says everything that is wrong with it.
pub fn read(path: &Path, variables: &Variables<'_, impl Strings>) -> Result<ChainFile, Vec<String>> {
    let here = |problem: String| format!("{}: {problem}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| vec![here(e.to_string())])?;
    parse(path, &text, variables).map_err(|problems| problems.into_iter().map(here).collect())
}

/// The chain that a file is about, whatever else is wrong with it: the id in its text, else its name.
pub(crate) fn id_of(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let table = toml::from_str::<toml::Table>(&text).ok();
    let written = table.as_ref().and_then(|table| table.get("id")).and_then(toml::Value::as_str);
    let id = written.or_else(|| path.file_stem()?.to_str())?;
    text::is_id(id).then(|| id.to_owned())
}

fn parse(path: &Path, text: &str, variables: &Variables<'_, impl Strings>) -> Result<ChainFile, Vec<String>> {
    let mut table: toml::Table = toml::from_str(text).map_err(|e| vec![one_line(&e, text)])?;
    let mut found = Filled::default();
    for (key, value) in &mut table {
        fill(key, value, variables, &mut found);
    }
    let Filled { mut problems, secrets } = found;
    match table.try_into::<Text>() {
        Ok(text) => text.check(path, secrets, problems),
        Err(e) => {
            let filled = ChainFile { secrets, ..ChainFile::default() };
            problems.push(filled.without_secrets(&one_line(&e, text)));
            Err(problems)
        }
    }
}

/// What is wrong with a text and in which line; not the line itself, which may hold a key.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or(message.clone(), |before| format!("line {}: {message}", before.matches('\n').count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn parsed(text: &str) -> Result<ChainFile, Vec<String>> {
        let strings = HashMap::from([("NODE".to_owned(), "http://127.0.0.1:1/key".to_owned())]);
        parse(Path::new("x.toml"), text, &Variables { strings: &strings, secrets: None })
    }

    #[test]
    fn a_chain_needs_little() {
        let chain = parsed("id = \"eth\"\nplugin = \"evm\"\nendpoints = [\"${NODE}/v1\"]").unwrap();
        assert_eq!(chain.endpoints, ["http://127.0.0.1:1/key/v1".into()]);
        assert_eq!(chain.sockets, ["ws://127.0.0.1:1/key/v1".into()]);
        assert_eq!(chain.proxy, NodeProxy::Environment);
        let without = parsed("id = \"eth\"\nplugin = \"evm\"\nendpoints = [\"${NODE}\"]\nsockets = []").unwrap();
        assert!(without.sockets.is_empty() && without.names_sockets);
        let sockets = |endpoint: &str| {
            let chain = parsed(&format!("id = \"eth\"\nplugin = \"evm\"\nendpoints = [\"{endpoint}\"]")).unwrap();
            chain.sockets.into_iter().map(|socket| socket.url).collect::<Vec<_>>()
        };
        assert_eq!(sockets("http://geth:8545"), ["ws://geth:8545", "ws://geth:8546"], "as Geth has it by default");
        assert_eq!(sockets("http://[::1]:8545/"), ["ws://[::1]:8545/", "ws://[::1]:8546"]);
        for alone in ["https://node", "http://node:8545/key", "http://me:key@node:8545", "http://node:65535"] {
            assert_eq!(sockets(alone), [alone.replacen("http", "ws", 1)], "no key is shown to another port");
        }
        assert_eq!((chain.start, chain.settings.as_str()), (Beginning::Latest, "{}"));
        assert_eq!(chain.limits, Limits::default());
    }

    #[test]
    fn a_version_can_be_pinned_and_secrets_are_struck_out() {
        let text = "id = \"a\"\nplugin = \"evm@1.4.0\"\n[settings]\nkey = \"${NODE}\"\n[policy]\npromote = \"manual\"";
        let chain = parsed(text).unwrap();
        assert_eq!((chain.plugin.as_str(), chain.pinned.clone()), ("evm", Some(Version::new(1, 4, 0))));
        assert_eq!(chain.without_secrets(&chain.settings), r#"{"key":"***"}"#);
        assert!(parsed("id = \"a\"\nplugin = \"evm@one\"").unwrap_err()[0].contains("evm@1.4.0"));
    }

    #[test]
    fn a_component_can_be_pinned_by_its_digest() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let chain = parsed(&format!("id = \"a\"\nplugin = \"evm@1.4.0@{digest}\"")).unwrap();
        let version = Version::new(1, 4, 0);
        assert_eq!(chain.wanted_plugin(), format!("evm@1.4.0@{digest}"));
        assert!(chain.allows(&version, &digest) && !chain.allows(&version, "sha256:other"));
        assert!(!chain.allows(&Version::new(1, 5, 0), &digest));
        for wrong in ["evm@1.4.0@", "evm@1.4.0@sha256:0a", "evm@1.4.0@md5:00", &format!("evm@{digest}")] {
            let problems = parsed(&format!("id = \"a\"\nplugin = \"{wrong}\"")).unwrap_err();
            assert!(problems[0].contains("evm@1.4.0"), "{wrong}: {problems:?}");
        }
    }

    #[test]
    fn a_node_may_want_headers_and_stand_behind_a_proxy() {
        let text = "id = \"a\"\nplugin = \"evm\"\nproxy = \"http://user:${NODE}@proxy:3128\"\nendpoints = [\"http://open\", \
                    { url = \"https://shut\", headers = { Authorization = \"Bearer token-of-9\" } }]";
        let chain = parsed(&text.replace("${NODE}", "word")).unwrap();
        let [open, shut] = &*chain.endpoints else { panic!("{:?}", chain.endpoints) };
        assert_eq!((open.headers.len(), shut.url.as_str()), (0, "https://shut"));
        assert_eq!(shut.header_map().get("authorization").unwrap(), "Bearer token-of-9");
        assert_eq!(chain.sockets[1].url, "wss://shut");
        assert_eq!(chain.sockets[1].headers, shut.headers, "the same node");
        assert_eq!(chain.proxy, NodeProxy::Through(Secret::new("http://user:word@proxy:3128")));
        let shown = format!("{chain:?}");
        assert!(!shown.contains("token-of-9") && !shown.contains("word@"), "{shown}");
        assert_eq!(chain.without_secrets("401 to Bearer token-of-9, token-of-9"), "401 to ***, ***");
        let sentences = |headers: &str| {
            let endpoint = format!("{{ url = \"http://x\", headers = {{ {headers} }} }}");
            parsed(&format!("id = \"a\"\nplugin = \"evm\"\nproxy = \"ftp://p\"\nendpoints = [{endpoint}]")).unwrap_err()
        };
        let wrong = sentences("Host = \"y\", \"a b\" = \"z\", Key = \"secret\\nline\"").join("; ");
        for named in ["`Host` is the host's own", "`a b` has a name", "`Key` has a name or a value", "proxy must be"] {
            assert!(wrong.contains(named), "{named}: {wrong}");
        }
        assert!(!wrong.contains("secret"), "{wrong}");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let text =
            "id = \"Eth\"\nplugin = \"evm\"\nstart = \"soon\"\nendpoints = [\"${NODE}\", \"ftp://x\", \"${NONE}\"]";
        let problems = parsed(text).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].contains("endpoints[2]: variable NONE"), "{problems:?}");
        let unpinned = parsed("id = \"a\"\nplugin = \"evm\"\n[policy]\npromote = \"manual\"").unwrap_err();
        assert!(unpinned[0].contains("must name a version"), "{unpinned:?}");
        let unknown = parsed("id = \"a\"\nplugin = \"evm\"\nsped = 1").unwrap_err();
        assert!(unknown[0].contains("sped"), "{unknown:?}");
        let cut = parsed("id = \"a\"\nendpoints = [\"http://node/key-of-mine\n").unwrap_err();
        assert!(cut[0].contains("line 2") && !cut[0].contains("key-of-mine"), "{cut:?}");
        let typed = parsed("id = \"a\"\nplugin = \"evm\"\npoll_ms = \"${NODE}\"").unwrap_err();
        assert!(typed[0].contains("poll_ms") || typed[0].contains("expected"), "{typed:?}");
        assert!(!typed[0].contains("/key"), "{typed:?}");
    }
}
