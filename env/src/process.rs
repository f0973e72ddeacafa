//! How every process starts: it parses its command line, reads its settings, does what was asked and ends with a code.
//!
//! A service implements [`Program`] and its `main` is one line, `environment::process::main::<It>().await`. Every one
//! of them then has the commands `run` (also without a command), `check-config` and `health`, beside its own. Programs
//! that are put together differently (`chain-ingestor`, `chaintape`) use [`check_config`] and [`exit_code`].

use crate::command_line::{GeneratedCommand, after_help};
use crate::problems::Resolved;
use crate::{ConfigError, Layers, Problems, Shutdown, health, telemetry};
use anyhow::Context;
use clap::{Args, Command as CommandLine, FromArgMatches, Subcommand};
use serde::Serialize;
use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;

/// What a process ends with when its settings are wrong: the `EX_USAGE` of BSD.
pub const BAD_SETTINGS: u8 = 64;

/// A service as a process of its own.
pub trait Program {
    /// Its name, on the command line and in its logs.
    const NAME: &'static str;
    /// Its version: `env!("CARGO_PKG_VERSION")` of its own crate, since each service is released alone.
    const VERSION: &'static str;
    /// What it is for, as `--help` says it.
    const ABOUT: &'static str;
    /// What it reads from its variables.
    type Settings;
    /// The commands that only it has; [`Infallible`](std::convert::Infallible) where there are none.
    type Command: Subcommand;

    /// Reads its settings; what is wrong with them is collected.
    fn read(layers: &Layers, problems: &mut Problems) -> Self::Settings;
    /// Where the running process answers `/health`, if it does.
    fn health_addr(settings: &Self::Settings) -> Option<SocketAddr>;
    /// Works until the process shall stop.
    fn run(settings: Self::Settings, shutdown: Shutdown) -> impl Future<Output = anyhow::Result<()>>;
    /// Carries out a command of its own.
    fn execute(settings: Self::Settings, command: Self::Command) -> impl Future<Output = anyhow::Result<()>>;
}

#[derive(Args)]
struct Arguments<C: Subcommand> {
    #[command(subcommand)]
    command: Option<Command<C>>,
}

#[derive(Subcommand)]
enum Command<C: Subcommand> {
    /// Run until told to stop (what happens without a command).
    Run,
    #[command(flatten)]
    Own(C),
    /// Print the settings as resolved, secrets struck out, and every problem with them.
    CheckConfig {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask the running process whether it is alive; for container probes.
    Health,
    #[command(flatten)]
    Generated(GeneratedCommand),
}

/// The whole of a program's `main`, inside a tokio runtime.
pub async fn main<P: Program>() -> ExitCode {
    let matches = command_line::<P>().get_matches();
    match Arguments::from_arg_matches(&matches) {
        Ok(Arguments { command }) => exit_code(start::<P>(command.unwrap_or(Command::Run)).await),
        Err(error) => error.exit(),
    }
}

fn command_line<P: Program>() -> CommandLine {
    let example = |words: &str| format!("{} {words}", P::NAME);
    let examples = [
        (P::NAME.to_owned(), "run until told to stop"),
        (example("check-config"), "say what is set, and what is wrong with it"),
        (example("health"), "ask the running process"),
        (example("completions bash"), "complete its commands in this shell: source <(…)"),
    ];
    let named = CommandLine::new(P::NAME).about(P::ABOUT).version(P::VERSION).after_help(after_help(&examples));
    Arguments::<P::Command>::augment_args(named)
}

async fn start<P: Program>(command: Command<P::Command>) -> anyhow::Result<()> {
    if let Command::Generated(command) = command {
        return command.execute(command_line::<P>());
    }
    crate::install_crypto();
    let mut problems = Problems::default();
    let layers = Layers::load(&mut problems);
    let settings = P::read(&layers, &mut problems);
    if let Command::CheckConfig { json } = command {
        if json {
            crate::print_line!("{}", serde_json::to_string_pretty(&ConfigReport::of(&problems))?);
            return Ok(problems.finish()?);
        }
        return Ok(check_config(&problems)?);
    }
    problems.finish()?;
    match command {
        Command::Run | Command::CheckConfig { .. } | Command::Generated(_) => {
            let _telemetry = telemetry::start(P::NAME);
            problems.log_warnings();
            P::run(settings, Shutdown::on_signals()).await
        }
        Command::Own(command) => P::execute(settings, command).await,
        Command::Health => {
            let addr = P::health_addr(&settings).context("ask for health: HEALTH_ADDR is not set")?;
            crate::print_line!("{}", health::probe(addr).await?);
            Ok(())
        }
    }
}

/// What `check-config` does: prints every variable that was read, without secrets, then says what is odd and what is
/// wrong.
pub fn check_config(problems: &Problems) -> Result<(), ConfigError> {
    problems.resolved().iter().for_each(|variable| crate::print_line!("{variable}"));
    problems.warnings().iter().for_each(|sentence| eprintln!("warning: {sentence}"));
    problems.finish()
}

/// What `check-config --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigReport {
    /// Every variable that was read, without secrets.
    pub settings: Vec<Resolved>,
    /// What is odd, and no reason not to run.
    pub warnings: Vec<String>,
    /// What is wrong; nothing where it would run.
    pub problems: Vec<String>,
}

impl ConfigReport {
    /// What was read, and what is wrong with it.
    pub fn of(problems: &Problems) -> Self {
        Self {
            settings: problems.resolved().to_vec(),
            warnings: problems.warnings().to_vec(),
            problems: problems.finish().err().map(|wrong| wrong.0).unwrap_or_default(),
        }
    }
}

/// The code a process ends with. Why it failed goes to standard error: one sentence per wrong setting and code 64, else
/// the error with all its causes and code 1.
pub fn exit_code(ended: anyhow::Result<()>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    if let Some(wrong) = error.downcast_ref::<ConfigError>() {
        for sentence in &wrong.0 {
            eprintln!("{sentence}");
        }
        return ExitCode::from(BAD_SETTINGS);
    }
    eprintln!("failed to {error:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    struct Plain;

    impl Program for Plain {
        const NAME: &'static str = "plain";
        const VERSION: &'static str = "7.8.9";
        const ABOUT: &'static str = "Does nothing";
        type Settings = ();
        type Command = Infallible;

        fn read(_: &Layers, _: &mut Problems) {}

        fn health_addr((): &()) -> Option<SocketAddr> {
            None
        }

        async fn run((): (), _: Shutdown) -> anyhow::Result<()> {
            Ok(())
        }

        async fn execute((): (), command: Infallible) -> anyhow::Result<()> {
            match command {}
        }
    }

    #[test]
    fn a_report_has_every_variable_and_every_problem_and_no_secret() {
        let strings = std::collections::HashMap::from([
            ("HEALTH_ADDR".to_owned(), "here".to_owned()),
            ("MORALIS_KEY".to_owned(), "very-secret".to_owned()),
        ]);
        let mut problems = Problems::default();
        problems.parsed_optional::<SocketAddr>(&strings, "HEALTH_ADDR");
        problems.secret(&strings, "MORALIS_KEY");
        problems.text(&strings, "APP_ENV", "dev");
        let report = serde_json::to_value(ConfigReport::of(&problems)).unwrap();
        let default = serde_json::json!({ "name": "APP_ENV", "value": "dev", "isDefault": true });
        assert!(report["settings"].as_array().unwrap().contains(&default), "{report}");
        assert!(report["problems"][0].as_str().unwrap().starts_with("HEALTH_ADDR is `here`"), "{report}");
        assert!(!report.to_string().contains("very-secret"), "{report}");
    }

    #[test]
    fn every_program_has_the_same_commands() {
        command_line::<Plain>().debug_assert();
        let parsed = |words: &[&str]| {
            let matches = command_line::<Plain>().try_get_matches_from(words)?;
            Arguments::<Infallible>::from_arg_matches(&matches)
        };
        assert!(parsed(&["plain"]).unwrap().command.is_none());
        assert!(matches!(parsed(&["plain", "run"]).unwrap().command, Some(Command::Run)));
        assert!(matches!(
            parsed(&["plain", "check-config"]).unwrap().command,
            Some(Command::CheckConfig { json: false })
        ));
        assert!(matches!(
            parsed(&["plain", "check-config", "--json"]).unwrap().command,
            Some(Command::CheckConfig { json: true })
        ));
        assert!(matches!(parsed(&["plain", "health"]).unwrap().command, Some(Command::Health)));
        assert_eq!(command_line::<Plain>().render_version(), "plain 7.8.9\n", "its own, not that of this crate");
        let help = command_line::<Plain>().render_help().to_string();
        assert!(
            help.contains("plain check-config") && help.ends_with(&format!("{}\n", crate::command_line::EXIT_CODES))
        );
        let mistyped = parsed(&["plain", "helth"]).err().unwrap().to_string();
        assert!(mistyped.contains("'health'"), "{mistyped}");
        let refused = ["--help", "other"].map(|word| parsed(&["plain", word]).err().unwrap().kind());
        assert_eq!(refused, [clap::error::ErrorKind::DisplayHelp, clap::error::ErrorKind::InvalidSubcommand]);
    }
}
