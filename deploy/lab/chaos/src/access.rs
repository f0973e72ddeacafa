//! How a run reaches its servers: those that let everybody in, or those that want a login of each process.

use super::oracle;
use anyhow::Context;
use environment::Problems;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use tape_log::Target;
use tape_log::settings::KafkaSettings;

/// The servers of a run.
#[derive(Clone, Debug)]
pub enum Servers {
    /// They let everybody in, and may be killed.
    Open {
        /// A Kafka that `bounce` may kill.
        brokers: String,
        /// A PostgreSQL that `bounce` may kill.
        database: String,
        /// Program and first arguments that kill a server and start it again; `kafka` or `postgres` is appended.
        bounce: Vec<String>,
    },
    /// They want a login, and allow each no more than it prints that it needs.
    Secured {
        /// A folder with the variables of each process, `NAME.env`, for topics and a database that are prepared and empty, and of
        /// somebody who may do everything, `admin.env`, whose `DATABASE_URL` is that database.
        folder: PathBuf,
    },
}

/// The programs of a run.
const PROGRAMS: [&str; 4] = ["chain-ingestor", "metrics", "portfolio", "api"];

/// Variables by program.
pub(super) type Variables = BTreeMap<&'static str, Vec<(String, String)>>;

/// What the programs and the oracle need to reach the servers.
pub(super) struct Access {
    /// The log, for the oracle.
    pub(super) log: Target,
    /// What the names of the topics begin with.
    pub(super) prefix: String,
    /// The database, for the oracle; others may be created beside it.
    pub(super) database: String,
    /// The variables of each program.
    pub(super) variables: Variables,
}

impl Servers {
    /// Opens them for a run of this name, with topics and a database of its own.
    pub(super) async fn open(&self, name: &str) -> anyhow::Result<Access> {
        match self {
            Self::Open { brokers, database, .. } => {
                let prefix = format!("{name}.");
                let database = oracle::create_database(database, name).await?;
                let variables = [("KAFKA_BROKERS", brokers), ("TOPIC_PREFIX", &prefix), ("DATABASE_URL", &database)];
                let variables = variables.map(|(key, value)| (key.to_owned(), value.clone())).to_vec();
                let variables = PROGRAMS.into_iter().map(|program| (program, variables.clone())).collect();
                let log = Target::Kafka(KafkaSettings::plain(&**brokers, &*prefix, name).into());
                Ok(Access { log, prefix, database, variables })
            }
            Self::Secured { folder } => {
                let all: HashMap<String, String> = read_variables(&folder.join("admin.env"))?.into_iter().collect();
                let mut problems = Problems::default();
                let log = tape_log::settings::target(&all, &mut problems);
                let database = problems.required_url(&all, "DATABASE_URL");
                problems.finish()?;
                let prefix = all.get("TOPIC_PREFIX").cloned().unwrap_or_default();
                let of = |program| Ok((program, read_variables(&folder.join(format!("{program}.env")))?));
                let variables = PROGRAMS.into_iter().map(of).collect::<anyhow::Result<_>>()?;
                Ok(Access { log, prefix, database, variables })
            }
        }
    }

    /// Removes the database of a run, where it was made for it.
    pub(super) async fn clean_up(&self, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Open { database, .. } => oracle::drop_database(database, name).await,
            // They end with what started them.
            Self::Secured { .. } => Ok(()),
        }
    }

    /// What kills a server and starts it again, where that may be.
    pub(super) fn bounce(&self) -> Option<&[String]> {
        match self {
            Self::Open { bounce, .. } => Some(bounce),
            Self::Secured { .. } => None,
        }
    }
}

/// Lines of `KEY=value`.
fn read_variables(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let pair = |line: &str| {
        let (key, value) =
            line.split_once('=').with_context(|| format!("{}: {line} is no KEY=value", path.display()))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.lines().map(pair).collect()
}
