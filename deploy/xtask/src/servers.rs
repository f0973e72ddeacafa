//! `cargo xtask servers`: a real Apache Kafka and a real PostgreSQL on loopback, for the tests that need them.
//!
//! `eval "$(cargo xtask servers start)"` leaves both running and `KAFKA_BROKERS` and `DATABASE_URL` set;
//! `cargo xtask servers stop` ends what was started, and nothing else. Each start is a fresh one.

pub(crate) mod kafka;
pub(crate) mod postgres;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;

use crate::process::{note, output, program, stop, target, wait};

/// What to do with the servers.
#[derive(Subcommand)]
pub(crate) enum ServersCommand {
    /// Start both and print the variables to set.
    Start,
    /// Stop both.
    Stop,
    /// Kill one as a power cut would and start it again with what it had.
    Bounce {
        /// Which one.
        which: Which,
    },
}

/// One of the servers.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Which {
    /// Apache Kafka.
    Kafka,
    /// PostgreSQL.
    Postgres,
}

/// Variables with their values.
pub(crate) type Variables = [(&'static str, String); 2];

/// How long a server may take to start, to stop or to answer.
pub(crate) const SERVER_TIMEOUT: Duration = Duration::from_secs(90);

pub(crate) fn run(command: &ServersCommand) -> anyhow::Result<()> {
    match command {
        ServersCommand::Bounce { which: Which::Kafka } => return kafka::bounce(),
        ServersCommand::Bounce { which: Which::Postgres } => return postgres::bounce(),
        ServersCommand::Start | ServersCommand::Stop => {}
    }
    if let ServersCommand::Start = command {
        for (name, value) in start()? {
            println!("export {name}={value}");
        }
        return Ok(());
    }
    stop_all()
}

/// Starts both afresh; the variables that say where they are.
fn start() -> anyhow::Result<Variables> {
    // Starting anew is stopping first: nobody is left behind.
    stop_all()?;
    Ok([("DATABASE_URL", postgres::start()?), ("KAFKA_BROKERS", kafka::start()?)])
}

/// Stops both.
fn stop_all() -> anyhow::Result<()> {
    kafka::stop()?;
    postgres::stop()
}

/// Runs `work` with both servers: those that `servers start` left running and the environment names, else fresh ones that are
/// stopped afterwards. Only servers that this program started can be killed by chaos.
pub(crate) fn with<T>(work: impl FnOnce(&Variables) -> anyhow::Result<T>) -> anyhow::Result<T> {
    if let Some(given) = running() {
        return work(&given);
    }
    let done = start().and_then(|variables| work(&variables));
    stop_all()?;
    done
}

/// Where the servers are that `start` has left running and the environment names.
fn running() -> Option<Variables> {
    let named = |name: &'static str| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?));
    let ours = home().join("kafka.pid").exists() && home().join("postgres.pid").exists();
    ours.then_some([named("DATABASE_URL")?, named("KAFKA_BROKERS")?])
}

/// Where the servers' files are.
fn home() -> PathBuf {
    target("servers")
}

/// The port asked for if it is free, else any that is.
pub(crate) fn free_port(wanted: u16) -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", wanted)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)));
    Ok(listener.context("no port is free")?.local_addr()?.port())
}

/// Waits until a server takes connections.
pub(crate) fn wait_for(name: &str, port: u16, log: &std::path::Path) -> anyhow::Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait(SERVER_TIMEOUT, || TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok())
        .with_context(|| format!("{name} does not answer at {address}; its log is {}", log.display()))?;
    note(&format!("{name} answers at {address}"));
    Ok(())
}

/// Kills the process whose number is in a file with SIGKILL, and waits until it is gone.
fn kill_by(pid_file: &str) -> anyhow::Result<()> {
    let file = home().join(pid_file);
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let pid = text.lines().next().unwrap_or_default().trim().to_owned();
    output(&mut program("kill", &["-9", &pid]))?;
    let proc = std::path::PathBuf::from(format!("/proc/{pid}/cmdline"));
    wait(SERVER_TIMEOUT, || std::fs::read(&proc).map_or(true, |line| line.is_empty()).then_some(()))
        .with_context(|| format!("process {pid} does not end"))
}

/// Stops the process whose number is in a file, if it is still the one that was started.
fn stop_by(name: &str, pid_file: &str, its_command_names: &str) -> anyhow::Result<()> {
    let file = home().join(pid_file);
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
    let pid: u32 =
        text.lines().next().unwrap_or_default().trim().parse().with_context(|| file.display().to_string())?;
    let ours = || {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(its_command_names)
    };
    if ours() {
        anyhow::ensure!(stop(pid, || !ours()), "{name} (process {pid}) does not stop");
        note(&format!("{name} stopped"));
    }
    std::fs::remove_file(file).context("failed to remove the pid file")
}
