//! The architecture as tests: who may depend on whom, what a file looks like, and that the README tells the truth.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What is pure enough for a domain.
const DOMAIN: &[&str] = &["tape", "thiserror", "num-bigint"];

/// What is pure enough for the published language.
const TAPE: &[&str] = &["ruint", "thiserror"];

/// What a plugin may stand on beside the SDK: crates that compute and do nothing else.
const PLUGIN: &[&str] = &[
    "chain-plugin-sdk",
    "serde",
    "serde_json",
    "ruint",
    "thiserror",
    "hex",
    "bs58",
    "base64",
    "sha2",
    "alloy-primitives",
    "alloy-rlp",
    "alloy-trie",
    "alloy-sol-types",
    "memchr",
];

/// What the SDK may stand on.
const SDK: &[&str] = &["wit-bindgen", "serde", "serde_json", "ruint", "thiserror", "hex", "dlmalloc"];

/// The four parts, and those that may know several of them.
const SERVICES: &[&str] = &["chain-ingestor", "metrics", "portfolio", "api"];
const WHOLE: &[&str] = &["chaintape", "nodes", "system", "bench", "chaos"];

/// The top level, as given.
const TOP: &[&str] = &["Cargo.toml", "host", "wit", "plugins", "services", "migrations", "env", "deploy", "README.md"];
const BESIDE: &[&str] = &["Cargo.lock", "LICENSE", "rust-toolchain.toml"];
/// Made by tools, never committed.
const MADE: &[&str] = &["target", "data"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Every crate with what it needs to be built (what only its tests need is its own affair).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let needed = |package: &cargo_metadata::Package| {
        let dependencies = package.dependencies.iter().filter(|it| it.kind != DependencyKind::Development);
        dependencies.map(|it| it.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), needed(package))).collect()
}

fn only(violations: &mut Vec<String>, name: &str, needed: &BTreeSet<String>, allowed: &[&str]) {
    for dependency in needed.iter().filter(|it| !allowed.contains(&it.as_str())) {
        violations.push(format!("{name} must not depend on {dependency}"));
    }
}

fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn dependencies_point_inwards() {
    let mut violations = Vec::new();
    let all = dependencies();
    for (name, needed) in &all {
        match name.as_str() {
            "tape" => only(&mut violations, name, needed, TAPE),
            "chain-plugin-sdk" => only(&mut violations, name, needed, SDK),
            _ if name.ends_with("-domain") => only(&mut violations, name, needed, DOMAIN),
            _ if name.ends_with("-plugin") => only(&mut violations, name, needed, PLUGIN),
            _ => {}
        }
        if needed.contains("wasmtime") && name != "chain-ingestor" {
            violations.push(format!("{name} must not depend on wasmtime: only the host runs plugins"));
        }
    }
    assert_eq!(all.keys().filter(|name| name.ends_with("-domain")).count(), 4, "a domain is missing");
    none(&violations);
}

#[test]
fn services_never_see_each_other() {
    let mut violations = Vec::new();
    for (name, needed) in dependencies() {
        if WHOLE.contains(&name.as_str()) {
            continue;
        }
        for service in SERVICES.iter().filter(|service| needed.contains(**service)) {
            violations.push(format!("{name} must not depend on {service}"));
        }
        // Nobody but a service itself knows its domain.
        for domain in needed.iter().filter(|it| it.ends_with("-domain")) {
            let owner = if domain == "ingest-domain" { "chain-ingestor" } else { domain.trim_end_matches("-domain") };
            if owner != name {
                violations.push(format!("{name} must not depend on {domain}"));
            }
        }
    }
    none(&violations);
}

#[test]
fn only_the_hosts_plugin_module_names_wasmtime() {
    let mut violations = Vec::new();
    for path in files(&root()).into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs")) {
        let shown = shown(&path);
        if shown.starts_with("host/src/plugin") || shown.starts_with("deploy/xtask/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (line, _) in code.filter(|(_, line)| line.contains("wasmtime::")) {
            violations.push(format!("{shown}:{} names wasmtime; that belongs into host/src/plugin", line + 1));
        }
    }
    none(&violations);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let mut violations = Vec::new();
    for path in files(&root()) {
        let (shown, extension) = (shown(&path), path.extension().unwrap_or_default().to_string_lossy().into_owned());
        if !["rs", "wit", "sql", "toml", "html", "css", "js", "sh", "yaml"].contains(&extension.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if extension == "rs" && !text.starts_with("//! ") {
            violations.push(format!("{shown} does not begin with `//!` and what it is for"));
        }
        if lines > 500 {
            violations.push(format!("{shown} has {lines} lines; there is a second idea in it"));
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if extension == "rs" && ["mod", "utils", "helpers", "common"].contains(&stem.as_str()) {
            violations.push(format!("{shown} has a name that says nothing"));
        }
    }
    none(&violations);
}

#[test]
fn the_top_level_is_as_given() {
    let mut violations = Vec::new();
    let names: BTreeSet<String> =
        fs::read_dir(root()).unwrap().map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
    for name in &names {
        let known = TOP.iter().chain(BESIDE).chain(MADE).any(|known| known == name);
        if !known && !name.starts_with('.') {
            violations.push(format!("{name} does not belong at the top level"));
        }
    }
    for name in TOP.iter().filter(|name| !names.contains(**name)) {
        violations.push(format!("{name} is missing at the top level"));
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

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn migrations_are_numbered_without_gaps() {
    let mut violations = Vec::new();
    for service in ["metrics", "portfolio"] {
        for database in ["postgres", "sqlite"] {
            let dir = root().join("migrations").join(service).join(database);
            let mut names: Vec<String> =
                fs::read_dir(&dir).unwrap().map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
            // Roles are the operator's: what they may see is applied by hand, after every migration.
            names.retain(|name| name != "grants.sql");
            names.sort();
            for (index, name) in names.iter().enumerate() {
                let Some(stem) = name.strip_suffix(".sql") else {
                    violations.push(format!("{}/{name} is no migration", shown(&dir)));
                    continue;
                };
                let words: Vec<&str> = stem.split('_').collect();
                let plain = |word: &&str| !word.is_empty() && word.bytes().all(|it| it.is_ascii_lowercase());
                if words[0] != format!("{:04}", index + 1) {
                    violations.push(format!("{}/{name} should have the number {:04}", shown(&dir), index + 1));
                }
                if words.len() < 3 || !words[1..].iter().all(plain) {
                    violations.push(format!("{}/{name} is not NNNN_verb_noun.sql", shown(&dir)));
                }
            }
        }
    }
    none(&violations);
}

#[test]
fn every_variable_is_documented() {
    let mut violations = Vec::new();
    let first = fs::read_to_string(root().join("env/.env")).unwrap();
    for name in [".env", ".env.dev", ".env.staging", ".env.prod"] {
        let text = fs::read_to_string(root().join("env").join(name)).unwrap();
        let mut commented = false;
        for line in text.lines() {
            match line.trim() {
                "" => commented = false,
                comment if comment.starts_with('#') => commented = true,
                line => {
                    // What the first file explains may be set again without a word.
                    let variable = line.split('=').next().unwrap_or_default();
                    let explained = name != ".env"
                        && first.lines().any(|line| {
                            line.starts_with(&format!("{variable}=")) || line.starts_with(&format!("# {variable}"))
                        });
                    if !commented && !explained {
                        violations.push(format!("env/{name}: {variable} is not documented"));
                    }
                }
            }
        }
    }
    none(&violations);
}

/// The repository's files below a folder, without what tools made.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let shown = shown(&path);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // cargo-component writes bindings beside the sources; only the SDK's are ours.
        let generated = shown.starts_with("plugins/") && name == "bindings.rs" && !shown.starts_with("plugins/sdk/");
        if generated || name == ".git" || name == "node_modules" || MADE.contains(&shown.as_str()) {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// A mutant that no longer applies breaks nothing, and so proves nothing.
#[test]
fn every_mutant_applies() {
    let mut mutants = 0;
    for entry in fs::read_dir(root().join("deploy/lab/mutants")).unwrap() {
        let patch = entry.unwrap().path();
        let text = fs::read_to_string(&patch).unwrap();
        for line in ["What: ", "Caught by: "] {
            assert!(text.lines().any(|one| one.starts_with(line)), "{} has no line `{line}…`", patch.display());
        }
        let applied = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(root()).output().unwrap();
        assert!(applied.status.success(), "{}: {}", patch.display(), String::from_utf8_lossy(&applied.stderr));
        mutants += 1;
    }
    assert!(mutants >= 10, "only {mutants} mutants");
}
