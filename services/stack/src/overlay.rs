//! The settings of the one process: the command line, then the environment, then the embedded defaults.

use chain_ingestor::ChainCommand;
use clap::Parser;
use environment::{Layers, Strings};
use std::collections::HashMap;

/// All four services in one process.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct StackArguments {
    /// The log: `sqlite:PATH`, or `kafka://HOST:PORT` for Kafka brokers. Default: LOG, else `sqlite:data/tape.db`.
    #[arg(long)]
    log: Option<String>,
    /// The database: `sqlite:DIRECTORY`, or `postgres://…`. Default: DATABASE_URL, else `sqlite:data`.
    #[arg(long)]
    database: Option<String>,
    /// Print the settings as resolved, without secrets, and everything that is wrong with them; then stop.
    #[arg(long)]
    pub(crate) check_config: bool,
    /// A command on one chain; without one, the services run.
    #[command(subcommand)]
    pub(crate) command: Option<ChainCommand>,
}

impl StackArguments {
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
}

impl Strings for StackSettings {
    fn get(&self, key: &str) -> Option<String> {
        // An address on the command line counts, whatever file the environment names.
        if key == DATABASE_URL_FILE && self.from_arguments.contains_key("DATABASE_URL") {
            return None;
        }
        let embedded_default = || match key {
            "LOG" => Some("sqlite:data/tape.db".to_owned()),
            "DATABASE_URL" if self.layers.get(DATABASE_URL_FILE).is_none() => Some("sqlite:data".to_owned()),
            _ => None,
        };
        self.from_arguments.get(key).cloned().or_else(|| self.layers.get(key)).or_else(embedded_default)
    }

    fn names(&self) -> Vec<String> {
        self.layers.names()
    }
}
