//! Figures of a measurement: printed as a table and written as flat JSON, with the machine and the commit.
use anyhow::Context;
use serde_json::{Map, Value};
use std::path::Path;
use tape_log::Target;

/// What was measured, by flat keys.
pub type Figures = Map<String, Value>;

/// Prints the figures and writes them to `target/bench/NAME.json`, with the machine they were measured on.
pub fn report(name: &str, mut figures: Figures) -> anyhow::Result<()> {
    let machine = std::env::var("CHAINTAPE_MACHINE").unwrap_or_else(|_| "unknown".to_owned());
    figures.insert("machine".to_owned(), machine.into());
    for (key, value) in &figures {
        println!("{key:<28} {value}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/bench").join(format!("{name}.json"));
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::fs::write(&path, serde_json::to_string_pretty(&figures)? + "\n")?;
    println!("written to {}", path.display());
    Ok(())
}

/// A place on the cluster at `KAFKA_BROKERS` that no other run has.
pub fn kafka(name: &str) -> anyhow::Result<Target> {
    let brokers =
        std::env::var("KAFKA_BROKERS").context("KAFKA_BROKERS is not set: run `cargo xtask servers start`")?;
    let environment = format!("{name}-{}", environment::now_ms());
    let prefix = format!("{environment}.");
    Ok(Target::Kafka { brokers, prefix, environment, replication: 1, min_insync: 1 })
}

/// The value below which so many per mille of the sorted samples lie.
pub fn quantile(sorted: &[f64], per_mille: usize) -> f64 {
    let at = (sorted.len() * per_mille / 1_000).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// A figure with so many digits behind the point.
pub fn rounded(value: f64, digits: i32) -> Value {
    let factor = 10_f64.powi(digits);
    ((value * factor).round() / factor).into()
}
