//! How long a chain stands still when the instance that follows it is gone: killed, or paused as if its machine had frozen.

use super::plan::Role;
use super::rig::Rig;
use super::{ChaosOptions, set_all, wait_for_trades};
use anyhow::{Context, ensure};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use system::figures::{Figures, quantile, rounded};
use tape::Start;
use tape_log::{Arrival, Reader, topics};

/// How long a chain may stand still before the run is given up.
const STEP_TIMEOUT: Duration = Duration::from_mins(1);
/// After this long the members of the group have their partitions again.
const REBALANCE_TIME: Duration = Duration::from_secs(12);
/// How long a frozen instance stays frozen: well beyond its session timeout.
const FREEZE: Duration = Duration::from_secs(15);

/// Takes down one ingestor after the other, by turns killed and frozen, and measures how long until every chain has made a step
/// again.
pub async fn failover(options: &ChaosOptions) -> anyhow::Result<Figures> {
    let mut rig = Rig::start(options).await?;
    set_all(&rig.faults, 0);
    wait_for_trades(&rig.log).await.context("nothing came onto the tape")?;
    let mut killed = vec![];
    let mut frozen = vec![];
    for number in 0..options.faults {
        tokio::time::sleep(REBALANCE_TIME).await;
        rig.processes.restart_dead()?;
        let role = Role::Ingestor(usize::try_from(number % 2)?);
        let by_death = number / 2 % 2 == 0;
        let mut reader = rig.log.assigned(vec![(topics::PROGRESS.partition(0), Start::Beginning)]).await?;
        read_to_now(&mut reader).await?;
        let since_down = Instant::now();
        if by_death {
            rig.processes.kill(role)?;
        } else {
            rig.processes.pause(role, FREEZE)?;
        }
        let still = wait_until_all_moved(&mut reader, rig.chains.len(), since_down).await?;
        println!("failover: [{number:>3}] {role:?} {} {still:?}", if by_death { "killed" } else { "frozen" });
        if by_death { &mut killed } else { &mut frozen }.push(still.as_secs_f64());
        rig.processes.restart_dead()?;
    }
    let mut figures = Figures::new();
    for (name, mut times) in [("killed", killed), ("frozen", frozen)] {
        times.sort_by(f64::total_cmp);
        figures.insert(format!("{name}_times"), times.len().into());
        figures.insert(format!("{name}_p50_s"), rounded(quantile(&times, 500), 1));
        figures.insert(format!("{name}_most_s"), rounded(times.last().copied().unwrap_or(f64::NAN), 1));
    }
    rig.tear_down(options, true).await?;
    Ok(figures)
}

/// Reads up to records that are less than half a second old.
async fn read_to_now(reader: &mut Reader) -> anyhow::Result<()> {
    let recent = |newest: u64| environment::now_ms().saturating_sub(newest) < 500;
    let reading = async {
        loop {
            let Arrival::Records { records, .. } = reader.next().await? else { continue };
            if records.last().is_some_and(|record| recent(record.timestamp_ms)) {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(STEP_TIMEOUT, reading).await.context("no chain makes a step")?
}

/// Waits until every chain has made a step after the process was taken down; how long the last one took.
async fn wait_until_all_moved(reader: &mut Reader, chains: usize, since_down: Instant) -> anyhow::Result<Duration> {
    // A step that was under way when the process was taken down does not count.
    let since = environment::now_ms() + 300;
    let mut moved: HashSet<Vec<u8>> = HashSet::new();
    while moved.len() < chains {
        ensure!(
            since_down.elapsed() < STEP_TIMEOUT,
            "only {} of {chains} chains made a step within {STEP_TIMEOUT:?}",
            moved.len()
        );
        let Ok(arrival) = tokio::time::timeout(Duration::from_secs(1), reader.next()).await else { continue };
        if let Arrival::Records { records, .. } = arrival? {
            moved.extend(records.into_iter().filter(|one| one.timestamp_ms > since).map(|one| one.key));
        }
    }
    Ok(since_down.elapsed())
}
