//! How long a chain stands still when the instance that follows it is gone: killed, or paused as if its machine had frozen.

use super::plan::Role;
use super::scene::Scene;
use super::{Order, set_all, wait_for_trades};
use anyhow::{Context, ensure};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use system::figures::{Figures, quantile, rounded};
use tape::Start;
use tape_log::{Arrival, Reader, topics};

/// How long a chain may stand still before it is held to hang.
const PATIENCE: Duration = Duration::from_mins(1);
/// Everyone has their partition again.
const SETTLED: Duration = Duration::from_secs(12);
/// How long a frozen instance stays frozen: well beyond its session.
const FROZEN: Duration = Duration::from_secs(15);

/// Strikes one ingestor after the other, by turns killed and frozen, and times until every chain has made a step again.
pub async fn failover(order: &Order) -> anyhow::Result<Figures> {
    let mut scene = Scene::set(order).await?;
    set_all(&scene.faults, 0);
    wait_for_trades(&scene.log).await.context("nothing came onto the tape")?;
    let mut killed = vec![];
    let mut frozen = vec![];
    for number in 0..order.faults {
        tokio::time::sleep(SETTLED).await;
        scene.team.raise_the_dead()?;
        let role = Role::Ingestor(usize::try_from(number % 2)?);
        let by_death = number / 2 % 2 == 0;
        let mut reader = scene.log.assigned(vec![(topics::PROGRESS.partition(0), Start::Beginning)]).await?;
        caught_up(&mut reader).await?;
        let struck = Instant::now();
        if by_death {
            scene.team.kill(role)?;
        } else {
            scene.team.pause(role, FROZEN)?;
        }
        let still = all_moved(&mut reader, scene.chains.len(), struck).await?;
        println!("failover: [{number:>3}] {role:?} {} {still:?}", if by_death { "killed" } else { "frozen" });
        if by_death { &mut killed } else { &mut frozen }.push(still.as_secs_f64());
        scene.team.raise_the_dead()?;
    }
    let mut figures = Figures::new();
    for (name, mut times) in [("killed", killed), ("frozen", frozen)] {
        times.sort_by(f64::total_cmp);
        figures.insert(format!("{name}_times"), times.len().into());
        figures.insert(format!("{name}_p50_s"), rounded(quantile(&times, 500), 1));
        figures.insert(format!("{name}_most_s"), rounded(times.last().copied().unwrap_or(f64::NAN), 1));
    }
    scene.strike_down(order, true).await?;
    Ok(figures)
}

/// Reads what is there.
async fn caught_up(reader: &mut Reader) -> anyhow::Result<()> {
    let recent = |newest: u64| environment::now_ms().saturating_sub(newest) < 500;
    let reading = async {
        loop {
            let Arrival::Records { records, .. } = reader.next().await? else { continue };
            if records.last().is_some_and(|record| recent(record.timestamp_ms)) {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.context("no chain moves")?
}

/// Waits until every chain has made a step after the strike; how long the last one took.
async fn all_moved(reader: &mut Reader, chains: usize, struck: Instant) -> anyhow::Result<Duration> {
    // What was under way when the strike fell is no sign of life.
    let since = environment::now_ms() + 300;
    let mut moved: HashSet<Vec<u8>> = HashSet::new();
    while moved.len() < chains {
        ensure!(struck.elapsed() < PATIENCE, "only {} chains moved within a minute", moved.len());
        let Ok(arrival) = tokio::time::timeout(Duration::from_secs(1), reader.next()).await else { continue };
        if let Arrival::Records { records, .. } = arrival? {
            moved.extend(records.into_iter().filter(|one| one.timestamp_ms > since).map(|one| one.key));
        }
    }
    Ok(struck.elapsed())
}
