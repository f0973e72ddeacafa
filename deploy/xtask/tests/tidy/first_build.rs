//! What a first run compiles, it compiles once: `cargo xtask`, the macros and the program ask for the same features of what is large.

use serde_json::Value;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::process::Command;

/// How `cargo xtask demo` builds the chores, and then the program (`process.rs`).
const BUILDS: [&[&str]; 2] = [
    &["--package", "xtask", "--bin", "xtask"],
    &["--package", "chaintape", "--no-default-features", "--features", "demo", "--bin", "chaintape"],
];

/// What may be compiled twice: a second or two each. The first three are wasmtime's, whose macro needs less of them; the others take
/// features of the system's interfaces from different sides.
const SMALL: [&str; 8] = [
    "cranelift-bitset",
    "pulley-interpreter",
    "wasmtime-internal-core",
    "getrandom",
    "libc",
    "once_cell",
    "rustix",
    "tempfile",
];

/// What cargo would compile, by package: each library by all that decides whether two are one.
fn libraries(build: &[&str]) -> Vec<(String, u64)> {
    let mut cargo = Command::new(env!("CARGO"));
    // The graph is not in the stable cargo; nothing is compiled.
    cargo.args(["build", "--offline", "-Zunstable-options", "--unit-graph"]).args(build).env("RUSTC_BOOTSTRAP", "1");
    let output = cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let graph: Value = serde_json::from_slice(&output.stdout).unwrap();
    let units = graph["units"].as_array().unwrap();
    let mut known = vec![None; units.len()];
    let is_library =
        |unit: &Value| unit["mode"] == "build" && unit["target"]["kind"][0].as_str().unwrap().ends_with("lib");
    let named = (0..units.len()).filter(|at| is_library(&units[*at]));
    named.map(|at| (units[at]["pkg_id"].as_str().unwrap().to_owned(), identity(units, at, &mut known))).collect()
}

fn identity(units: &[Value], at: usize, known: &mut Vec<Option<u64>>) -> u64 {
    if let Some(known) = known[at] {
        return known;
    }
    let unit = &units[at];
    let dependencies = unit["dependencies"].as_array().unwrap().iter();
    let on: BTreeSet<u64> = dependencies
        .map(|of| identity(units, usize::try_from(of["index"].as_u64().unwrap()).unwrap(), known))
        .collect();
    let mut hasher = DefaultHasher::new();
    for part in ["pkg_id", "target", "mode", "profile", "features", "platform"] {
        unit[part].to_string().hash(&mut hasher);
    }
    on.hash(&mut hasher);
    *known[at].insert(hasher.finish())
}

#[test]
fn a_first_run_compiles_nothing_large_twice() {
    let mut kinds: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for (package, kind) in BUILDS.into_iter().flat_map(libraries) {
        kinds.entry(package).or_default().insert(kind);
    }
    let name = |package: &str| {
        let last = package.rsplit(['#', '/']).next().unwrap();
        last.split('@').next().unwrap().to_owned()
    };
    let twice: Vec<String> =
        kinds.iter().filter(|(_, kinds)| kinds.len() > 1).map(|(package, _)| name(package)).collect();
    let large: Vec<&String> = twice.iter().filter(|name| !SMALL.contains(&name.as_str())).collect();
    assert!(
        large.is_empty(),
        "compiled more than once: {large:?}; ask for the same features under [build-dependencies] of services/stack and in deploy/xtask"
    );
}
