//! `plugin test`: replays cassettes and compares the result with the expected lines beside them.
//!
//! `NAME.cassette.json` must give the lines of `NAME.expected.jsonl`: each block, followed by its trades as the tape
//! has them, without the code that detected them.

use super::difference::{differing_fields, subject};
use super::replay;
use crate::cassette::Cassette;
use crate::chainfile::Limits;
use crate::plugin::{Admitted, Engine, Gate, admit};
use anyhow::{Context, bail};
use ingest_domain::Scanned;
use serde_json::{Value, json};
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
pub(super) fn expected_lines(scanned: &Scanned) -> anyhow::Result<String> {
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
            let fields = differing_fields((expected, found), ["expected", "found"]).join("\n  ");
            format!("{shown}: line {} differs, {}\n  {fields}", line + 1, subject(expected))
        }
        None => format!("{shown}: {} lines expected, {} found", expected.lines().count(), found.lines().count()),
    }))
}
