//! `plugin check`: admits a component, and checks on every cassette that it is deterministic, does not depend on the
//! time, never answers in part when fuel or memory run out, and keeps the rules of trades; reports how much fuel and
//! memory are left.

use super::test::read_cassettes;
use super::{UNLIMITED_FUEL, read_chain_file, replay};
use crate::cassette::Cassette;
use crate::chainfile::Limits;
use crate::plugin::v1::CallError;
use crate::plugin::{Admitted, CallUsage, Engine, Gate, admit};
use crate::source::FUEL_PER_MS;
use anyhow::{Context, bail};
use environment::Strings;
use ingest_domain::Scanned;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use tape::{Detector, Status};

/// Checks a component as the host would, and its behaviour where there are cassettes.
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
    let mut lines = vec![admitted_line(&plugin, begun.elapsed())];
    let mut limits = Limits::default();
    if let Some(chain) = chain {
        limits = read_chain_file(chain, &plugin, strings)?.limits;
        lines.push(format!("settings: {} is accepted", chain.display()));
    }
    match cassettes {
        Some(folder) => lines.extend(check_cassettes(&engine, &plugin, folder, &limits).await?),
        None => lines.push("no cassettes: behaviour is not checked (--cassettes DIR)".to_owned()),
    }
    Ok(lines.join("\n"))
}

fn admitted_line(plugin: &Admitted, took: Duration) -> String {
    let Detector { plugin: id, digest, .. } = &*plugin.detector;
    let (version, wit, size, took_ms) = (&plugin.version, &plugin.wit, plugin.size / 1_000, took.as_millis());
    format!("admitted: {id} {version} for contract {wit}, {size} kB, {digest} in {took_ms} ms")
}

/// Checks the behaviour on every cassette that does not record a failure; returns a line for each, and the headroom.
pub(super) async fn check_cassettes(
    engine: &Engine,
    plugin: &Admitted,
    folder: &Path,
    limits: &Limits,
) -> anyhow::Result<Vec<String>> {
    let cassettes = read_cassettes(folder)?;
    if cassettes.is_empty() {
        bail!("no *.cassette.json in {}", folder.display());
    }
    let (mut lines, mut wrong, mut highest) = (vec![], vec![], CallUsage::default());
    for (path, cassette) in cassettes.iter().filter(|(_, cassette)| cassette.failure.is_none()) {
        match check_cassette(engine, plugin, cassette, limits).await {
            Ok(usage) => {
                highest.fuel = highest.fuel.max(usage.fuel);
                highest.memory = highest.memory.max(usage.memory);
                let passed = "deterministic, independent of the time, well-behaved under starved limits";
                lines.push(format!("{}: {passed}", path.display()));
            }
            Err(why) => wrong.push(format!("{}: {why}", path.display())),
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    let (fuel, budget) = (highest.fuel, limits.compute_ms.saturating_mul(FUEL_PER_MS));
    lines.push(format!("fuel: at most {fuel} of {budget}, {} left", headroom(fuel, budget)));
    let (memory, available) = (highest.memory as u64, limits.memory_bytes as u64);
    lines.push(format!("memory: at most {memory} of {available} bytes, {} left", headroom(memory, available)));
    Ok(lines)
}

fn headroom(used: u64, budget: u64) -> String {
    let left = budget.saturating_sub(used);
    format!("{}.{:01} %", left.saturating_mul(100) / budget.max(1), left.saturating_mul(1_000) / budget.max(1) % 10)
}

async fn check_cassette(
    engine: &Engine,
    plugin: &Admitted,
    cassette: &Cassette,
    limits: &Limits,
) -> Result<CallUsage, String> {
    let (first, usage) = replay(engine, plugin, cassette, limits, Some(UNLIMITED_FUEL)).await;
    let scanned = first.map_err(|e| e.to_string())?;
    check_trades(&scanned)?;
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
    check_starved(engine, plugin, cassette, limits, &scanned, usage).await?;
    Ok(usage)
}

/// Checks that with less fuel or memory than it needs a plugin fails, and with more gives the same: never a part of the
/// blocks.
async fn check_starved(
    engine: &Engine,
    plugin: &Admitted,
    cassette: &Cassette,
    limits: &Limits,
    scanned: &Scanned,
    usage: CallUsage,
) -> Result<(), String> {
    for tenth in 1..=11 {
        let (what, outcome) =
            ("fuel", replay(engine, plugin, cassette, limits, Some(usage.fuel / 10 * tenth + 10)).await.0);
        fails_or_equals(what, tenth, outcome, scanned)?;
        let tight =
            Limits { memory_bytes: usage.memory / 10 * usize::try_from(tenth).unwrap_or(1) + 10, ..limits.clone() };
        fails_or_equals("memory", tenth, replay(engine, plugin, cassette, &tight, None).await.0, scanned)?;
    }
    Ok(())
}

fn fails_or_equals(what: &str, tenth: u64, outcome: Result<Scanned, CallError>, whole: &Scanned) -> Result<(), String> {
    match outcome {
        Err(_) => Ok(()),
        Ok(scanned) if scanned == *whole => Ok(()),
        Ok(_) => Err(format!("gives another output with {tenth}0 % of the {what} it needs")),
    }
}

/// Checks the rules that every trade must keep.
fn check_trades(scanned: &Scanned) -> Result<(), String> {
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
