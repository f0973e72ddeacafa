//! Other programs: found, run to their end, or kept running and stopped.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// How long a program may take to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// A folder or file under `target`.
pub(crate) fn target(name: &str) -> PathBuf {
    root().join("target").join(name)
}

/// A program that cargo built for trying out, wherever it was told to build.
pub(crate) fn built(name: &str) -> PathBuf {
    built_as("debug", name)
}

fn built_as(profile: &str, name: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    root().join(folder).join(profile).join(name)
}

/// Builds programs of the workspace, always as part of the whole: each selection of packages has features of its own, and other
/// features are another build of everything underneath.
pub(crate) fn build(names: &[&str]) -> anyhow::Result<()> {
    build_with(names, &[])
}

/// Builds what the demo runs and nothing else: `chaintape` with its embedded log and database, and what the demo brings along.
pub(crate) fn build_demo() -> anyhow::Result<()> {
    run(&mut cargo(&["build", "-p", "chaintape", "--no-default-features", "--features", "demo", "--bin", "chaintape"]))
}

/// Builds a program to run fast, and says where it is.
pub(crate) fn build_fast(name: &str) -> anyhow::Result<PathBuf> {
    build_with(&[name], &["--release"])?;
    Ok(built_as("release", name))
}

/// How cargo tests the workspace: the same everywhere, because other features would be another build.
pub(crate) const TEST_WORKSPACE: [&str; 4] = ["test", "--workspace", "--features", "chaintape/demo"];

fn build_with(names: &[&str], how: &[&str]) -> anyhow::Result<()> {
    let mut build = cargo(&["build", "--workspace"]);
    for name in names {
        build.args(["--bin", name]);
    }
    run(build.args(how))
}

/// A program to be run at the repository's root.
pub(crate) fn program(name: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    command
}

/// Cargo, under whatever toolchain the caller has.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    program("cargo", arguments)
}

/// Runs a program with its output shown; anything but success is an error that names it.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = words(command);
    let status = command.status().with_context(|| format!("failed to start `{line}`"))?;
    ensure!(status.success(), "`{line}` ended with {status}");
    Ok(())
}

/// Runs a program for what it prints; anything but success is an error with what it said.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = words(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("failed to start `{line}`"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{line}` ended with {}: {}", output.status, stderr.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program of this name is on the path.
pub(crate) fn has(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Whether Debian packages are installed without asking: `--yes`, or `CHAINTAPE_YES` set.
static INSTALL_UNASKED: AtomicBool = AtomicBool::new(false);

/// What `--yes` says.
pub(crate) fn install_unasked() {
    INSTALL_UNASKED.store(true, Ordering::Relaxed);
}

/// Installs Debian packages once somebody has agreed, or says which are missing.
pub(crate) fn apt_install(packages: &[&str], what_for: &str) -> anyhow::Result<()> {
    let wanted = packages.join(" ");
    ensure!(has("apt-get") && is_root(), "{what_for} needs the Debian packages {wanted} (or what they contain)");
    ensure!(
        is_agreed(&wanted, what_for)?,
        "{what_for} needs the Debian packages {wanted}: run `apt-get install {wanted}`, or this command again with `--yes`"
    );
    note(&format!("installing {wanted}"));
    // Standard output is for whoever reads our answer, not for apt.
    let mut update = program("apt-get", &["update", "-qq"]);
    run(update.stdout(Stdio::null()))?;
    let mut install = program("apt-get", &["install", "-y", "-qq", "--no-install-recommends"]);
    run(install.args(packages).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null()))
}

/// Asks at the terminal whether packages may be installed; where there is none, only `--yes` agrees.
fn is_agreed(wanted: &str, what_for: &str) -> anyhow::Result<bool> {
    let set = std::env::var_os("CHAINTAPE_YES").is_some_and(|value| !value.is_empty());
    if set || INSTALL_UNASKED.load(Ordering::Relaxed) {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("xtask: {what_for} needs the Debian packages {wanted}. Install them now? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Whether we are the superuser.
pub(crate) fn is_root() -> bool {
    output(&mut program("id", &["-u"])).is_ok_and(|id| id == "0")
}

/// One line to the person at the terminal, beside what the programs say.
pub(crate) fn note(line: &str) {
    eprintln!("xtask: {line}");
}

/// A program that runs until this is dropped.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
}

impl Running {
    pub(crate) fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name, child })
    }

    /// An error once the program has ended by itself.
    pub(crate) fn still_there(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => anyhow::bail!("{} ended with {status}", self.name),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        stop(self.child.id(), || !matches!(self.child.try_wait(), Ok(None)));
        // Only what did not listen is still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends SIGTERM and waits until the process is gone or `STOP_TIMEOUT` has passed; whether it is gone.
pub(crate) fn stop(pid: u32, mut gone: impl FnMut() -> bool) -> bool {
    if gone() {
        return true;
    }
    let _ = output(&mut program("kill", &["-TERM", &pid.to_string()]));
    wait(STOP_TIMEOUT, || gone().then_some(())).is_some()
}

/// Calls `look` every 50 ms until it returns something or `timeout` has passed.
pub(crate) fn wait<T>(timeout: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begun.elapsed() >= timeout {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Writes a file by renaming it into place, unless it already holds these bytes; whether it was written.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let dir = path.parent().context("a path without a folder")?;
    std::fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.persist(path).with_context(|| format!("failed to write {}", path.display()))?;
    // A temporary file is its owner's alone; what it becomes is for everyone to read.
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok(true)
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
