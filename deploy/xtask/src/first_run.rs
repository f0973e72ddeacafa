//! `cargo xtask bench first-run`: what the demo costs a stranger, from a clone with nothing built to the first trade of a recorded chain.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use crate::bench::machine;
use crate::process::{cargo, note, output, program, put, run, target};

/// What Linux counts processor time in, for every program on every machine.
const TICKS_PER_S: f64 = 100.0;

/// The file that a compiler which is run through this program appends its time to.
const CRATE_TIMES: &str = "CHAINTAPE_CRATE_TIMES";

/// How many crates are named, those that take longest.
const MAX_CRATES_NAMED: usize = 12;

/// Measures this commit, and beside it another one where it is named; writes target/bench/first-run.json.
pub(crate) fn measure(other: Option<&str>) -> anyhow::Result<()> {
    let commit = output(&mut program("git", &["rev-parse", "HEAD"]))?;
    let now = demo_of(&commit)?;
    let mut figures = Map::from_iter([("cpu_s".to_owned(), now.cpu_s), ("minutes".to_owned(), now.minutes)]);
    for (name, cpu_s) in now.longest_crates {
        figures.insert(format!("crate_{name}_cpu_s"), json!(cpu_s.round()));
    }
    if let Some(other) = other {
        let other = output(&mut program("git", &["rev-parse", other]))?;
        let before = match measured_today(&other)? {
            Some(before) => {
                note(&format!("{other} was measured on this machine today, and is not again"));
                before
            }
            None => demo_of(&other)?,
        };
        let ratio = figures["cpu_s"].as_f64().unwrap_or(f64::NAN) / before.cpu_s.as_f64().unwrap_or(f64::NAN);
        figures.insert("over_before".to_owned(), json!((ratio * 1e3).round() / 1e3));
        figures.insert("before_commit".to_owned(), json!(other));
        figures.insert("before_cpu_s".to_owned(), before.cpu_s);
        figures.insert("before_minutes".to_owned(), before.minutes);
    }
    let date = output(&mut program("date", &["-u", "+%F"]))?;
    for (name, value) in [("machine", machine()), ("commit", commit), ("date", date)] {
        figures.insert(name.to_owned(), json!(value));
    }
    for (name, value) in &figures {
        println!("{name:<28} {value}");
    }
    let text = serde_json::to_string_pretty(&figures)? + "\n";
    put(&target("bench").join("first-run.json"), text.as_bytes()).map(|_| ())
}

/// What the demo of a commit cost when it was measured beside another one on this machine today: it takes half an hour, and does not
/// change.
fn measured_today(commit: &str) -> anyhow::Result<Option<Cost>> {
    let path = target("bench").join("first-run.json");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    let kept: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let today = output(&mut program("date", &["-u", "+%F"]))?;
    let is_it = kept["before_commit"] == commit && kept["machine"] == machine() && kept["date"] == today.as_str();
    let cost = || Cost {
        cpu_s: kept["before_cpu_s"].clone(),
        minutes: kept["before_minutes"].clone(),
        longest_crates: vec![],
    };
    Ok(is_it.then(cost))
}

/// What one demo cost.
struct Cost {
    /// Seconds of processor time, of users' and the system's work.
    cpu_s: Value,
    minutes: Value,
    /// Of that, what the compiler took for the crates that took longest.
    longest_crates: Vec<(String, f64)>,
}

/// Runs the demo of a commit in a clone of its own, with the crates fetched and nothing compiled.
fn demo_of(commit: &str) -> anyhow::Result<Cost> {
    let folder = tempfile::Builder::new().prefix("chaintape-first-run-").tempdir()?;
    let clone = folder.path().join("clone");
    run(program("git", &["clone", "--quiet", ".", "--"]).arg(&clone))?;
    run(program("git", &["checkout", "--quiet", commit]).current_dir(&clone))?;
    run(cargo(&["fetch", "--quiet"]).current_dir(&clone))?;
    note(&format!("the demo of {commit}, from nothing"));
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (begun, cpu_before) = (Instant::now(), cpu_of_children()?);
    let mut demo = cargo(&["xtask", "demo", "--for", "5"]);
    for variable in ["CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "CHAINTAPE_PLUGINS"] {
        demo.env_remove(variable);
    }
    let times = folder.path().join("times");
    demo.env("RUSTC_WRAPPER", std::env::current_exe()?).env(CRATE_TIMES, &times);
    run(demo.current_dir(&clone).env("API_ADDR", address.to_string()).env("CHAINTAPE_YES", "1"))?;
    let cpu_s = cpu_of_children()? - cpu_before;
    ensure!(cpu_s > 0.0, "the system says that the demo took no time");
    let minutes = json!((begun.elapsed().as_secs_f64() / 6.0).round() / 10.0);
    let times = fs::read_to_string(&times).context("read how long the compiler took")?;
    Ok(Cost { cpu_s: json!(cpu_s.round()), minutes, longest_crates: longest(&times)? })
}

/// The crates that took longest, by lines of a name and seconds; a crate that was compiled several times is one.
fn longest(times: &str) -> anyhow::Result<Vec<(String, f64)>> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for line in times.lines() {
        let (name, seconds) = line.split_once(' ').with_context(|| format!("read the time of a crate in {line:?}"))?;
        *sums.entry(name).or_default() += seconds.parse::<f64>().with_context(|| format!("read a time in {line:?}"))?;
    }
    let mut longest: Vec<(String, f64)> = sums.into_iter().map(|(name, seconds)| (name.to_owned(), seconds)).collect();
    longest.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    longest.truncate(MAX_CRATES_NAMED);
    Ok(longest)
}

/// Where cargo runs this program in place of the compiler, while a first run is measured: runs the compiler, and notes its time.
pub(crate) fn stand_in_for_rustc() -> Option<ExitCode> {
    let times = PathBuf::from(std::env::var_os(CRATE_TIMES)?);
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next().filter(|first| Path::new(first).file_stem().is_some_and(|stem| stem == "rustc"))?;
    Some(compile(&compiler, &arguments.collect::<Vec<_>>(), &times).unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    }))
}

fn compile(compiler: &OsString, arguments: &[OsString], times: &Path) -> anyhow::Result<ExitCode> {
    let status = Command::new(compiler).args(arguments).status().context("run the compiler")?;
    let named = arguments.windows(2).find(|pair| pair[0] == "--crate-name").map(|pair| pair[1].to_string_lossy());
    // What only asks the compiler for its version names no crate.
    if let Some(name) = named {
        let mut file =
            fs::OpenOptions::new().create(true).append(true).open(times).context("open the file of times")?;
        file.write_all(format!("{name} {}\n", cpu_of_children()?).as_bytes()).context("note the time of a crate")?;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Seconds of processor time of all programs that have ended below this one.
fn cpu_of_children() -> anyhow::Result<f64> {
    let stat = fs::read_to_string(Path::new("/proc/self/stat")).context("read what processes took (needs Linux)")?;
    cpu_of_children_in(&stat).context("read /proc/self/stat")
}

/// Fields 16 and 17 of the line, counted from 1; the second is the program's name in parentheses, which may hold anything.
fn cpu_of_children_in(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(13);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 9 8 7 6 11 22 1500 250 20 0 1 0 5 6 7";
        assert_eq!(cpu_of_children_in(stat), Some(17.5));
        assert_eq!(cpu_of_children_in("42 (a"), None);
    }

    #[test]
    fn crates_are_in_the_order_of_their_time() {
        let found = longest("a 1.5\nb 2\na 1\n").unwrap();
        assert_eq!(found, [("a".to_owned(), 2.5), ("b".to_owned(), 2.0)]);
        let many: String = (0..99).map(|n| format!("c{n} {n}\n")).collect::<Vec<_>>().concat();
        assert_eq!((longest(&many).unwrap().len(), longest(&many).unwrap()[0].1), (MAX_CRATES_NAMED, 98.0));
        assert!(longest("a").is_err() && longest("a b").is_err());
    }
}
