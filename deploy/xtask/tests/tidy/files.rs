//! What a file and the top level look like.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::sources::{MADE, files, none, root, rust_files, shown};

/// The top level, as given.
const TOP: &[&str] = &["Cargo.toml", "host", "wit", "plugins", "services", "migrations", "env", "deploy", "README.md"];
const BESIDE: &[&str] = &["Cargo.lock", "LICENSE", "CHANGELOG.md", "rust-toolchain.toml"];

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

/// The SDK is published with everything that it needs in its own folder.
#[test]
fn the_sdk_carries_the_contract() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (contract, copy) = (read("wit/chain-plugin/chain-plugin.wit"), read("plugins/sdk/wit/chain-plugin.wit"));
    assert!(contract == copy, "copy wit/chain-plugin/chain-plugin.wit to plugins/sdk/wit");
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
                let words = without_contraction(&words);
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

/// The words of a migration's name without `contract_to_NNNN`, which names the oldest service that works afterwards.
fn without_contraction<'a>(words: &[&'a str]) -> Vec<&'a str> {
    match words {
        [number, "contract", "to", needed, rest @ ..] if needed.len() == 4 && needed.parse::<u32>().is_ok() => {
            [&[*number], rest].concat()
        }
        _ => words.to_vec(),
    }
}

/// The last migrations from before services worked on the schema of the next version.
const LAST_UNCHECKED: [(&str, u32); 2] = [("metrics", 17), ("portfolio", 9)];

/// How a statement begins that takes something away from the version before, or asks something new of it.
const TAKES_AWAY: [&str; 6] =
    ["drop table", "drop column", "rename to", "rename column", "set not null", "drop function"];

#[test]
fn a_migration_that_takes_something_away_says_so_in_its_name() {
    let mut violations = Vec::new();
    for (service, last) in LAST_UNCHECKED {
        let dir = root().join("migrations").join(service).join("postgres");
        for entry in fs::read_dir(&dir).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            let number: u32 = name.split('_').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            if number > last && !name.contains("_contract_to_") {
                let found = taken_away(&fs::read_to_string(dir.join(&name)).unwrap());
                violations.extend(found.iter().map(|what| format!("{}/{name} has `{what}`", shown(&dir))));
            }
        }
    }
    none(&violations);
}

/// What a migration takes away: statements of the list, columns that old services leave empty, views that do not come back.
fn taken_away(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let code = code.join(" ").to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let listed = TAKES_AWAY.iter().filter(|what| code.contains(**what)).map(|what| (*what).to_owned());
    let demanded = code
        .split([';', ','])
        .filter(|part| part.contains("add column") && part.contains("not null") && !part.contains("default"));
    let views = code.split("drop view ").skip(1).filter_map(|rest| rest.split([' ', ';', ',']).next());
    let gone = views.filter(|view| !code.contains(&format!("create view {view} ")));
    listed
        .chain(demanded.map(|part| part.trim().to_owned()))
        .chain(gone.map(|view| format!("drop view {view}")))
        .collect()
}

#[test]
fn what_a_migration_takes_away_is_seen() {
    let table = [
        ("ALTER TABLE a ADD COLUMN b int; CREATE TABLE c (d int NOT NULL)", 0),
        ("ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 0", 0),
        ("DROP VIEW v_v1; CREATE VIEW v_v1 AS SELECT 1", 0),
        ("-- DROP TABLE a\nCREATE INDEX i ON a (b)", 0),
        ("DROP VIEW v_v1; CREATE VIEW v_v2 AS SELECT 1", 1),
        ("ALTER TABLE a ADD COLUMN b int NOT NULL", 1),
        ("ALTER TABLE a\n    DROP COLUMN b", 1),
        ("ALTER TABLE a RENAME COLUMN b TO c", 1),
    ];
    for (sql, expected) in table {
        assert_eq!(taken_away(sql).len(), expected, "{sql}");
    }
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

/// A mutant that no longer applies breaks nothing, and so proves nothing.
#[test]
fn every_mutant_applies() {
    let (mut mutants, mut violations) = (0, Vec::new());
    for patch in files(&root().join("deploy/lab/mutants")) {
        if patch.extension().is_none_or(|it| it != "patch") {
            continue;
        }
        let text = fs::read_to_string(&patch).unwrap();
        for line in ["What: ", "Caught by: "] {
            if !text.lines().any(|one| one.starts_with(line)) {
                violations.push(format!("{} has no line `{line}…`", shown(&patch)));
            }
        }
        let applied = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(root()).output().unwrap();
        if !applied.status.success() {
            violations.push(format!("{}: {}", shown(&patch), String::from_utf8_lossy(&applied.stderr).trim_end()));
        }
        mutants += 1;
    }
    none(&violations);
    assert!(mutants >= 10, "only {mutants} mutants");
}

/// `println!` panics where nobody reads on, as after `| head`; what operators run prints by `environment::print_line!`.
#[test]
fn commands_of_operators_do_not_panic_where_nobody_reads_on() {
    let folders = ["env/src/", "host/src/", "host/build/src/", "services/", "wit/log/src/"];
    let is_product = |path: &str| {
        folders.iter().any(|folder| path.starts_with(folder))
            && path.contains("/src/")
            && !path.ends_with("_tests.rs")
            && !path.contains("/template/")
    };
    let mut violations = vec![];
    for (path, text) in rust_files().into_iter().filter(|(path, _)| is_product(path)) {
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = product.lines().enumerate().filter(|(_, line)| {
            let line = line.replace("eprintln!(", "");
            !line.trim_start().starts_with("//") && line.contains("println!(")
        });
        violations.extend(lines.map(|(number, _)| format!("{path}:{}: println!", number + 1)));
    }
    none(&violations);
}
