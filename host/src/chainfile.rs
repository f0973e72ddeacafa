//! A chain file: which plugin follows which endpoints from where, as TOML with `${VAR}` filled in.

use environment::Strings;
use ingest_domain::Beginning;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One chain to follow.
#[derive(Clone, Debug)]
pub struct ChainFile {
    /// The file it was read from.
    pub path: PathBuf,
    /// Names the chain everywhere.
    pub id: String,
    /// Id of the plugin, such as `evm`.
    pub plugin: String,
    /// Addresses of nodes; empty for synthetic chains.
    pub endpoints: Vec<String>,
    /// Where a chain without a cursor begins.
    pub start: Beginning,
    /// Milliseconds between looks at the head.
    pub poll_ms: u64,
    /// Handed to the plugin, as one JSON object.
    pub settings: String,
    /// What its scans may use.
    pub limits: Limits,
    /// Names and links for people.
    pub display: BTreeMap<String, String>,
    /// What providers of balances call it.
    pub providers: BTreeMap<String, String>,
}

/// What the scans of one chain may use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds that a plugin may compute in one call; waiting on the endpoint is not charged.
    pub compute_ms: u64,
    /// Bytes of a plugin's memory.
    pub memory_bytes: usize,
    /// Heights asked for at once.
    pub span: u64,
    /// Bytes of one answer of the endpoint.
    pub answer_bytes: usize,
    /// Milliseconds that one answer may take.
    pub answer_ms: u64,
    /// Weight of requests per second and endpoint; 0 is no limit.
    pub weight_per_second: u32,
    /// Requests in one scan.
    pub requests: u64,
    /// Trades in one block.
    pub trades: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compute_ms: 10_000,
            memory_bytes: 256 << 20,
            span: 16,
            answer_bytes: 64 << 20,
            answer_ms: 15_000,
            weight_per_second: 0,
            requests: 10_000,
            trades: 20_000,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    plugin: String,
    #[serde(default)]
    endpoints: Vec<String>,
    start: Option<Start>,
    poll_ms: Option<u64>,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    display: BTreeMap<String, String>,
    #[serde(default)]
    providers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Start {
    Height(u64),
    Word(String),
}

/// Where `${VAR}` is looked up: the environment, then a file of that name in the folder of secrets.
pub struct Variables<'a, S> {
    /// The environment.
    pub strings: &'a S,
    /// The folder of secrets.
    pub secrets: Option<&'a Path>,
}

impl<S: Strings> Variables<'_, S> {
    fn get(&self, name: &str) -> Option<String> {
        let file = || {
            let text = std::fs::read_to_string(self.secrets?.join(name)).ok()?;
            Some(text.trim_end().to_owned())
        };
        self.strings.get(name).or_else(file)
    }
}

/// Reads every chain file of a folder, or says everything that is wrong with them.
pub fn read_folder(folder: &Path, variables: &Variables<'_, impl Strings>) -> Result<Vec<ChainFile>, Vec<String>> {
    let listed = std::fs::read_dir(folder).map_err(|e| vec![format!("CHAINS_DIR {}: {e}", folder.display())])?;
    let mut paths: Vec<PathBuf> = listed.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
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

fn parse(path: &Path, text: &str, variables: &Variables<'_, impl Strings>) -> Result<ChainFile, Vec<String>> {
    let mut problems = vec![];
    let mut table: toml::Table = toml::from_str(text).map_err(|e| vec![one_line(&e)])?;
    for (key, value) in &mut table {
        fill(key, value, variables, &mut problems);
    }
    let written = match table.try_into::<Written>() {
        Ok(written) => written,
        Err(e) => {
            problems.push(one_line(&e));
            return Err(problems);
        }
    };
    if written.id.is_empty() || !written.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        problems.push(format!("id `{}` must be lower-case letters, digits and hyphens", written.id));
    }
    for endpoint in &written.endpoints {
        let known = ["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme));
        // A variable that was not found has been named already.
        if !endpoint.is_empty() && !known && !endpoint.contains("${") {
            problems.push("each of endpoints must start with http:// or https://".to_owned());
        }
    }
    let start = match written.start {
        None => Beginning::Latest,
        Some(Start::Height(height)) => Beginning::Height(height),
        Some(Start::Word(word)) if word == "latest" => Beginning::Latest,
        Some(Start::Word(word)) if word == "finalized" => Beginning::Finalized,
        Some(Start::Word(word)) => {
            problems.push(format!("start is `{word}` and must be \"latest\", \"finalized\" or a height"));
            Beginning::Latest
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(ChainFile {
        path: path.to_owned(),
        id: written.id,
        plugin: written.plugin,
        endpoints: written.endpoints.into_iter().filter(|endpoint| !endpoint.is_empty()).collect(),
        start,
        poll_ms: written.poll_ms.unwrap_or(500).max(5),
        settings: serde_json::to_string(&written.settings).unwrap_or_else(|_| "{}".to_owned()),
        limits: written.limits,
        display: written.display,
        providers: written.providers,
    })
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Fills `${VAR}` in every text below a value.
fn fill(place: &str, value: &mut toml::Value, variables: &Variables<'_, impl Strings>, problems: &mut Vec<String>) {
    match value {
        toml::Value::String(text) => match filled(text, variables) {
            Ok(done) => *text = done,
            Err(problem) => problems.push(format!("{place}: {problem}")),
        },
        toml::Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                fill(&format!("{place}[{at}]"), item, variables, problems);
            }
        }
        toml::Value::Table(table) => {
            for (key, item) in table.iter_mut() {
                fill(&format!("{place}.{key}"), item, variables, problems);
            }
        }
        _ => {}
    }
}

fn filled(text: &str, variables: &Variables<'_, impl Strings>) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("`${` without `}`")?;
        let value = variables.get(name);
        done.push_str(before);
        done.push_str(&value.ok_or_else(|| format!("variable {name} is neither set nor a file in SECRETS_DIR"))?);
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
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
        assert_eq!(chain.endpoints, ["http://127.0.0.1:1/key/v1"]);
        assert_eq!((chain.start, chain.settings.as_str()), (Beginning::Latest, "{}"));
        assert_eq!(chain.limits, Limits::default());
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let text =
            "id = \"Eth\"\nplugin = \"evm\"\nstart = \"soon\"\nendpoints = [\"${NODE}\", \"ftp://x\", \"${NONE}\"]";
        let problems = parsed(text).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].contains("endpoints[2]: variable NONE"), "{problems:?}");
        let unknown = parsed("id = \"a\"\nplugin = \"evm\"\nsped = 1").unwrap_err();
        assert!(unknown[0].contains("sped"), "{unknown:?}");
    }
}
