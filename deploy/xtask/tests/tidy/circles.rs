//! Import circles: no more than a few files of a crate may import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::sources::{files, none, root, shown};

/// Files in one circle: what a reader can hold in mind at once.
const MAX_FILES_IN_A_CIRCLE: usize = 5;

/// A module's path from the root of its crate; the root's is empty.
type Module = Vec<String>;

#[test]
fn no_crate_has_a_large_circle_of_files() {
    let manifests = files(&root()).into_iter().filter(|path| path.ends_with("Cargo.toml"));
    let mut violations = Vec::new();
    for folder in manifests.filter_map(|path| Some(path.parent()?.join("src"))).filter(|folder| folder.is_dir()) {
        let circle = largest_circle(&imports(&modules(&folder)));
        if circle.len() > MAX_FILES_IN_A_CIRCLE {
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            violations.push(format!("{}: {} files in a circle: {}", shown(&folder), names.len(), names.join(", ")));
        }
    }
    none(&violations);
}

/// The modules of a crate with their text; its own tests and binaries are left out.
fn modules(src: &Path) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    for path in files(src).into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs")) {
        let relative = path.strip_prefix(src).unwrap().with_extension("");
        let mut module: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.iter().any(|part| part == "tests") || module.last().is_some_and(|it| it == "main") {
            continue;
        }
        if module == ["lib"] {
            module.clear();
        }
        found.insert(module, code(&fs::read_to_string(&path).unwrap()));
    }
    found
}

/// A file's text without comments and without its tests.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let tests = text.match_indices("#[cfg(test)]").map(|(at, _)| at);
    let inline = tests.into_iter().find(|at| {
        let item = text[at + "#[cfg(test)]".len()..].trim_start();
        item.starts_with("mod ") && item.split_once('{').is_some_and(|(head, _)| !head.contains(';'))
    });
    text[..inline.unwrap_or(text.len())].to_owned()
}

/// Which modules each module names by `crate::` or `super::`, in `use` or anywhere else. What names the root of the crate alone
/// is not counted: it only declares modules and re-exports.
fn imports(modules: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let resolve = |from: &Module, path: Module| -> Option<Module> {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let base = if ups == 0 { &[][..] } else { &from[..from.len().checked_sub(ups)?] };
        let mut full: Module = base.iter().chain(&path[ups.max(1)..]).cloned().collect();
        while !full.is_empty() && !modules.contains_key(&full) {
            full.pop();
        }
        (!full.is_empty() && full != *from).then_some(full)
    };
    let edges = |(module, text): (&Module, &String)| {
        let paths = paths(text).into_iter().filter_map(|path| resolve(module, path));
        (module.clone(), paths.collect())
    };
    modules.iter().map(edges).collect()
}

/// Every path in a text that begins with `crate::` or `super::`, groups such as `a::{b, c::d}` taken apart.
fn paths(text: &str) -> Vec<Module> {
    let mut paths = Vec::new();
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    for word in ["crate", "super"] {
        for (at, _) in text.match_indices(word) {
            let before = text[..at].chars().next_back();
            let is_inside = before.is_some_and(|it| is_word(it) || it == ':');
            if !is_inside && text[at + word.len()..].starts_with("::") {
                path_tree(&mut &text[at..], &mut Vec::new(), &mut paths);
            }
        }
    }
    paths
}

/// Reads one path or group at the beginning of a text, below a prefix.
fn path_tree(rest: &mut &str, prefix: &mut Module, paths: &mut Vec<Module>) {
    let depth = prefix.len();
    loop {
        *rest = rest.trim_start();
        let end = rest.find(|it: char| !(it.is_alphanumeric() || it == '_')).unwrap_or(rest.len());
        if end > 0 {
            prefix.push(rest[..end].to_owned());
            *rest = &rest[end..];
            let Some(further) = rest.strip_prefix("::") else { break };
            *rest = further;
        } else if let Some(group) = rest.strip_prefix('{') {
            *rest = group;
            path_group(rest, prefix, paths);
            prefix.truncate(depth);
            return;
        } else {
            break;
        }
    }
    paths.push(prefix.clone());
    prefix.truncate(depth);
}

/// Reads the members of a group up to its closing brace.
fn path_group(rest: &mut &str, prefix: &mut Module, paths: &mut Vec<Module>) {
    loop {
        path_tree(rest, prefix, paths);
        // Beyond the path: ` as name`, `*`, or nothing.
        let Some(end) = rest.find([',', '}']) else { return };
        let is_last = rest[end..].starts_with('}');
        *rest = &rest[end + 1..];
        if is_last || rest.trim_start().starts_with('}') {
            if !is_last {
                *rest = &rest[rest.find('}').unwrap_or(0) + 1..];
            }
            return;
        }
    }
}

/// The largest set of modules each of which imports, over others, every other.
fn largest_circle(graph: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Module> {
    let reachable = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            open.extend(graph.get(module).into_iter().flatten().filter(|next| seen.insert((*next).clone())));
        }
        seen
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> = graph.keys().map(|module| (module, reachable(module))).collect();
    let circle = |module: &Module| -> Vec<Module> {
        reach[module].iter().filter(|other| reach[*other].contains(module)).cloned().collect()
    };
    graph.keys().map(circle).max_by_key(Vec::len).unwrap_or_default()
}

#[test]
fn a_circle_is_found_through_groups_and_bodies_and_not_through_tests() {
    let of = |name: &str, text: &str| (name.split("::").map(str::to_owned).collect::<Module>(), code(text));
    let modules = BTreeMap::from([
        of("a", "use crate::{b::{X, Y as Z}, d::*};"),
        of("b", "// use crate::a;\nfn f() { let x = super::c::f(); }"),
        of("c", "fn f() -> crate::a::A { A }"),
        of("d", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::a::A; }"),
        of("d::e", "use super::super::a::A;"),
    ]);
    let imports = imports(&modules);
    let names = |modules: &mut dyn Iterator<Item = &Module>| modules.map(|it| it.join("::")).collect::<Vec<_>>();
    assert_eq!(names(&mut imports[&vec!["a".to_owned()]].iter()), ["b", "d"]);
    assert_eq!(names(&mut largest_circle(&imports).iter()), ["a", "b", "c"]);
}
