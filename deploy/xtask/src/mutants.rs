//! `cargo xtask mutants`: applies one mutant at a time to a copy of the sources and checks that its guard fails.
//!
//! A mutant is a patch in `deploy/lab/mutants` whose first lines say what it breaks and what must catch it: a test, or chaos
//! with a number of faults and a seed. A mutant that survives shows that the guard does not guard.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::check::set_locations;
use crate::process::{built, note, output, program, root, run, target};
use crate::servers::{self, Variables};
use crate::{chaos, plugins};

struct Mutant {
    name: String,
    patch: PathBuf,
    what: String,
    guard: Guard,
}

/// What must catch a mutant.
enum Guard {
    /// Test targets of this name.
    Test(String),
    /// `chaos` with these arguments.
    Chaos(Vec<String>),
}

/// Checks that every selected mutant is caught; without names, all of them, or with `quick` those that a test catches.
pub(crate) fn catch_all(names: &[String], quick: bool) -> anyhow::Result<()> {
    let mutants = select(read_all()?, names, quick)?;
    plugins::build(&[])?;
    let copy = clone_sources()?;
    let alive = servers::with(|variables| {
        mutants.iter().try_fold(vec![], |mut alive, mutant| {
            note(&format!("{}: {}", mutant.name, mutant.what));
            if !is_caught(mutant, &copy, variables).with_context(|| mutant.name.clone())? {
                alive.push(mutant.name.as_str());
            }
            Ok(alive)
        })
    })?;
    ensure!(alive.is_empty(), "not caught: {}", alive.join(", "));
    note(&format!("all {} were caught", mutants.len()));
    Ok(())
}

fn read_all() -> anyhow::Result<Vec<Mutant>> {
    let folder = root().join("deploy/lab/mutants");
    let mut mutants = vec![];
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let patch = entry?.path();
        if patch.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        mutants.push(read_patch(&patch).with_context(|| patch.display().to_string())?);
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

/// The mutants of these names, or all; of them those that a test catches, if `quick`.
fn select(all: Vec<Mutant>, names: &[String], quick: bool) -> anyhow::Result<Vec<Mutant>> {
    for name in names {
        ensure!(all.iter().any(|one| one.name == *name), "there is no deploy/lab/mutants/{name}.patch");
    }
    let is_named = |one: &Mutant| names.is_empty() || names.contains(&one.name);
    let is_fast = |one: &Mutant| !quick || matches!(one.guard, Guard::Test(_));
    let selected: Vec<Mutant> = all.into_iter().filter(|one| is_named(one) && is_fast(one)).collect();
    ensure!(!selected.is_empty(), "every mutant that is named needs chaos, which --quick leaves out");
    Ok(selected)
}

fn read_patch(patch: &Path) -> anyhow::Result<Mutant> {
    let text = std::fs::read_to_string(patch)?;
    let line = |word: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(word)).map(str::trim);
        found.with_context(|| format!("the line `{word} …` is missing at the top of the patch"))
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

/// Clones what is committed into `target/mutants/tree`; where it is.
fn clone_sources() -> anyhow::Result<PathBuf> {
    let copy = target("mutants/tree");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    run(&mut program("git", &["clone", "--quiet", "--shared", ".", &copy.display().to_string()]))?;
    // Start from what is built already. Compilers replace their outputs by new files, so those can be hard links; cargo
    // overwrites its fingerprints in place, so those must be copies, or the originals would then describe a mutant.
    let (built, build) = (built("."), target("mutants/build/debug"));
    if built.is_dir() && !build.exists() {
        std::fs::create_dir_all(&build)?;
        for (folder, how) in [("deps", "--link"), ("build", "--no-clobber"), (".fingerprint", "--no-clobber")] {
            run(program("cp", &["--archive", how]).arg(built.join(folder)).arg(&build))?;
        }
    }
    Ok(copy)
}

/// Applies the patch and runs the guard; whether the guard failed. A mutant that does not build, or chaos without a verdict, is
/// an error and no catch.
fn is_caught(mutant: &Mutant, copy: &Path, variables: &Variables) -> anyhow::Result<bool> {
    run(&mut within(copy, "git", &["checkout", "--quiet", "--force", "."]))?;
    run(within(copy, "git", &["apply"]).arg(&mutant.patch))?;
    // The whole workspace, so that every mutant reuses the dependencies that were built for the one before.
    let caught = match &mutant.guard {
        Guard::Test(name) => {
            run(&mut cargo_within(copy, &["test", "--quiet", "--workspace", "--test", name, "--no-run"]))?;
            let mut test = cargo_within(copy, &["test", "--quiet", "--workspace", "--test", name]);
            set_locations(&mut test);
            test.envs(variables.iter().map(|(name, value)| (*name, value)));
            output(&mut test).is_err()
        }
        Guard::Chaos(arguments) => {
            run(&mut cargo_within(copy, &["build", "--quiet", "--workspace", "--bins"]))?;
            is_caught_by_chaos(arguments, variables)?
        }
    };
    note(&format!("{}: {}", mutant.name, if caught { "caught" } else { "NOT CAUGHT" }));
    Ok(caught)
}

fn is_caught_by_chaos(arguments: &[String], variables: &Variables) -> anyhow::Result<bool> {
    let verdict = target("mutants/verdict.json");
    let _ = std::fs::remove_file(&verdict);
    let ended = output(&mut chaos::command(&target("mutants/build/debug"), arguments, &verdict, variables));
    ensure!(verdict.exists(), "chaos ended without a verdict: {ended:?}");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(name: &str, guard: Guard) -> Mutant {
        Mutant { name: name.to_owned(), patch: PathBuf::new(), what: String::new(), guard }
    }

    fn selected(names: &[&str], quick: bool) -> Vec<String> {
        let all = vec![mutant("a", Guard::Test("t".to_owned())), mutant("b", Guard::Chaos(vec![]))];
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        select(all, &names, quick).unwrap_or_default().into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn names_and_quick_select_mutants() {
        assert_eq!(selected(&[], false), ["a", "b"]);
        assert_eq!(selected(&[], true), ["a"]);
        assert_eq!(selected(&["b"], false), ["b"]);
        assert!(selected(&["b"], true).is_empty() && selected(&["c"], false).is_empty(), "both are errors");
    }

    #[test]
    fn every_patch_says_what_it_breaks_and_what_catches_it() {
        assert!(read_all().unwrap().len() >= 10);
    }
}
