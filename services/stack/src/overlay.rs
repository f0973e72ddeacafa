//! What the command line says over the environment, and what holds when neither says anything.

use clap::Parser;
use environment::{Layers, Strings};
use std::collections::HashMap;

/// All four services in one process.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    /// Where the tape is: `sqlite:PATH`, or `kafka://HOST:PORT` for real brokers.
    #[arg(long)]
    log: Option<String>,
    /// Where the tables are: `sqlite:DIRECTORY`, or `postgres://…`.
    #[arg(long)]
    database: Option<String>,
    /// Print what is resolved and stop.
    #[arg(long)]
    pub(crate) check_config: bool,
}

/// The environment, overlaid.
pub(crate) struct Overlay {
    said: HashMap<&'static str, String>,
    layers: Layers,
}

impl Overlay {
    pub(crate) fn new(layers: Layers, arguments: &Arguments) -> Self {
        let mut said = HashMap::new();
        if let Some(brokers) = arguments.log.as_deref().and_then(|log| log.strip_prefix("kafka://")) {
            said.insert("LOG", "kafka".to_owned());
            said.insert("KAFKA_BROKERS", brokers.to_owned());
        } else if let Some(log) = &arguments.log {
            said.insert("LOG", log.clone());
        }
        if let Some(database) = &arguments.database {
            said.insert("DATABASE_URL", database.clone());
        }
        Self { said, layers }
    }
}

impl Strings for Overlay {
    fn get(&self, key: &str) -> Option<String> {
        let fallback = || match key {
            "LOG" => Some("sqlite:data/tape.db".to_owned()),
            "DATABASE_URL" => Some("sqlite:data".to_owned()),
            _ => None,
        };
        self.said.get(key).cloned().or_else(|| self.layers.get(key)).or_else(fallback)
    }
}
