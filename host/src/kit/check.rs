//! `plugin check`: admission, and on every cassette determinism, independence of the time, behaviour under starved
//! limits, and the trades' own rules; ends with how much fuel and memory are left.

use super::{read_cassettes, replay};
use crate::cassette::Cassette;
use crate::chainfile::{self, Limits, Variables};
use crate::plugin::v1::CallError;
use crate::plugin::{Admitted, Engine, Gate, Used, admit};
use crate::source::FUEL_PER_MS;
use anyhow::{Context, bail};
use environment::{ConfigError, Strings};
use ingest_domain::Scanned;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;
use tape::Status;

/// Fuel for a scan that is only measured.
const AMPLE: u64 = 1 << 50;

/// Checks a component as the host would, and more where there are cassettes.
pub async fn check(
    path: &Path,
    chain: Option<&Path>,
    cassettes: Option<&Path>,
    gate: &Gate,
    strings: &impl Strings,
) -> anyhow::Result<String> {
    let engine = Engine::new(1)?;
    let begun = Instant::now();
    let plugin = admit(&engine, gate, path).await.context("admit the plugin")?;
    let took = begun.elapsed();
    let mut said = vec![format!(
        "admitted: {} {} for contract {}, {} kB, {} in {} ms",
        plugin.detector.plugin,
        plugin.version,
        plugin.wit,
        plugin.size / 1_000,
        plugin.detector.digest,
        took.as_millis()
    )];
    let mut limits = Limits::default();
    if let Some(chain) = chain {
        let secrets = strings.get("SECRETS_DIR").map(std::path::PathBuf::from);
        let variables = Variables { strings, secrets: secrets.as_deref() };
        let file = chainfile::read(chain, &variables).map_err(ConfigError)?;
        plugin.schema.check(&file.settings).map_err(|wrong| anyhow::anyhow!("{}: {wrong}", chain.display()))?;
        said.push(format!("settings: {} is accepted", chain.display()));
        limits = file.limits;
    }
    let Some(folder) = cassettes else {
        said.push("no cassettes: behaviour is not checked (--cassettes DIR)".to_owned());
        return Ok(said.join("\n"));
    };
    let cassettes = read_cassettes(folder)?;
    if cassettes.is_empty() {
        bail!("no *.cassette.json in {}", folder.display());
    }
    let (mut wrong, mut most) = (vec![], Used::default());
    for (path, cassette) in cassettes.iter().filter(|(_, cassette)| cassette.failure.is_none()) {
        match check_one(&engine, &plugin, cassette, &limits).await {
            Ok(used) => {
                most.fuel = most.fuel.max(used.fuel);
                most.memory = most.memory.max(used.memory);
                let scans = "deterministic, independent of the time, well-behaved under starved limits";
                said.push(format!("{}: {scans}", path.display()));
            }
            Err(why) => wrong.push(format!("{}: {why}", path.display())),
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    let budget = limits.compute_ms.saturating_mul(FUEL_PER_MS);
    said.push(format!("fuel: at most {} of {budget}, {} left", most.fuel, headroom(most.fuel, budget)));
    let memory = limits.memory_bytes as u64;
    said.push(format!(
        "memory: at most {} of {memory} bytes, {} left",
        most.memory,
        headroom(most.memory as u64, memory)
    ));
    Ok(said.join("\n"))
}

fn headroom(used: u64, budget: u64) -> String {
    let left = budget.saturating_sub(used);
    format!("{}.{:01} %", left.saturating_mul(100) / budget.max(1), left.saturating_mul(1_000) / budget.max(1) % 10)
}

async fn check_one(engine: &Engine, plugin: &Admitted, cassette: &Cassette, limits: &Limits) -> Result<Used, String> {
    let (first, used) = replay(engine, plugin, cassette, limits, Some(AMPLE)).await;
    let scanned = first.map_err(|e| e.to_string())?;
    trades(&scanned)?;
    let again = replay(engine, plugin, cassette, limits, None).await.0;
    if again.ok().as_ref() != Some(&scanned) {
        return Err("is not deterministic: the same answers gave another output".to_owned());
    }
    if !plugin.synthetic {
        let later = Cassette { now_ms: cassette.now_ms + 86_400_000, ..cassette.clone() };
        if replay(engine, plugin, &later, limits, None).await.0.ok().as_ref() != Some(&scanned) {
            return Err("depends on the time of day, and does not describe itself as synthetic".to_owned());
        }
    }
    starve(engine, plugin, cassette, limits, &scanned, used).await?;
    Ok(used)
}

/// With less than it needs a plugin must fail, and with more give the same: never half an answer.
async fn starve(
    engine: &Engine,
    plugin: &Admitted,
    cassette: &Cassette,
    limits: &Limits,
    scanned: &Scanned,
    used: Used,
) -> Result<(), String> {
    for tenth in 1..=11 {
        let (what, outcome) =
            ("fuel", replay(engine, plugin, cassette, limits, Some(used.fuel / 10 * tenth + 10)).await.0);
        starved(what, tenth, outcome, scanned)?;
        let tight =
            Limits { memory_bytes: used.memory / 10 * usize::try_from(tenth).unwrap_or(1) + 10, ..limits.clone() };
        starved("memory", tenth, replay(engine, plugin, cassette, &tight, None).await.0, scanned)?;
    }
    Ok(())
}

fn starved(what: &str, tenth: u64, outcome: Result<Scanned, CallError>, whole: &Scanned) -> Result<(), String> {
    match outcome {
        Err(_) => Ok(()),
        Ok(scanned) if scanned == *whole => Ok(()),
        Ok(_) => Err(format!("gives another output with {tenth}0 % of the {what} it needs")),
    }
}

/// What every trade must keep.
fn trades(scanned: &Scanned) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for block in &scanned.blocks {
        let mut before = None;
        for trade in &block.trades {
            let id = trade.id();
            let encoded = wire::v1::trade::encode_as("check/1/0", Status::Observed, trade);
            let decoded = wire::v1::trade::decode(&encoded).map_err(|e| format!("trade {id}: {e}"))?;
            if *decoded.trade != *trade {
                return Err(format!("trade {id} is another after its way over the wire"));
            }
            let place = trade.place();
            if before.is_some_and(|before| before >= place) {
                return Err(format!("trade {id} is not in chain order within block {}", block.id));
            }
            before = Some(place);
            if trade.sold.asset == trade.bought.asset && !trade.is_cycle() {
                return Err(format!("trade {id} gives what it takes and is no cycle"));
            }
            if !ids.insert(id.clone()) {
                return Err(format!("trade id {id} occurs twice"));
            }
        }
    }
    Ok(())
}
