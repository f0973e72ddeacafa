//! The binary behind `cargo xtask chaos`.

use anyhow::Context;
use chaos::{ChaosOptions, Servers, run};
use clap::Parser;
use std::path::PathBuf;
use system::figures::{provenance, report};

/// Injects faults into a running system and compares what it wrote with the truth.
#[derive(Parser)]
struct Arguments {
    /// Number of faults.
    #[arg(long, default_value_t = 30)]
    faults: u64,
    /// The faults are drawn from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Faults of one kind only, such as `Overlap` or `CrashAt`.
    #[arg(long)]
    only: Option<String>,
    /// Take down ingestors only, one at a time, and measure how long their chains stand still.
    #[arg(long)]
    failover: bool,
    /// Where the verdict is written.
    #[arg(long)]
    verdict: PathBuf,
    /// Where the services' binaries are.
    #[arg(long)]
    binaries: PathBuf,
    /// A folder with the variables of each process (`NAME.env`), on servers that want a login; the oracle's are `admin.env`. Without
    /// it, KAFKA_BROKERS and DATABASE_URL name servers that let everybody in.
    #[arg(long)]
    secured: Option<PathBuf>,
    /// The command that kills a server and starts it again; the server's name is appended.
    #[arg(last = true, required_unless_present = "secured")]
    bounce: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { faults, seed, only, failover, verdict: path, binaries, secured, bounce } = Arguments::parse();
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let servers = match secured {
        Some(folder) => Servers::Secured { folder },
        None => Servers::Open { brokers: variable("KAFKA_BROKERS")?, database: variable("DATABASE_URL")?, bounce },
    };
    let options = ChaosOptions { faults, seed, only, servers, binaries };
    if failover {
        return report("failover", chaos::failover(&options).await?);
    }
    let verdict = run(&options).await?;
    let mut figures = provenance();
    if let serde_json::Value::Object(mut fields) = serde_json::to_value(&verdict)? {
        figures.append(&mut fields);
    }
    let text = serde_json::to_string_pretty(&figures)?;
    std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
    println!("{text}");
    anyhow::ensure!(verdict.holds(), "chaos: trades were lost, doubled or wrong; see the findings above");
    Ok(())
}
