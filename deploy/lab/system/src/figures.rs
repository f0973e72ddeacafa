//! Figures of a measurement: printed as a table and written as flat JSON, with the machine, the commit and the date.

use anyhow::Context;
use serde_json::{Map, Value};
use std::path::Path;
use std::process::Command;
use tape_log::Target;
use tape_log::settings::KafkaSettings;

/// What was measured, by flat keys.
pub type Figures = Map<String, Value>;

/// Prints the figures and writes them to `target/bench/NAME.json`, with where and when they were measured.
pub fn report(name: &str, mut figures: Figures) -> anyhow::Result<()> {
    figures.append(&mut provenance());
    for (key, value) in &figures {
        println!("{key:<28} {value}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/bench").join(format!("{name}.json"));
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::fs::write(&path, serde_json::to_string_pretty(&figures)? + "\n")?;
    println!("written to {}", path.display());
    Ok(())
}

/// The machine (`cargo xtask` sets `CHAINTAPE_MACHINE`), the commit and the date of a measurement.
pub fn provenance() -> Figures {
    let machine = std::env::var("CHAINTAPE_MACHINE").unwrap_or_else(|_| "machine unknown".to_owned());
    let date = time::OffsetDateTime::now_utc().date().to_string();
    let commit = commit().unwrap_or_else(|| "commit unknown".to_owned());
    [("machine", machine), ("commit", commit), ("date", date)]
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .into_iter()
        .collect()
}

/// The commit that is checked out, with `-dirty` where a tracked file differs from it.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    let is_dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if is_dirty { format!("{head}-dirty") } else { head })
}

/// A log on the cluster at `KAFKA_BROKERS` whose topics no other run uses.
pub fn kafka(name: &str) -> anyhow::Result<Target> {
    let brokers =
        std::env::var("KAFKA_BROKERS").context("KAFKA_BROKERS is not set: run `cargo xtask servers start`")?;
    let environment = format!("{name}-{}", environment::now_ms());
    let prefix = format!("{environment}.");
    Ok(Target::Kafka(KafkaSettings::plain(brokers, prefix, environment).into()))
}

/// Memory that this process has resident, MiB.
pub fn resident_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read the memory of this process")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("find VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// The quantile of sorted samples, in per mille: 500 is the median.
pub fn quantile(sorted: &[f64], per_mille: usize) -> f64 {
    let at = (sorted.len() * per_mille / 1_000).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// A figure rounded to so many decimal places.
pub fn rounded(value: f64, digits: i32) -> Value {
    let factor = 10_f64.powi(digits);
    ((value * factor).round() / factor).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_says_where_and_when() {
        let provenance = provenance();
        assert_eq!(provenance.keys().collect::<Vec<_>>(), ["commit", "date", "machine"]);
        let date = provenance["date"].as_str().unwrap_or_default();
        assert!(date.len() == 10 && date.starts_with("20"), "{date}");
    }
}
