//! `plugin test`: replays cassettes and compares the result with the expected lines beside them.
//!
//! `NAME.cassette.json` must give the lines of `NAME.expected.jsonl`: each block, followed by its trades as the tape
//! has them, without the code that detected them.

use super::replay;
use crate::cassette::Cassette;
use crate::chainfile::Limits;
use crate::plugin::{Admitted, Engine, Gate, admit};
use anyhow::{Context, bail};
use ingest_domain::Scanned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tape::Status;

/// Every cassette of a folder, by path.
pub(super) fn read_cassettes(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Cassette)>> {
    let listed = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".cassette.json"));
    paths.sort();
    let read = |path: PathBuf| {
        let cassette = Cassette::read(&path).map_err(anyhow::Error::msg)?;
        Ok((path, cassette))
    };
    paths.into_iter().map(read).collect()
}

/// The result of a scan, as lines for people to read and review.
fn expected_lines(scanned: &Scanned) -> anyhow::Result<String> {
    let mut lines = vec![];
    for block in &scanned.blocks {
        let parent = block.parent.as_ref().map(ToString::to_string);
        let head = json!({
            "block": block.id.to_string(), "parent": parent, "timestampMs": block.timestamp_ms,
            "unbacked": block.unbacked, "proof": &*block.proof, "trades": block.trades.len(),
        });
        lines.push(head.to_string());
        for trade in &block.trades {
            let encoded = wire::v1::trade::encode_as("test", Status::Observed, trade);
            let mut line: Value = serde_json::from_slice(&encoded)?;
            if let Some(line) = line.as_object_mut() {
                line.remove("detector");
                line.remove("eventId");
                line.remove("status");
            }
            lines.push(line.to_string());
        }
    }
    lines.push(json!({ "through": scanned.through }).to_string());
    Ok(lines.join("\n") + "\n")
}

/// Replays every cassette of a folder; with `bless` writes the result instead of comparing it.
pub async fn test(plugin: &Path, folder: &Path, bless: bool) -> anyhow::Result<String> {
    let engine = Engine::new(1)?;
    let plugin = admit(&engine, &Gate::default(), plugin).await.context("admit the plugin")?;
    let cassettes = read_cassettes(folder)?;
    if cassettes.is_empty() {
        bail!("no *.cassette.json in {}; make one with `plugin record`", folder.display());
    }
    let (mut passed, mut wrong) = (vec![], vec![]);
    for (path, cassette) in &cassettes {
        match test_one(&engine, &plugin, path, cassette, bless).await? {
            Ok(line) => passed.push(line),
            Err(line) => wrong.push(line),
        }
    }
    if wrong.is_empty() { Ok(passed.join("\n")) } else { bail!("reproduce what is expected:\n{}", wrong.join("\n")) }
}

/// What a line is about, for people.
fn subject(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |field: &str| value[field].as_str();
    match (text("block"), text("tradeId")) {
        (Some(block), _) => format!("block {block}"),
        (_, Some(trade)) => format!("trade {trade}"),
        _ => "the end of the scan".to_owned(),
    }
}

/// Each field that differs between two lines, with its path and both values.
fn differing_fields(expected: &str, found: &str) -> Vec<String> {
    match (serde_json::from_str(expected), serde_json::from_str(found)) {
        (Ok(expected), Ok(found)) => {
            let mut fields = vec![];
            compare("", &expected, &found, &mut fields);
            fields
        }
        _ => vec![format!("expected {expected}, found {found}")],
    }
}

fn compare(path: &str, expected: &Value, found: &Value, fields: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let [expected, found] = [expected, found].map(|of| of.get(name).unwrap_or(&Value::Null));
                compare(&path, expected, found, fields);
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            for index in 0..expected.len().max(found.len()) {
                let [expected, found] = [expected, found].map(|of| of.get(index).unwrap_or(&Value::Null));
                compare(&format!("{path}[{index}]"), expected, found, fields);
            }
        }
        _ if expected == found => {}
        _ => {
            let shown = |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
            fields.push(format!("{path}: expected {}, found {}", shown(expected), shown(found)));
        }
    }
}

async fn test_one(
    engine: &Engine,
    plugin: &Admitted,
    path: &Path,
    cassette: &Cassette,
    bless: bool,
) -> anyhow::Result<Result<String, String>> {
    let shown = path.display();
    let expected_path = PathBuf::from(path.to_string_lossy().replace(".cassette.json", ".expected.jsonl"));
    let scanned = replay(engine, plugin, cassette, &Limits::default(), None).await.0;
    let found = match (&scanned, &cassette.failure) {
        (Ok(scanned), _) => expected_lines(scanned)?,
        (Err(error), Some(failure)) if error.to_string() == *failure => {
            return Ok(Ok(format!("{shown}: fails as recorded")));
        }
        (Err(error), _) => return Ok(Err(format!("{shown}: {error}"))),
    };
    if bless {
        std::fs::write(&expected_path, found).with_context(|| format!("write {}", expected_path.display()))?;
        return Ok(Ok(format!("{}: written; read it before you commit it", expected_path.display())));
    }
    let Ok(expected) = std::fs::read_to_string(&expected_path) else {
        return Ok(Err(format!("{shown}: nothing is expected yet; run again with --bless and read what it writes")));
    };
    if expected == found {
        return Ok(Ok(format!("{shown}: {} lines as expected", found.lines().count())));
    }
    let mut pairs = expected.lines().zip(found.lines()).enumerate();
    let differs = pairs.find(|(_, (expected, found))| expected != found);
    Ok(Err(match differs {
        Some((line, (expected, found))) => {
            let fields = differing_fields(expected, found).join("\n  ");
            format!("{shown}: line {} differs, {}\n  {fields}", line + 1, subject(expected))
        }
        None => format!("{shown}: {} lines expected, {} found", expected.lines().count(), found.lines().count()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_that_differs_is_named_by_its_path() {
        let expected = r#"{"tradeId":"c/1","legs":[{"venue":"a","in":{"amount":"5"}}],"fee":null}"#;
        let found = r#"{"tradeId":"c/1","legs":[{"venue":"a","in":{"amount":"6"}},{"venue":"b"}],"fee":"1"}"#;
        let said = differing_fields(expected, found);
        assert_eq!(said[0], "fee: expected nothing, found \"1\"");
        assert_eq!(said[1], "legs[0].in.amount: expected \"5\", found \"6\"");
        assert_eq!(said[2], "legs[1]: expected nothing, found {\"venue\":\"b\"}");
        assert_eq!((said.len(), subject(expected)), (3, "trade c/1".to_owned()));
        assert_eq!(differing_fields("{", "{}"), ["expected {, found {}"]);
    }
}
