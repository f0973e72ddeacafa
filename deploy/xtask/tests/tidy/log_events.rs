//! Log lines: each names its event, and `deploy/LOGS.md` lists exactly the events that the code names.

use std::collections::BTreeSet;
use std::fs;

use crate::sources::{none, quoted, root, rust_files, table_rows};

/// Where processes write lines.
const FOLDERS: [&str; 5] = ["env/src/", "host/src/", "services/", "wit/log/", "migrations/src/"];
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The text of a file before its own tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

/// The arguments of each call of a macro that writes a line.
fn calls(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for level in LEVELS {
        for (begin, name) in text.match_indices(&format!("tracing::{level}!(")) {
            let rest = &text[begin + name.len()..];
            let mut depth = 1;
            let end = rest.find(|it: char| {
                depth += i32::from(it == '(') - i32::from(it == ')');
                depth == 0
            });
            found.push(&rest[..end.unwrap()]);
        }
    }
    found
}

fn named_event(call: &str) -> Option<&str> {
    call.split_once("event = \"")?.1.split('"').next()
}

fn is_event(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
    };
    name.contains('.') && name.split('.').all(is_word)
}

#[test]
fn every_line_names_an_event_and_every_event_is_listed() {
    let page = fs::read_to_string(root().join("deploy/LOGS.md")).unwrap();
    let (_, tables) = page.split_once("\n## Events\n").unwrap();
    let mut listed = BTreeSet::new();
    let mut violations = Vec::new();
    for event in table_rows(tables).iter().flat_map(|row| quoted(row[0])) {
        if !listed.insert(event) {
            violations.push(format!("deploy/LOGS.md lists {event} twice"));
        }
    }
    let (mut in_code, mut found) = (BTreeSet::from(["library.line".to_owned()]), 0);
    for (path, text) in rust_files() {
        let is_production = FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.contains("/tests");
        if !is_production {
            continue;
        }
        let text = without_tests(&text);
        for call in calls(text) {
            found += 1;
            match named_event(call) {
                Some(event) if is_event(event) => drop(in_code.insert(event.to_owned())),
                // Chosen beforehand, from literals of the same file.
                None if call.trim_start().starts_with("event,") => {
                    let literals = text.split('"').skip(1).step_by(2);
                    in_code.extend(literals.filter(|it| is_event(it) && listed.contains(it)).map(str::to_owned));
                }
                other => violations.push(format!("{path}: a line names no event, but {other:?}: {}", call.trim())),
            }
        }
    }
    assert!(found > 100, "only {found} lines were found");
    violations.extend(
        in_code
            .iter()
            .filter(|event| !listed.contains(event.as_str()))
            .map(|event| format!("deploy/LOGS.md does not list {event}")),
    );
    violations.extend(
        listed
            .iter()
            .filter(|event| !in_code.contains(**event))
            .map(|event| format!("deploy/LOGS.md lists {event}, which no line names")),
    );
    none(&violations);
}
