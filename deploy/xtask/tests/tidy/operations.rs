//! Alerts, runbooks and dashboards: each alert has its page, each page its alert, and what they name is measured.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::sources::{files, none, quoted, root, rust_files, shown};

/// Measured by others: Prometheus itself, kube-state-metrics, the kubelet.
const OF_OTHERS: [&str; 4] = ["up", "kube_", "kubelet_", "container_"];
/// What a collector appends to the name of a measurement, by its kind and unit.
const SUFFIXES: [&str; 6] = ["", "_total", "_seconds", "_seconds_bucket", "_seconds_sum", "_seconds_count"];
/// Words of PromQL, and labels of others, that look like names of measurements.
const NO_MEASUREMENTS: [&str; 3] = ["histogram_quantile", "label_values", "job_name"];

fn files_of(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = files(&root().join(folder));
    found.retain(|path| path.extension().is_some_and(|it| it == extension));
    assert!(!found.is_empty(), "{folder} has no *.{extension}");
    found
}

/// The values of a key in a YAML file whose keys stand on lines of their own.
fn values_of(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key));
    lines.map(|value| value.trim().to_owned()).collect()
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let mut violations = Vec::new();
    let mut named = BTreeSet::new();
    for path in files_of("deploy/alerts", "yaml").iter().filter(|path| !shown(path).contains("/tests/")) {
        let text = fs::read_to_string(path).unwrap();
        let (alerts, pages) = (values_of(&text, "alert:"), values_of(&text, "runbook:"));
        let expected: Vec<String> = alerts.iter().map(|alert| format!("deploy/runbooks/{alert}.md")).collect();
        if pages != expected {
            violations.push(format!("{}: runbooks are {pages:?}, not {expected:?}", shown(path)));
        }
        named.extend(expected);
    }
    let pages: Vec<(String, String)> = files_of("deploy/runbooks", "md")
        .into_iter()
        .map(|path| (shown(&path), fs::read_to_string(path).unwrap()))
        .collect();
    for page in named.iter().filter(|page| !pages.iter().any(|(path, _)| path == *page)) {
        violations.push(format!("there is no {page}"));
    }
    for (path, text) in &pages {
        let file = path.rsplit('/').next().unwrap();
        let is_linked = pages.iter().any(|(other, text)| {
            other != path && !other.ends_with("README.md") && text.contains(&format!("]({file})"))
        });
        if file != "README.md" && !named.contains(path) && !is_linked {
            violations.push(format!("{path} is the page of no alert, and no other page leads to it"));
        }
        let parts = ["## What to look at", "## What to do", "## What is safe"];
        for part in parts.iter().filter(|part| file != "README.md" && !text.contains(**part)) {
            violations.push(format!("{path} has no part `{part}`"));
        }
        if file == "README.md" {
            for (page, _) in pages.iter().filter(|(page, _)| !page.ends_with("README.md")) {
                if !text.contains(&format!("]({})", page.rsplit('/').next().unwrap())) {
                    violations.push(format!("{path} does not list {page}"));
                }
            }
        }
    }
    none(&violations);
}

#[test]
fn the_names_of_measurements_are_those_of_the_code() {
    let known = known_names();
    for expected in ["chaintape_chain_state", "tape_step_duration_seconds_count", "plugin_blocks_total", "chain_id"] {
        assert!(known.contains(expected), "{expected} is not found in the code");
    }
    let mut violations = Vec::new();
    let mut expressions = Vec::new();
    for path in files_of("deploy/alerts", "yaml").into_iter().chain(files_of("deploy/k8s/components", "yaml")) {
        let text = fs::read_to_string(&path).unwrap();
        expressions.extend(queries_of_yaml(&text).into_iter().map(|query| (shown(&path), query)));
    }
    for path in files_of("deploy/grafana", "json") {
        let board: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        expressions.extend(queries_of_board(&board).into_iter().map(|query| (shown(&path), query)));
    }
    assert!(expressions.len() > 50, "only {} expressions were found", expressions.len());
    for (path, expression) in &expressions {
        for name in names_in(expression).filter(|name| !known.contains(*name)) {
            violations.push(format!("{path}: nothing measures {name}, of `{expression}`"));
        }
    }
    none(&violations);
}

#[test]
fn there_is_a_dashboard_for_each_service_and_one_for_all() {
    let boards = files_of("deploy/grafana", "json");
    let names: Vec<&str> = boards.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["api", "chain-ingestor", "metrics", "overview", "portfolio"]);
    let mut violations = Vec::new();
    for (path, name) in boards.iter().zip(names) {
        let board: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        if board["uid"] != format!("chaintape-{name}") || board["title"].as_str().is_none_or(str::is_empty) {
            violations.push(format!("{} is not chaintape-{name} with a title", shown(path)));
        }
        let panels = board["panels"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ids: BTreeSet<String> = panels.iter().map(|panel| panel["id"].to_string()).collect();
        if panels.len() < 4 || ids.len() != panels.len() {
            violations.push(format!("{} has {} panels with {} ids", shown(path), panels.len(), ids.len()));
        }
        for panel in panels {
            let queries = queries_of_board(panel);
            if queries.is_empty() || queries.iter().any(String::is_empty) || panel["gridPos"]["w"].as_u64().is_none() {
                violations.push(format!("{}: panel {} shows nothing", shown(path), panel["title"]));
            }
        }
    }
    none(&violations);
}

/// All names that the code measures, with each suffix that a collector may append, and the attributes they carry.
fn known_names() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (_, text) in rust_files().into_iter().filter(|(path, _)| !path.starts_with("deploy/")) {
        let measures = text.contains("opentelemetry::");
        for word in text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_') {
            if word.starts_with("chaintape_") {
                known.insert(word.to_owned());
            }
        }
        for literal in text.split('"').skip(1).step_by(2) {
            let is_dotted = literal.contains('.') && literal.bytes().all(|it| it.is_ascii_lowercase() || it == b'.');
            if measures && is_dotted {
                known.extend(SUFFIXES.iter().map(|suffix| format!("{}{suffix}", literal.replace('.', "_"))));
            }
        }
    }
    known
}

/// The words of an expression that name a measurement or a label of ours.
fn names_in(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    words.filter(|word| {
        let is_name = word.contains('_') && word.starts_with(|it: char| it.is_ascii_lowercase());
        is_name && !NO_MEASUREMENTS.contains(word) && !OF_OTHERS.iter().any(|other| word.starts_with(other))
    })
}

/// What stands after `expr:`, `query:` and `series:`, over as many lines as it takes.
fn queries_of_yaml(text: &str) -> Vec<String> {
    let mut queries: Vec<String> = Vec::new();
    let mut block: Option<usize> = None;
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let indent = line.len() - line.trim_start().len();
        if block.is_some_and(|outer| indent > outer) {
            if let Some(query) = queries.last_mut() {
                query.push_str(line.trim());
            }
            continue;
        }
        block = None;
        for key in ["expr:", "query:", "series:"] {
            if let Some((_, value)) = line.split_once(key) {
                block = (value.trim() == "|").then_some(indent);
                // Of a series, the values are not a part.
                queries.push(value.split("', values").next().unwrap_or_default().trim().to_owned());
            }
        }
    }
    queries
}

/// Every `expr` below a value.
fn queries_of_board(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(text) if key == "expr" => vec![text.clone()],
                value => queries_of_board(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(queries_of_board).collect(),
        _ => Vec::new(),
    }
}

/// `fold.trades_per_s` on the page about sizes is what `bench fold` writes under `trades_per_s`, if need be behind a prefix.
#[test]
fn the_figures_that_sizing_rests_on_are_written_by_benchmarks() {
    let text = fs::read_to_string(root().join("deploy/SIZING.md")).unwrap();
    let page = fs::read_to_string(root().join("deploy/lab/bench/FIGURES.md")).unwrap();
    let sources: Vec<String> =
        files_of("deploy/lab/bench/src", "rs").into_iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let literals: BTreeSet<&str> = sources.iter().flat_map(|text| text.split('"').skip(1).step_by(2)).collect();
    let is_name =
        |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_lowercase() || b"_-".contains(&it));
    let (mut found, mut violations) = (0, Vec::new());
    for (bench, key) in text.lines().flat_map(quoted).filter_map(|quoted| quoted.split_once('.')) {
        if !is_name(bench) || !is_name(key) || key == "md" {
            continue;
        }
        found += 1;
        let is_written = literals
            .iter()
            .any(|literal| key == *literal || literal.len() > 6 && key.ends_with(&format!("_{literal}")));
        // `{name}block_ms` has its prefix in the literal itself.
        let is_prefixed = literals.iter().any(|literal| literal.ends_with(&format!("}}{key}")));
        if !page.contains(&format!("\n## {bench}\n")) || !(is_written || is_prefixed) {
            violations.push(format!("deploy/SIZING.md: no benchmark writes {bench}.{key}"));
        }
    }
    none(&violations);
    assert!(found >= 8, "only {found} figures are named");
}
