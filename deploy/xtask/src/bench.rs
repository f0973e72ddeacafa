//! `cargo xtask bench`: builds a benchmark of `deploy/lab/bench` in release mode and runs it with the machine and commit in its environment.

use std::fs::read_to_string;

use crate::process::{build_fast, output, program, run, target};
use crate::{check, first_run, plugins};

/// Runs one benchmark; it prints a table and writes `target/bench/NAME.json`.
pub(crate) fn measure(name: &str, rest: &[String]) -> anyhow::Result<()> {
    if name == "first-run" {
        return first_run::measure(rest.first().map(String::as_str));
    }
    plugins::build(&[])?;
    std::fs::create_dir_all(target("bench"))?;
    let mut command = program(build_fast("bench")?, &[name]);
    check::set_locations(&mut command);
    run(command.args(rest).env("CHAINTAPE_MACHINE", machine()))
}

/// The machine in one line: processor, memory, system, compiler.
pub(crate) fn machine() -> String {
    let field = |file: &str, name: &str| -> Option<String> {
        let text = read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kibibytes: u64 = memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    let system = output(&mut program("uname", &["-sr"])).unwrap_or_default();
    let compiler = output(&mut program("rustc", &["--version"])).unwrap_or_default();
    let compiler = compiler.split(" (").next().unwrap_or_default();
    format!("{cores} × {processor}, {} GiB, {system}, {compiler}", kibibytes >> 20)
}
