//! READMEs: there is one for each part, they are short, and what they say of the code is so.

use std::fs;
use std::path::Path;

use crate::sources::{files, none, quoted, root, rust_files, shown, table_rows};

/// The parts that have a README of their own.
const PARTS: [&str; 10] = [
    "wit",
    "host",
    "plugins",
    "services/metrics",
    "services/portfolio",
    "services/api",
    "services/stack",
    "migrations",
    "env",
    "deploy",
];

/// Lines of the root's README, and of every other one.
const MAX_ROOT_README_LINES: usize = 120;
const MAX_README_LINES: usize = 150;

/// Rows of the glossary.
const MAX_GLOSSARY_ROWS: usize = 40;

#[test]
fn every_part_has_a_short_readme() {
    let mut violations = Vec::new();
    for part in PARTS.iter().filter(|part| !root().join(part).join("README.md").is_file()) {
        violations.push(format!("{part} has no README.md"));
    }
    for path in files(&root()).into_iter().filter(|path| path.ends_with("README.md")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let most = if path == root().join("README.md") { MAX_ROOT_README_LINES } else { MAX_README_LINES };
        if lines > most {
            violations.push(format!("{} has {lines} lines, of at most {most}", shown(&path)));
        }
    }
    none(&violations);
}

/// A link that leads nowhere is found here and not by a newcomer.
#[test]
fn links_of_readmes_lead_to_files() {
    let mut violations = Vec::new();
    for path in files(&root()).into_iter().filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(&path).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains(':') && !target.starts_with(['#', ' '])) {
            let file = target.split('#').next().unwrap_or_default();
            if !path.parent().unwrap_or(Path::new("")).join(file).exists() {
                violations.push(format!("{}: {target} leads nowhere", shown(&path)));
            }
        }
    }
    none(&violations);
}

/// A path in backticks that begins at the root is that of a file or folder, unless it has a placeholder in it.
#[test]
fn paths_in_readmes_exist() {
    const TOP_FOLDERS: [&str; 9] =
        ["host/", "wit/", "plugins/", "services/", "migrations/", "env/", "deploy/", ".github/", ".ci/"];
    let mut violations = Vec::new();
    for path in files(&root()).into_iter().filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(&path).unwrap();
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "/._-".contains(it);
        let is_path =
            |quoted: &&str| TOP_FOLDERS.iter().any(|top| quoted.starts_with(top)) && quoted.chars().all(is_plain);
        // `plugins/NAME` and `plugins/my-chain` stand for any name.
        let is_placeholder =
            |part: &str| part == "my" || part.len() > 2 && part.bytes().all(|it| it.is_ascii_uppercase());
        for line in text.lines() {
            for quoted in quoted(line).into_iter().filter(is_path) {
                if !quoted.split(['/', '.', '-']).any(is_placeholder) && !root().join(quoted).exists() {
                    violations.push(format!("{}: there is no {quoted}", shown(&path)));
                }
            }
        }
    }
    none(&violations);
}

/// The glossary is short, and the names in its column of Rust names are those of types that exist.
#[test]
fn the_glossary_names_types_that_exist() {
    let text = fs::read_to_string(root().join("wit/tape/README.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.to_lowercase().starts_with("glossary"));
    let rows = table_rows(section.expect("wit/tape/README.md has a section `Glossary`"));
    let (head, rows) = rows.split_first().expect("the glossary has a table");
    assert!((10..=MAX_GLOSSARY_ROWS).contains(&rows.len()), "the glossary has {} rows", rows.len());
    let column = head.iter().position(|cell| cell.contains("Rust")).expect("the glossary has a column of Rust names");
    let schemas: Vec<String> =
        files(&root().join("wit/wire/schemas")).into_iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let sources = rust_files();
    let is_defined = |name: &str| {
        let kinds = ["struct", "enum", "trait", "type"].map(|kind| format!("{kind} {name}"));
        let ends = |rest: &str| !rest.starts_with(|it: char| it.is_alphanumeric() || it == '_');
        let defines =
            |text: &str, kind: &String| text.match_indices(kind).any(|(at, _)| ends(&text[at + kind.len()..]));
        sources.iter().any(|(_, text)| kinds.iter().any(|kind| defines(text, kind)))
    };
    let mut violations = Vec::new();
    for row in rows {
        for name in row.get(column).map(|cell| quoted(cell)).unwrap_or_default() {
            // Of `tape::Change::Apply` the first word with a capital letter is the type.
            let is_type = |word: &&str| word.starts_with(|it: char| it.is_ascii_uppercase());
            let word = |text: &str| text.chars().take_while(|it| it.is_alphanumeric()).collect::<String>();
            let Some(name) = name.split("::").filter(is_type).map(word).next() else { continue };
            // The name of a message on the wire is the title of its schema.
            let is_message = schemas.iter().any(|schema| schema.contains(&format!("\"{name}\"")));
            if !is_message && !is_defined(&name) {
                violations.push(format!("the glossary names the type {name}, which is defined nowhere"));
            }
        }
    }
    none(&violations);
}

#[test]
fn the_readme_follows_a_trade_through_places_that_exist() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("\n#").find(|section| {
        section.lines().next().is_some_and(|heading| heading.to_lowercase().contains("follow a trade"))
    });
    let rows: Vec<Vec<&str>> = section
        .expect("README.md has a section `Follow a trade`")
        .lines()
        .filter(|line| line.starts_with("| ") && line[2..].starts_with(|it: char| it.is_ascii_digit()))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 8, "the table has {} rows", rows.len());
    let mut violations = Vec::new();
    for row in &rows {
        let (number, places, spans) = (row[0], quoted(row[3]), quoted(row[4]));
        if places.is_empty() {
            violations.push(format!("row {number} names no place"));
        }
        let mut text = String::new();
        for place in places {
            let path = root().join(place);
            if !path.exists() {
                violations.push(format!("row {number}: {place} does not exist"));
            }
            for file in if path.is_dir() { files(&path) } else { vec![path] } {
                text.push_str(&fs::read_to_string(file).unwrap_or_default());
            }
        }
        for span in spans.iter().filter(|span| !text.contains(**span)) {
            violations.push(format!("row {number}: there is no span {span} at that place"));
        }
    }
    none(&violations);
}
