//! The settings of the one process: the command line, then the environment, then the embedded defaults.

use crate::command::StackCommand;
use clap::Parser;
use environment::command_line::EXIT_CODES;
use environment::{Layers, Strings};
use std::collections::HashMap;

const EXAMPLES: &str = "Examples:
  chaintape                              # run everything on SQLite in data/, the page at http://127.0.0.1:8080
  chaintape --log kafka://broker:9092 --database postgres://user:password@host/name
  chaintape new my-tape                  # a folder to begin with; --rpc URL for a chain of your own
  chaintape doctor                       # what would not work, and what to do
  chaintape check-config                 # what is set, and what is wrong with it
  chaintape chains                       # the chains, their plugins, how far they are
  chaintape backfill --chain base --from 40000000 --to 40001000";

/// The front door: all four services in one process, and every command of theirs.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct StackArguments {
    /// The log: `sqlite:PATH`, or `kafka://HOST:PORT` for Kafka brokers. Default: LOG, else `sqlite:data/tape.db`.
    #[arg(long, global = true)]
    log: Option<String>,
    /// The database: `sqlite:DIRECTORY`, or `postgres://…`. Default: DATABASE_URL, else `sqlite:data`.
    #[arg(long, global = true)]
    database: Option<String>,
    /// The same as the command `check-config`.
    #[arg(long, hide = true)]
    check_config: bool,
    /// Stop as soon as nobody holds the other end of standard input: for a process that this one is to end with.
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
    #[command(subcommand)]
    command: Option<StackCommand>,
}

impl StackArguments {
    /// What is to be done; without a command, the services run.
    pub(crate) fn wanted(&self) -> StackCommand {
        let unsaid = if self.check_config { StackCommand::CheckConfig { json: false } } else { StackCommand::Run };
        self.command.clone().unwrap_or(unsaid)
    }

    /// Refuses arguments that a command does not heed.
    #[cfg(feature = "demo")]
    pub(crate) fn refuse_log_and_database(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.log.is_none() && self.database.is_none(),
            "run the demo: it keeps everything in a folder of its own (--folder); leave --log and --database out"
        );
        Ok(())
    }

    /// This program with the arguments that choose the log, as an operator calls it.
    pub(crate) fn program(&self) -> String {
        self.log.as_ref().map_or_else(|| "chaintape".to_owned(), |log| format!("chaintape --log {log}"))
    }
}

/// Names the file that holds the address of the database.
const DATABASE_URL_FILE: &str = "DATABASE_URL_FILE";

/// The variables as the services read them.
pub(crate) struct StackSettings {
    from_arguments: HashMap<&'static str, String>,
    layers: Layers,
}

impl StackSettings {
    pub(crate) fn new(layers: Layers, arguments: &StackArguments) -> Self {
        let mut from_arguments = HashMap::new();
        if let Some(brokers) = arguments.log.as_deref().and_then(|log| log.strip_prefix("kafka://")) {
            from_arguments.insert("LOG", "kafka".to_owned());
            from_arguments.insert("KAFKA_BROKERS", brokers.to_owned());
        } else if let Some(log) = &arguments.log {
            from_arguments.insert("LOG", log.clone());
        }
        if let Some(database) = &arguments.database {
            from_arguments.insert("DATABASE_URL", database.clone());
        }
        Self { from_arguments, layers }
    }

    /// What somebody has set, on the command line or in the environment.
    fn set(&self, key: &str) -> Option<String> {
        let from_arguments = self.from_arguments.get(key).filter(|given| !given.is_empty());
        from_arguments.cloned().or_else(|| self.layers.get(key))
    }

    fn embedded_default(&self, key: &str) -> Option<String> {
        match key {
            "LOG" => Some("sqlite:data/tape.db".to_owned()),
            "DATABASE_URL" if self.layers.get(DATABASE_URL_FILE).is_none() => Some("sqlite:data".to_owned()),
            _ => None,
        }
    }
}

impl Strings for StackSettings {
    fn get(&self, key: &str) -> Option<String> {
        // An address on the command line counts, whatever file the environment names.
        if key == DATABASE_URL_FILE && self.from_arguments.contains_key("DATABASE_URL") {
            return None;
        }
        self.set(key).or_else(|| self.embedded_default(key))
    }

    fn names(&self) -> Vec<String> {
        self.layers.names()
    }

    fn is_default(&self, key: &str) -> bool {
        self.set(key).is_none() && self.embedded_default(key).is_some()
    }
}
