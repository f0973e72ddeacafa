//! `cargo xtask figures`: writes `deploy/lab/bench/FIGURES.md` from `target/bench/*.json`, so that no figure is typed by hand.
//!
//! What was measured before and not this time is taken from `deploy/lab/bench/figures.json`, which holds all that the page
//! shows and is written together with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value};

use crate::process::{note, put, root, target};

/// All benchmarks by name, with the flat JSON that each wrote.
type Measured = BTreeMap<String, Map<String, Value>>;

/// A benchmark: its name, its command, what it measures.
const BENCHMARKS: [(&str, &str, &str); 15] = [
    (
        "detect",
        "bench detect",
        "JSON bytes in, trade events out, through `evm.wasm` and native, on one core without network. Blocks full of swaps; `mainnet_`: recorded mainnet blocks; `hint_`: receipts are not proved.",
    ),
    (
        "latency",
        "bench latency",
        "From a block at the node to its record in Kafka and to a WebSocket client, one live EVM node.",
    ),
    ("stream", "bench stream", "Deliveries to thousands of WebSockets, and memory before and after."),
    ("rest", "bench rest", "REST at a thousand requests a second with a million trades stored."),
    (
        "backfill",
        "bench backfill",
        "From the first request to a node to the last row in PostgreSQL: proved, through Kafka, content checked. Blocks full of swaps; `mainnet_`: recorded mainnet blocks, again and again; `rtt50_`: each answer comes 50 ms later; `gzip_`, `raw_`: what the node serves.",
    ),
    (
        "memory",
        "bench memory",
        "Memory of an ingestor, its node beside it, over a long backfill of mainnet's blocks: the highest of its second and of its last tenth.",
    ),
    ("fold", "bench fold", "Trades folded and committed to PostgreSQL, without Kafka."),
    ("catch-up", "bench catch-up", "The same, read from Kafka on the same cores."),
    (
        "swap",
        "bench swap",
        "What the plugin platform costs: swaps under load, admission, fresh instances, idle chains.",
    ),
    (
        "reorg",
        "bench reorg",
        "From a node that leaves 64 blocks to the last event in Kafka that takes one back or puts another in its place; afterwards the books are compared with those of a line that saw only what stayed.",
    ),
    (
        "neighbour",
        "bench neighbour",
        "How late blocks of an honest chain are in Kafka, alone and beside each kind of hostile plugin.",
    ),
    ("solana", "bench solana", "A full Solana block through `solana.wasm` on one core."),
    (
        "first-run",
        "bench first-run",
        "`cargo xtask demo --for 5` in a clone with nothing compiled, crates already fetched: plugins, program, and the first trades of recorded chains. `crate_`: the crates that the compiler took longest for. `before_`: another commit, where one was named.",
    ),
    (
        "failover",
        "chaos --failover --faults 8",
        "How long a chain stands still when the ingestor that follows it is killed or frozen.",
    ),
    (
        "chaos",
        "chaos --faults 1000 --seed 11",
        "Faults injected into the whole system; afterwards topics and tables are compared with the chains' truth.",
    ),
];

/// What the project was asked to reach: benchmark, figure, bound.
const ASKED_FOR: [(&str, &str, &str); 25] = [
    ("detect", "wasm_logs_per_s", "≥ 250000"),
    ("detect", "wasm_over_native", "≤ 1.5"),
    ("latency", "kafka_p50_ms", "≤ 30"),
    ("latency", "kafka_p99_ms", "≤ 150"),
    ("latency", "ws_p50_ms", "≤ 60"),
    ("latency", "ws_p99_ms", "≤ 250"),
    ("stream", "deliveries_per_s", "≥ 200000"),
    ("rest", "p99_ms", "≤ 20"),
    ("backfill", "trades_per_s", "≥ 19000"),
    ("backfill", "mainnet_trades_per_s", "≥ 8000"),
    ("backfill", "trades_per_commit", "≥ 250"),
    ("backfill", "postgres_cpu_us_per_trade", "≤ 25"),
    ("memory", "rss_mib_highest", "≤ 256"),
    ("fold", "trades_per_s", "≥ 40000"),
    ("swap", "kafka_p99_ms", "≤ 1000"),
    ("swap", "kafka_lost", "0"),
    ("swap", "kafka_doubled", "0"),
    ("swap", "admission_ms", "≤ 3000"),
    ("swap", "fresh_scan_p99_us", "≤ 50"),
    ("swap", "idle_chain_mib", "≤ 20"),
    ("reorg", "ms", "≤ 1000"),
    ("neighbour", "worst_over_alone", "≤ 2"),
    ("solana", "peak_mib", "≤ 64"),
    ("first-run", "cpu_s", "≤ 900"),
    ("first-run", "over_before", "≤ 0.333"),
];

/// Where and when a benchmark ran; the other keys of its JSON are figures.
const PROVENANCE: [&str; 3] = ["machine", "commit", "date"];

/// Merges the newest measurements into `figures.json` and writes the page from it.
pub(crate) fn write() -> anyhow::Result<()> {
    let folder = folder();
    let mut measured = read_kept(&folder.join("figures.json"))?;
    for (name, figures) in read_new(&target("bench"))? {
        measured.insert(name, figures);
    }
    let kept = serde_json::to_string_pretty(&measured)? + "\n";
    put(&folder.join("figures.json"), kept.as_bytes())?;
    put(&folder.join("FIGURES.md"), page(&measured).as_bytes())?;
    note(&format!("{} benchmarks in deploy/lab/bench/FIGURES.md; commit it with figures.json", measured.len()));
    Ok(())
}

fn folder() -> PathBuf {
    root().join("deploy/lab/bench")
}

/// What the page showed before.
fn read_kept(path: &Path) -> anyhow::Result<Measured> {
    match std::fs::read_to_string(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Measured::new()),
        text => serde_json::from_str(&text?).with_context(|| format!("{} is not what was written", path.display())),
    }
}

/// What benchmarks of the list above have written; none where nothing was measured.
fn read_new(folder: &Path) -> anyhow::Result<Measured> {
    let mut measured = Measured::new();
    for (name, ..) in BENCHMARKS {
        let path = folder.join(format!("{name}.json"));
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let figures = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        measured.insert(name.to_owned(), figures);
    }
    Ok(measured)
}

/// The page: a section per benchmark, every cell from its JSON.
fn page(measured: &Measured) -> String {
    let mut page = "<!-- Written by `cargo xtask figures` from figures.json: do not edit. -->\n\n# Figures\n\n\
        Each command prints its figures and writes `target/bench/NAME.json`; `cargo xtask figures` makes this page of them. A \
        commit that ends in `-dirty` had changes that were not committed. `asked for` is what the project was to reach.\n"
        .to_owned();
    for (name, command, what) in BENCHMARKS {
        let _ = write!(page, "\n## {name}\n\n{what}\n\n`cargo xtask {command}`");
        let Some(figures) = measured.get(name) else {
            page.push_str(" – not measured yet.\n");
            continue;
        };
        let origin = PROVENANCE.map(|key| figures.get(key).map_or_else(|| format!("{key} unknown"), shown));
        let _ = write!(page, " · {}\n\n| figure | measured | asked for |\n|---|---|---|\n", origin.join(" · "));
        for (key, value) in figures.iter().filter(|(key, _)| !PROVENANCE.contains(&key.as_str())) {
            let asked = ASKED_FOR.iter().find(|(of, figure, _)| *of == name && figure == key);
            let _ = writeln!(page, "| `{key}` | {} | {} |", shown(value), asked.map_or("", |(_, _, bound)| *bound));
        }
    }
    page
}

/// A value as a cell shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace('|', "\\|"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The page that is committed is made of the figures that are committed.
    #[test]
    fn the_page_shows_the_kept_figures_and_nothing_else() {
        let kept = read_kept(&folder().join("figures.json")).unwrap();
        let written = std::fs::read_to_string(folder().join("FIGURES.md")).unwrap();
        assert_eq!(written, page(&kept), "run `cargo xtask figures`");
        for name in kept.keys() {
            assert!(BENCHMARKS.iter().any(|(known, ..)| known == name), "{name} is no benchmark");
        }
    }

    #[test]
    fn a_section_has_machine_commit_date_and_what_was_asked_for() {
        let figures =
            json!({"machine": "2 × A", "commit": "abc-dirty", "date": "2026-11-29", "p99_ms": 3.6, "p50_ms": 1.4});
        let measured = Measured::from([("rest".to_owned(), figures.as_object().unwrap().clone())]);
        let page = page(&measured);
        assert!(page.contains("`cargo xtask bench rest` · 2 × A · abc-dirty · 2026-11-29\n"), "{page}");
        assert!(page.contains("| `p50_ms` | 1.4 |  |\n| `p99_ms` | 3.6 | ≤ 20 |\n"), "{page}");
        assert!(page.contains("`cargo xtask bench fold` – not measured yet.\n"), "{page}");
    }

    #[test]
    fn a_benchmark_that_did_not_run_keeps_its_figures() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_kept(&folder.path().join("figures.json")).unwrap(), Measured::new());
        std::fs::write(folder.path().join("rest.json"), "{\"p99_ms\": 3.6}").unwrap();
        std::fs::write(folder.path().join("other.json"), "[]").unwrap();
        let new = read_new(folder.path()).unwrap();
        assert_eq!(new.keys().collect::<Vec<_>>(), ["rest"]);
        assert_eq!(new["rest"]["p99_ms"], 3.6);
    }
}
