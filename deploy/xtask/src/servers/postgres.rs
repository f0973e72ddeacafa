//! PostgreSQL: a database cluster of its own in a temporary folder, with trust authentication on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::{SERVER_TIMEOUT, free_port, home, stop_by, wait_for};
use crate::process::{apt_install, has, is_root, output, program, put, wait};

/// Starts an empty server; its address.
pub(super) fn start() -> anyhow::Result<String> {
    let binaries = binaries()?;
    // Beside the repository's folders, which the server's own user may not be allowed to enter.
    let dir = tempfile::Builder::new().prefix("chaintape-postgres-").tempdir()?.keep();
    put(&home().join("postgres.dir"), dir.to_string_lossy().as_bytes())?;
    if is_root() {
        output(program("chown", &["postgres"]).arg(&dir))?;
    }
    let data = dir.join("data");
    let initdb = ["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C.UTF-8", "-D"];
    output(as_postgres(&binaries.join("initdb")).args(initdb).arg(&data).current_dir(&dir))?;
    let port = free_port(15432)?;
    put(&home().join("postgres.port"), port.to_string().as_bytes())?;
    launch(&dir, port)
}

/// Kills the server, all its processes, and starts it again on what it had written.
pub(super) fn bounce() -> anyhow::Result<()> {
    super::kill_by("postgres.pid")?;
    let dir = std::path::PathBuf::from(std::fs::read_to_string(home().join("postgres.dir"))?);
    let port = std::fs::read_to_string(home().join("postgres.port"))?.trim().parse()?;
    // Its children end a moment after it, and until then hold what a new server needs.
    wait(SERVER_TIMEOUT, || launch(&dir, port).ok()).context("PostgreSQL does not start again").map(|_| ())
}

fn launch(dir: &Path, port: u16) -> anyhow::Result<String> {
    let (data, log) = (dir.join("data"), dir.join("log"));
    // What it holds is gone after the tests anyway, so it need not reach the disk. Memory as in `deploy/compose.yaml`.
    let options = format!(
        "-p {port} -c listen_addresses=127.0.0.1 -c max_connections=300 -c shared_buffers=512MB -c fsync=off -k {}",
        dir.display()
    );
    let mut start = as_postgres(&binaries()?.join("pg_ctl"));
    start.args(["-w", "-s", "-o", &options, "-D"]).arg(&data).arg("-l").arg(&log).arg("start").current_dir(dir);
    // It hands its output on to the server, so it must not be a pipe that someone waits on.
    crate::process::run(start.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()))?;
    let pid = std::fs::read(data.join("postmaster.pid")).context("PostgreSQL left no pid file")?;
    put(&home().join("postgres.pid"), &pid)?;
    wait_for("PostgreSQL", port, &log)?;
    Ok(format!("postgres://postgres@127.0.0.1:{port}/postgres"))
}

pub(super) fn stop() -> anyhow::Result<()> {
    stop_by("PostgreSQL", "postgres.pid", "postgres")?;
    let note = home().join("postgres.dir");
    if let Ok(dir) = std::fs::read_to_string(&note) {
        let ours = Path::new(&dir).file_name().is_some_and(|name| name.to_string_lossy().starts_with("chaintape-"));
        if ours && Path::new(&dir).exists() {
            std::fs::remove_dir_all(dir)?;
        }
        std::fs::remove_file(note)?;
    }
    Ok(())
}

/// Where the server's programs are; Debian keeps them off the path.
pub(crate) fn binaries() -> anyhow::Result<PathBuf> {
    if let Some(found) = installed() {
        return Ok(found);
    }
    apt_install(&["postgresql"], "PostgreSQL")?;
    installed().context("the package postgresql brought no initdb")
}

fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    found.retain(|dir| dir.join("initdb").is_file());
    found.pop().or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        has("initdb").then(|| std::env::split_paths(&path).find(|dir| dir.join("initdb").is_file())).flatten()
    })
}

/// The server refuses to run as root.
pub(crate) fn as_postgres(binary: &Path) -> Command {
    if is_root() {
        let mut command = program("runuser", &["-u", "postgres", "--"]);
        command.arg(binary);
        command
    } else {
        Command::new(binary)
    }
}
