//! One vocabulary: a name means one thing, and the words that were given up stay given up.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{none, rust_files, rust_templates};

/// In how many modules one name may stand before it needs a first name.
const MAX_MODULES_OF_A_NAME: usize = 3;

/// Names that may stand in more modules, because they mean the same in each or are always read with a first name.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("ALLOCATOR", "the allocator of a binary"),
    ("Arguments", "the command line of a binary, private to its `main.rs`"),
    ("Block", "a block of a chain: the host's, and its JSON in three messages of `wire`"),
    ("Command", "the subcommands of a binary"),
    ("Leg", "a leg of a trade: the plugins' models, netting, the tape, its JSON"),
    ("Reader", "the reader of a topic: one in each adapter of the log, and the enum of them"),
    ("Settings", "read as `metrics::Settings`: what a crate is configured with"),
    ("SETTINGS_SCHEMA", "the JSON Schema of a plugin's settings: one in each plugin"),
    ("VENUE", "read as `venues::curve::VENUE`: the one item that each venue's file hands out"),
    ("Writer", "the writer of a topic: one in each adapter of the log, and the enum of them"),
];

/// Types of the old dialect.
const OLD_TYPES: [&str; 13] = [
    "Told", "Heard", "Said", "Wish", "Seat", "Tallies", "Vitals", "Pulse", "Witness", "Judge", "Scene", "Share",
    "Shares",
];

/// Constants of the old dialect.
const OLD_CONSTANTS: [&str; 3] = ["PATIENCE", "MOST", "FEW"];

/// The kind and the name of what a line defines, if it defines a constant or a type.
fn defined(line: &str) -> Option<(&'static str, &str)> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) if rest.starts_with(' ') => rest.trim_start(),
        _ => line,
    };
    let (word, rest) = line.split_once(' ')?;
    let kind = match word {
        "const" | "static" => "const",
        "struct" | "enum" | "trait" | "type" | "union" => "type",
        _ => return None,
    };
    let name = rest.trim_start().split(|it: char| !(it.is_alphanumeric() || it == '_')).next()?;
    let is_fn = kind == "const" && !name.starts_with(|it: char| it.is_ascii_uppercase());
    (!name.is_empty() && !is_fn).then_some((kind, name))
}

#[test]
fn a_name_in_many_modules_has_a_first_name() {
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in
        rust_files().into_iter().filter(|(path, _)| path.contains("src/") && !path.ends_with("/tests.rs"))
    {
        // What is indented is inside something that gives it a first name: a type, a function, a module of tests.
        for (_, name) in text.lines().filter(|line| !line.starts_with(' ')).filter_map(defined) {
            modules.entry(name.to_owned()).or_default().insert(path.clone());
        }
    }
    let excepted = |name: &str| EXCEPTIONS.iter().any(|(known, _)| *known == name);
    let is_frequent = |name: &str| modules.get(name).is_some_and(|paths| paths.len() > MAX_MODULES_OF_A_NAME);
    let mut violations = Vec::new();
    for (name, paths) in modules.iter().filter(|(name, _)| is_frequent(name) && !excepted(name)) {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        violations.push(format!("{name} is defined in {} modules: {}", paths.len(), paths.join(", ")));
    }
    for (name, _) in EXCEPTIONS.iter().filter(|(name, _)| !is_frequent(name)) {
        violations.push(format!("{name} needs no exception any more"));
    }
    none(&violations);
}

#[test]
fn the_old_dialect_is_gone() {
    let mut violations = Vec::new();
    for (path, text) in rust_files().into_iter().chain(rust_templates()) {
        for (number, line) in (1..).zip(text.lines()) {
            let is_old = |(kind, name): &(&str, &str)| match *kind {
                "type" => OLD_TYPES.contains(name),
                _ => OLD_CONSTANTS.contains(name),
            };
            if let Some((_, name)) = defined(line).filter(is_old) {
                violations.push(format!("{path}:{number} defines {name}, a word of the old dialect"));
            }
        }
    }
    none(&violations);
}

#[test]
fn definitions_are_recognised() {
    assert_eq!(defined("pub(crate) const MAX_LEGS: usize = 3;"), Some(("const", "MAX_LEGS")));
    assert_eq!(defined("    pub struct Told<'a> {"), Some(("type", "Told")));
    assert_eq!(defined("static ONE: u8 = 1;"), Some(("const", "ONE")));
    assert_eq!(defined("type Answer = u8;"), Some(("type", "Answer")));
    assert_eq!(defined("pub const fn new() -> Self {"), None);
    assert_eq!(defined("let type_name = 1;"), None);
}
