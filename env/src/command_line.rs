//! What the command lines of all programs share: their exit codes, and what is made from a command line for shells and readers.

use crate::output::CommandOutput;
use anyhow::Context;
use clap::{Command as CommandLine, Subcommand};
use clap_complete::Shell;
use std::io::Write;
use std::path::PathBuf;

/// Stands under `--help` of every program; the numbers are those of [`process::exit_code`](crate::process::exit_code).
pub const EXIT_CODES: &str = "Exit codes:
  0   it did what was asked
  1   it could not: standard error says why
  2   the command line is wrong
  64  a setting is wrong: standard error has one sentence each
  141 nobody reads on what it prints, as after `| head`";

/// What follows the options of `--help`: examples, each a command and what it does, then the exit codes.
pub fn after_help(examples: &[(String, &str)]) -> String {
    let width = examples.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let lines = examples.iter().map(|(command, what)| format!("  {command:<width$}  # {what}\n"));
    format!("Examples:\n{}\n{EXIT_CODES}", lines.collect::<String>())
}

/// Completions and manual pages, made from the command line itself.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum GeneratedCommand {
    /// Print the completions of a shell.
    #[command(after_help = "Example:\n  source <(chaintape completions bash)")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write a manual page for each command into a folder.
    #[command(after_help = "Example:\n  chaintape man man/man1 && man -M man chaintape")]
    Man {
        /// The folder; it is made where it is missing.
        directory: PathBuf,
    },
}

impl GeneratedCommand {
    /// Makes it for a command line.
    pub fn execute(self, mut command_line: CommandLine) -> anyhow::Result<()> {
        match self {
            Self::Completions { shell } => {
                let name = command_line.get_name().to_owned();
                let mut text = vec![];
                clap_complete::generate(shell, &mut command_line, name, &mut text);
                CommandOutput.write_all(&text).context("print the completions")
            }
            Self::Man { directory } => std::fs::create_dir_all(&directory)
                .and_then(|()| clap_mangen::generate_to(command_line, &directory))
                .with_context(|| format!("write manual pages into {}", directory.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn command_line() -> CommandLine {
        let own = CommandLine::new("melt").about("Makes water").arg(Arg::new("grams").long("grams"));
        CommandLine::new("ice").about("Keeps cold").subcommand(own)
    }

    #[test]
    fn there_is_a_page_for_each_command() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("man1");
        GeneratedCommand::Man { directory: directory.clone() }.execute(command_line()).unwrap();
        let page = std::fs::read_to_string(directory.join("ice-melt.1")).unwrap();
        assert!(page.contains("Makes water") && page.contains("grams"), "{page}");
        assert!(std::fs::read_to_string(directory.join("ice.1")).unwrap().contains("Keeps cold"));
    }

    #[test]
    fn examples_stand_in_columns_above_the_exit_codes() {
        let text = after_help(&[("ice".to_owned(), "keep cold"), ("ice melt".to_owned(), "make water")]);
        assert!(
            text.starts_with("Examples:\n  ice       # keep cold\n  ice melt  # make water\n\nExit codes:\n"),
            "{text}"
        );
    }
}
