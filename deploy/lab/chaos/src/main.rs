//! The binary behind `cargo xtask chaos`.

use anyhow::Context;
use chaos::{Order, run};
use clap::Parser;
use std::path::PathBuf;
use system::figures::report;

/// Strikes a running system and judges what it says afterwards.
#[derive(Parser)]
struct Arguments {
    /// How often something is struck.
    #[arg(long, default_value_t = 30)]
    faults: u64,
    /// Decides what is struck when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Strike in one way alone, such as `Overlap` or `CrashAt`.
    #[arg(long)]
    only: Option<String>,
    /// Strike ingestors only, one at a time, and measure how long their chains stand still.
    #[arg(long)]
    failover: bool,
    /// Where the verdict is written.
    #[arg(long)]
    verdict: PathBuf,
    /// Where the services' binaries are.
    #[arg(long)]
    binaries: PathBuf,
    /// What kills and starts a server again, once its name is added.
    #[arg(last = true, required = true)]
    bounce: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { faults, seed, only, failover, verdict: path, binaries, bounce } = Arguments::parse();
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let (brokers, database) = (variable("KAFKA_BROKERS")?, variable("DATABASE_URL")?);
    let order = Order { faults, seed, only, brokers, database, bounce, binaries };
    if failover {
        return report("failover", chaos::failover(&order).await?);
    }
    let verdict = run(&order).await?;
    let text = serde_json::to_string_pretty(&verdict)?;
    std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
    println!("{text}");
    anyhow::ensure!(verdict.holds(), "chaos: something was lost, doubled or told wrongly");
    Ok(())
}
