//! `cargo xtask mutants`: breaks a promise on purpose, one at a time, in a copy of the sources, and demands that somebody notices.
//!
//! A mutant is a patch in `deploy/lab/mutants` whose first lines say what it breaks and what must catch it: a test, or chaos
//! with a number of faults and a seed. One that lives shows that the guard does not guard.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::check::surroundings;
use crate::process::{built, note, output, program, root, run, target};
use crate::servers::{self, Variables};
use crate::{chaos, plugins};

struct Mutant {
    name: String,
    patch: PathBuf,
    what: String,
    guard: Guard,
}

/// What must catch it.
enum Guard {
    /// Test targets of this name.
    Test(String),
    /// `chaos` with these arguments.
    Chaos(Vec<String>),
}

/// Makes every mutant, or one, and has it caught.
pub(crate) fn hunt(only: Option<&str>) -> anyhow::Result<()> {
    let mutants: Vec<Mutant> = read_all()?.into_iter().filter(|one| only.is_none_or(|name| one.name == name)).collect();
    ensure!(!mutants.is_empty(), "no mutant is called {}", only.unwrap_or("anything"));
    plugins::build()?;
    let copy = copy()?;
    let alive = servers::with(|variables| {
        mutants.iter().try_fold(vec![], |mut alive, mutant| {
            note(&format!("{}: {}", mutant.name, mutant.what));
            if !is_caught(mutant, &copy, variables).with_context(|| mutant.name.clone())? {
                alive.push(mutant.name.as_str());
            }
            Ok(alive)
        })
    })?;
    ensure!(alive.is_empty(), "nobody caught {}", alive.join(", "));
    note(&format!("all {} were caught", mutants.len()));
    Ok(())
}

fn read_all() -> anyhow::Result<Vec<Mutant>> {
    let folder = root().join("deploy/lab/mutants");
    let mut mutants = vec![];
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let patch = entry?.path();
        mutants.push(read(&patch).with_context(|| patch.display().to_string())?);
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

fn read(patch: &Path) -> anyhow::Result<Mutant> {
    let text = std::fs::read_to_string(patch)?;
    let line = |word: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(word)).map(str::trim);
        found.with_context(|| format!("the line `{word} …` is missing"))
    };
    let words: Vec<&str> = line("Caught by:")?.split_whitespace().collect();
    let guard = match words[..] {
        ["test", name] => Guard::Test(name.to_owned()),
        ["chaos", ref rest @ ..] => Guard::Chaos(rest.iter().map(|word| (*word).to_owned()).collect()),
        _ => bail!("`Caught by:` is followed by `test NAME` or `chaos --faults N --seed S`"),
    };
    let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Mutant { name, patch: patch.to_owned(), what: line("What:")?.to_owned(), guard })
}

/// A copy of what is committed.
fn copy() -> anyhow::Result<PathBuf> {
    let copy = target("mutants/tree");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    run(&mut program("git", &["clone", "--quiet", "--shared", ".", &copy.display().to_string()]))?;
    // What is built already is not built again. Compilers put new files in the place of old ones, which therefore can be linked;
    // cargo writes its notes over old ones, and those here would then speak of a mutant.
    let (built, build) = (built("."), target("mutants/build/debug"));
    if built.is_dir() && !build.exists() {
        std::fs::create_dir_all(&build)?;
        for (folder, how) in [("deps", "--link"), ("build", "--no-clobber"), (".fingerprint", "--no-clobber")] {
            run(program("cp", &["--archive", how]).arg(built.join(folder)).arg(&build))?;
        }
    }
    Ok(copy)
}

/// Applies the patch and runs the guard. A mutant that does not build, or a guard that comes to no verdict, is a mistake of
/// ours and no catch.
fn is_caught(mutant: &Mutant, copy: &Path, variables: &Variables) -> anyhow::Result<bool> {
    run(&mut within(copy, "git", &["checkout", "--quiet", "--force", "."]))?;
    run(within(copy, "git", &["apply"]).arg(&mutant.patch))?;
    // As one workspace, so that every mutant finds the dependencies of the one before it built.
    let caught = match &mutant.guard {
        Guard::Test(name) => {
            run(&mut cargo_within(copy, &["test", "--quiet", "--workspace", "--test", name, "--no-run"]))?;
            let mut test = cargo_within(copy, &["test", "--quiet", "--workspace", "--test", name]);
            surroundings(&mut test);
            test.envs(variables.iter().map(|(name, value)| (*name, value)));
            output(&mut test).is_err()
        }
        Guard::Chaos(arguments) => {
            run(&mut cargo_within(copy, &["build", "--quiet", "--workspace", "--bins"]))?;
            is_caught_by_chaos(arguments, variables)?
        }
    };
    note(&format!("{}: {}", mutant.name, if caught { "caught" } else { "ALIVE" }));
    Ok(caught)
}

fn is_caught_by_chaos(arguments: &[String], variables: &Variables) -> anyhow::Result<bool> {
    let verdict = target("mutants/verdict.json");
    let _ = std::fs::remove_file(&verdict);
    let ended = output(&mut chaos::command(&target("mutants/build/debug"), arguments, &verdict, variables));
    ensure!(verdict.exists(), "chaos came to no verdict: {ended:?}");
    Ok(ended.is_err())
}

fn within(copy: &Path, name: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = program(name, arguments);
    command.current_dir(copy);
    command
}

fn cargo_within(copy: &Path, arguments: &[&str]) -> Command {
    let mut command = within(copy, "cargo", arguments);
    command.env("CARGO_TARGET_DIR", target("mutants/build"));
    command
}
