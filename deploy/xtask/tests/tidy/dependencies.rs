//! Who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::sources::{none, root, rust_files};

/// What a domain may depend on.
const DOMAIN: &[&str] = &["tape", "thiserror", "num-bigint"];

/// What the published language may depend on.
const TAPE: &[&str] = &["ruint", "thiserror"];

/// What a plugin may depend on: the SDK, netting, and crates that compute and do nothing else.
const PLUGIN: &[&str] = &[
    "chain-plugin-sdk",
    "netting",
    "serde",
    "serde_json",
    "ruint",
    "thiserror",
    "hex",
    "bs58",
    "base64",
    "sha2",
    "alloy-primitives",
    "ed25519-dalek",
    "alloy-rlp",
    "alloy-trie",
    "alloy-sol-types",
    "memchr",
];

/// What netting may depend on.
const NETTING: &[&str] = &["ruint", "thiserror"];

/// What the SDK may depend on.
const SDK: &[&str] = &["wit-bindgen", "serde", "serde_json", "ruint", "thiserror", "hex", "dlmalloc"];

/// The four services.
const SERVICES: &[&str] = &["chain-ingestor", "metrics", "portfolio", "api"];
/// What may depend on several services.
const WHOLE: &[&str] = &["chaintape", "nodes", "system", "bench", "chaos"];

/// The crates of the lab.
const LAB: &[&str] = &["recordings", "nodes", "guests", "system", "bench", "chaos"];

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

#[test]
fn dependencies_point_inwards() {
    let mut violations = Vec::new();
    let all = dependencies();
    for (name, needed) in &all {
        match name.as_str() {
            "tape" => only(&mut violations, name, needed, TAPE),
            "chain-plugin-sdk" => only(&mut violations, name, needed, SDK),
            "netting" => only(&mut violations, name, needed, NETTING),
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

/// The lab may know everything it measures; what it measures does not know the lab, and its rooms know each other only so far.
#[test]
fn nobody_but_the_lab_knows_the_lab() {
    let mut violations = Vec::new();
    let all = dependencies();
    for (name, needed) in &all {
        let own: BTreeSet<String> = needed.iter().filter(|it| all.contains_key(*it)).cloned().collect();
        let forbidden: Vec<&str> = match name.as_str() {
            // Plugins' tests read recordings, which therefore must not lead back to plugins.
            "recordings" | "guests" => own.iter().map(String::as_str).collect(),
            // What builds a plugin is one and the same for authors and for `cargo xtask plugins`.
            "xtask" => own.iter().map(String::as_str).filter(|it| *it != "plugin-build").collect(),
            "nodes" => {
                own.iter().map(String::as_str).filter(|it| !["mock-plugin", "recordings"].contains(it)).collect()
            }
            "system" => vec!["bench", "chaos"],
            "bench" => vec!["chaos"],
            // The oracle must not share code with what it compares.
            "chaos" => vec!["bench", "chain-ingestor", "ingest-domain", "metrics-domain", "portfolio-domain"],
            // Its demo, a feature of what is released, brings the node that replays blocks.
            "chaintape" => LAB.iter().copied().filter(|it| *it != "nodes").collect(),
            _ => LAB.to_vec(),
        };
        for dependency in forbidden.into_iter().filter(|it| own.contains(*it)) {
            violations.push(format!("{name} must not depend on {dependency}"));
        }
    }
    for name in LAB.iter().filter(|name| !all.contains_key(**name)) {
        violations.push(format!("the lab has no crate {name}"));
    }
    none(&violations);
}

#[test]
fn only_the_hosts_plugin_module_names_wasmtime() {
    let mut violations = Vec::new();
    for (path, text) in rust_files() {
        if path.starts_with("host/src/plugin") || path.starts_with("deploy/xtask/") {
            continue;
        }
        let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (line, _) in code.filter(|(_, line)| line.contains("wasmtime::")) {
            violations.push(format!("{path}:{} names wasmtime; that belongs into host/src/plugin", line + 1));
        }
    }
    none(&violations);
}
