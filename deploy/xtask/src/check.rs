//! `cargo xtask test`: everything that must hold before a change is merged: format, plugins, lints, documentation, tests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{bail, ensure};

use crate::process::{TEST_WORKSPACE, cargo, has, note, root, run};
use crate::{anvil, geth, plugins, registry};

/// What some tests need from the machine: its name in `CHAINTAPE_REQUIRE`, and what is not tested without it.
const NEEDED_BY_SOME_TESTS: [(&str, &str); 8] = [
    ("component", "cargo-component is not installed: plugins are built the other way only"),
    ("javascript", "Node.js and npm are not installed: the plugin in JavaScript is not built"),
    ("kafka", "KAFKA_BROKERS is not set: nothing runs against a real Kafka"),
    ("postgres", "DATABASE_URL names no PostgreSQL: nothing runs against a real one"),
    ("anvil", "anvil is not installed (`cargo xtask anvil`): no trade is followed from a live node"),
    ("registry", "there is no registry (`cargo xtask registry`): no plugin is published to one and installed from it"),
    (
        "geth",
        "Geth is not installed (`cargo xtask geth`): no trade is followed from it, nor native coin that leaves logs",
    ),
    (
        "fixtures",
        "CHAINTAPE_FIXTURES names no folder and there is no ../shared/fixtures: only the recordings of this repository \
         (deploy/lab/recordings) are scanned, no recorded wallets and single transactions",
    ),
];

/// Runs all of it, the tests last. What is skipped because something is missing is listed before the tests.
pub(crate) fn run_all() -> anyhow::Result<()> {
    let missing = missing();
    let required = std::env::var("CHAINTAPE_REQUIRE").unwrap_or_default();
    for name in required.split(',').filter(|name| !name.is_empty()) {
        ensure!(
            NEEDED_BY_SOME_TESTS.iter().any(|(known, _)| *known == name),
            "CHAINTAPE_REQUIRE names {name}, which is unknown"
        );
        if let Some((_, sentence)) = missing.iter().find(|(missing, _)| *missing == name) {
            bail!("{name} is required, and {sentence}");
        }
    }
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    note("plugins");
    plugins::build(&[])?;
    if !missing.iter().any(|(name, _)| *name == "component") {
        note("plugins once more, with cargo-component");
        plugins::build_with_cargo_component()?;
    }
    if !missing.iter().any(|(name, _)| *name == "javascript") {
        note("the plugin in JavaScript");
        plugins::build_javascript()?;
    }
    let lints =
        ["clippy", "--quiet", "--workspace", "--all-targets", "--features", "chaintape/demo", "--", "-D", "warnings"];
    step("lints", &mut cargo(&lints))?;
    let mut documentation = cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
    step("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
    for (_, sentence) in &missing {
        note(&format!("SKIPPED: {sentence}"));
    }
    let mut tests = cargo(&[&TEST_WORKSPACE, &["--no-fail-fast"][..]].concat());
    set_locations(&mut tests);
    step("tests", &mut tests)
}

/// Sets the variables that tell tests and benchmarks where recordings, anvil, Geth and the registry are.
pub(crate) fn set_locations(command: &mut Command) {
    if let Some(fixtures) = fixtures() {
        command.env("CHAINTAPE_FIXTURES", fixtures);
    }
    if let Some(anvil) = anvil::installed() {
        command.env("CHAINTAPE_ANVIL", anvil);
    }
    if let Some(geth) = geth::installed() {
        command.env("CHAINTAPE_GETH", geth);
    }
    if let Some(registry) = registry::installed() {
        command.env("CHAINTAPE_REGISTRY", registry);
    }
}

fn step(name: &str, command: &mut Command) -> anyhow::Result<()> {
    note(name);
    run(command)
}

fn missing() -> Vec<(&'static str, &'static str)> {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let there = |name: &str| match name {
        "component" => plugins::has_cargo_component(),
        "javascript" => has("node") && has("npm"),
        "kafka" => set("KAFKA_BROKERS"),
        "postgres" => std::env::var("DATABASE_URL").is_ok_and(|url| url.starts_with("postgres")),
        "anvil" => anvil::installed().is_some(),
        "geth" => geth::installed().is_some(),
        "registry" => registry::installed().is_some(),
        _ => fixtures().is_some(),
    };
    NEEDED_BY_SOME_TESTS.into_iter().filter(|(name, _)| !there(name)).collect()
}

/// The folder of recordings that may not be copied into the repository: the one named, or the one beside the clone.
fn fixtures() -> Option<PathBuf> {
    let named = std::env::var_os("CHAINTAPE_FIXTURES").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| root().join("../shared/fixtures").canonicalize().ok()).filter(|folder| folder.is_dir())
}
