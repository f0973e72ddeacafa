//! The settings of the service, read from environment variables.

use environment::{Problems, Secret, Strings};
use metrics_domain::{Limits, Method};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The database of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A PostgreSQL server.
    Postgres(Secret),
    /// A SQLite file.
    Sqlite(PathBuf),
}

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database of the book.
    pub database: Database,
    /// The address that serves `/health` and `/ready`; none when not set.
    pub health: Option<SocketAddr>,
    /// How much is committed and remembered at once.
    pub limits: Limits,
    /// How the cost of what is sold is calculated.
    pub method: Method,
    /// Readers that fold concurrently, each its own partitions.
    pub workers: usize,
    /// For how many days of block time trades are kept; for ever when none.
    pub retention_days: Option<u32>,
}

impl Settings {
    /// The consumer group, and the name in dead-letter topics.
    pub const NAME: &'static str = "metrics";

    /// Reads `DATABASE_URL`, `HEALTH_ADDR`, `METRICS_BATCH_EVENTS`, `METRICS_REMEMBERED`, `METRICS_METHOD`,
    /// `METRICS_WORKERS` and `METRICS_RETENTION_DAYS`.
    pub fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        let url = problems.required_url(strings, "DATABASE_URL");
        let database = database(&url).unwrap_or_else(|| {
            if !url.is_empty() {
                problems.add("DATABASE_URL", "must be `postgres://…` or `sqlite:DIRECTORY`");
            }
            Database::Sqlite(PathBuf::new())
        });
        let health = problems.parsed_optional(strings, "HEALTH_ADDR");
        let defaults = Limits::default();
        let events = problems.parsed(strings, "METRICS_BATCH_EVENTS", defaults.events);
        let remembered = problems.parsed(strings, "METRICS_REMEMBERED", defaults.remembered);
        if events == 0 {
            problems.add("METRICS_BATCH_EVENTS", "is 0, but a batch must hold at least one event");
        }
        let method = problems.parsed(strings, "METRICS_METHOD", Method::default());
        let workers = problems.parsed(strings, "METRICS_WORKERS", 4);
        if !(1..=MAX_WORKERS).contains(&workers) {
            problems.add("METRICS_WORKERS", format!("is {workers}, but must be 1 to {MAX_WORKERS}"));
        }
        let retention_days: Option<u32> = problems.parsed_optional(strings, "METRICS_RETENTION_DAYS");
        if let Some(days) = retention_days.filter(|days| *days < MIN_RETENTION_DAYS) {
            problems.add(
                "METRICS_RETENTION_DAYS",
                format!("is {days}, but must be {MIN_RETENTION_DAYS} or more, or not set"),
            );
        }
        Self { database, health, limits: Limits { events, remembered }, method, workers, retention_days }
    }
}

/// No chain takes longer to be final, and no leaderboard has a longer span.
const MIN_RETENTION_DAYS: u32 = 30;
/// The connection pool is large enough for this many.
const MAX_WORKERS: usize = 8;

/// With SQLite, each service has a file of its own in the directory.
fn database(url: &str) -> Option<Database> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Some(Database::Postgres(Secret::new(url)));
    }
    let directory = url.strip_prefix("sqlite:")?;
    (!directory.is_empty()).then(|| Database::Sqlite(PathBuf::from(directory).join("metrics.db")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read_settings(pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let strings: HashMap<String, String> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut problems = Problems::default();
        let settings = Settings::read(&strings, &mut problems);
        (settings, problems.finish().err().map(|error| error.0).unwrap_or_default())
    }

    #[test]
    fn the_database_is_a_directory_or_a_server() {
        let (settings, problems) = read_settings(&[("DATABASE_URL", "sqlite:data")]);
        assert_eq!((settings.database, problems), (Database::Sqlite("data/metrics.db".into()), vec![]));
        let (settings, problems) = read_settings(&[("DATABASE_URL", "postgres://u:secret@h/d")]);
        assert!(!format!("{settings:?}").contains("secret"), "{settings:?}");
        assert!(problems.is_empty());
    }

    #[test]
    fn every_problem_is_listed() {
        let (_, problems) = read_settings(&[
            ("METRICS_BATCH_EVENTS", "0"),
            ("HEALTH_ADDR", "here"),
            ("METRICS_METHOD", "lifo"),
            ("METRICS_WORKERS", "0"),
            ("METRICS_RETENTION_DAYS", "29"),
        ]);
        assert_eq!(problems.len(), 6, "{problems:?}");
        assert_eq!(read_settings(&[("DATABASE_URL", "mysql://h/d")]).1.len(), 1);
        assert_eq!(read_settings(&[("DATABASE_URL", "sqlite:")]).1.len(), 1);
    }
}
