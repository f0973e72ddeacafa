//! The settings of the service, read from environment variables.

use environment::{Problems, Secret, Strings};
use metrics_domain::{BookRules, Dollars, Limits, Method, PriceRules};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tape_log::PartitionRange;

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
    /// The rules of the book.
    pub rules: BookRules,
    /// Which trades make prices.
    pub price_rules: PriceRules,
    /// Readers that fold concurrently, each its own partitions.
    pub workers: usize,
    /// The part of the partitions that this database owns; all where none.
    pub partitions: Option<PartitionRange>,
    /// For how many days of block time trades are kept; for ever when none.
    pub retention_days: Option<u32>,
}

impl Settings {
    /// The consumer group, and the name in dead-letter topics.
    pub const NAME: &'static str = "metrics";

    /// Reads `DATABASE_URL`, `HEALTH_ADDR`, `METRICS_BATCH_EVENTS`, `METRICS_REMEMBERED`, `METRICS_METHOD`,
    /// `METRICS_QUOTE`, `METRICS_NATIVE`, `METRICS_MAX_NOTIONAL_USD`, `METRICS_PRICE_FLOOR_USD`, `METRICS_PRICE_BAND`,
    /// `METRICS_WORKERS`, `METRICS_PARTITIONS` and `METRICS_RETENTION_DAYS`.
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
        let rules = BookRules {
            method: problems.parsed(strings, "METRICS_METHOD", Method::default()),
            natives: natives(strings, problems),
            max_notional: problems.parsed(strings, "METRICS_MAX_NOTIONAL_USD", BookRules::default().max_notional),
        };
        if rules.max_notional <= Dollars::ZERO {
            problems.add("METRICS_MAX_NOTIONAL_USD", "must be more than 0 dollars");
        }
        let workers = problems.parsed(strings, "METRICS_WORKERS", 4);
        if !(1..=MAX_WORKERS).contains(&workers) {
            problems.add("METRICS_WORKERS", format!("is {workers}, but must be 1 to {MAX_WORKERS}"));
        }
        let partitions = problems.parsed_optional(strings, "METRICS_PARTITIONS");
        let retention_days: Option<u32> = problems.parsed_optional(strings, "METRICS_RETENTION_DAYS");
        if let Some(days) = retention_days.filter(|days| *days < MIN_RETENTION_DAYS) {
            problems.add(
                "METRICS_RETENTION_DAYS",
                format!("is {days}, but must be {MIN_RETENTION_DAYS} or more, or not set"),
            );
        }
        let (limits, price_rules) = (Limits { events, remembered }, price_rules(strings, problems));
        Self { database, health, limits, rules, price_rules, workers, partitions, retention_days }
    }
}

fn price_rules(strings: &impl Strings, problems: &mut Problems) -> PriceRules {
    let defaults = PriceRules::default();
    let rules = PriceRules {
        floor: problems.parsed(strings, "METRICS_PRICE_FLOOR_USD", defaults.floor),
        band: problems.parsed(strings, "METRICS_PRICE_BAND", defaults.band),
    };
    if rules.floor < Dollars::ZERO {
        problems.add("METRICS_PRICE_FLOOR_USD", "must not be less than 0 dollars");
    }
    if rules.band < 2 {
        problems.add("METRICS_PRICE_BAND", format!("is {}, but must be 2 or more", rules.band));
    }
    rules
}

/// No chain takes longer to be final, and no leaderboard has a longer span.
const MIN_RETENTION_DAYS: u32 = 30;
/// The connection pool is large enough for this many.
const MAX_WORKERS: usize = 8;

/// The native assets that have positions: none unless `METRICS_QUOTE` says that only dollars are cash.
fn natives(strings: &impl Strings, problems: &mut Problems) -> BTreeMap<Arc<str>, Arc<str>> {
    let quote = problems.parsed(strings, "METRICS_QUOTE", BookRules::DOLLARS_AND_NATIVE.to_owned());
    let listed: String = problems.parsed(strings, "METRICS_NATIVE", String::new());
    let mut natives = BTreeMap::new();
    for pair in listed.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let Some((chain, asset)) = pair.split_once('=').filter(|(chain, asset)| is_id(chain) && is_id(asset)) else {
            problems.add("METRICS_NATIVE", format!("holds `{pair}`, which is not CHAIN=ASSET"));
            continue;
        };
        let asset = if asset.starts_with("0x") { asset.to_ascii_lowercase() } else { asset.to_owned() };
        if natives.insert(chain.into(), asset.into()).is_some() {
            problems.add("METRICS_NATIVE", format!("names two assets of {chain}"));
        }
    }
    match (quote.as_str(), natives.is_empty()) {
        (BookRules::DOLLARS, true) => {
            problems
                .add("METRICS_NATIVE", "must name the native assets, CHAIN=ASSET, where METRICS_QUOTE is `dollars`");
        }
        (BookRules::DOLLARS_AND_NATIVE, false) => {
            problems.add("METRICS_NATIVE", "has no effect unless METRICS_QUOTE is `dollars`");
        }
        (BookRules::DOLLARS | BookRules::DOLLARS_AND_NATIVE, _) => {}
        _ => problems.add("METRICS_QUOTE", "must be `dollars` or `dollars-and-native`"),
    }
    natives
}

fn is_id(text: &str) -> bool {
    wire::check::id("", text).is_ok()
}

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
    fn native_assets_have_positions_where_only_dollars_are_cash() {
        let database = ("DATABASE_URL", "sqlite:data");
        let (settings, problems) = read_settings(&[
            database,
            ("METRICS_QUOTE", "dollars"),
            ("METRICS_NATIVE", "ethereum=0xC02aaA39, solana=So11111111111111111111111111111111111111112"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.rules.natives.get("ethereum").map(|asset| &**asset), Some("0xc02aaa39"));
        assert_eq!((settings.rules.natives.len(), settings.rules.quote()), (2, "dollars"));
        assert_eq!(read_settings(&[database]).0.rules.quote(), "dollars-and-native");
        for wrong in [
            &[("METRICS_QUOTE", "dollars")][..],
            &[("METRICS_QUOTE", "euros")],
            &[("METRICS_NATIVE", "ethereum=0xc0")],
            &[("METRICS_QUOTE", "dollars"), ("METRICS_NATIVE", "ethereum=0xc0,solana")],
            &[("METRICS_QUOTE", "dollars"), ("METRICS_NATIVE", "a=1,a=2")],
        ] {
            let all: Vec<_> = [database].iter().chain(wrong).copied().collect();
            assert_eq!(read_settings(&all).1.len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn every_problem_is_listed() {
        let (_, problems) = read_settings(&[
            ("METRICS_BATCH_EVENTS", "0"),
            ("HEALTH_ADDR", "here"),
            ("METRICS_METHOD", "lifo"),
            ("METRICS_WORKERS", "0"),
            ("METRICS_MAX_NOTIONAL_USD", "0"),
            ("METRICS_PRICE_FLOOR_USD", "-1"),
            ("METRICS_PRICE_BAND", "1"),
            ("METRICS_RETENTION_DAYS", "29"),
            ("METRICS_PARTITIONS", "0-64"),
        ]);
        assert_eq!(problems.len(), 10, "{problems:?}");
        assert_eq!(read_settings(&[("DATABASE_URL", "mysql://h/d")]).1.len(), 1);
        assert_eq!(read_settings(&[("DATABASE_URL", "sqlite:")]).1.len(), 1);
    }
}
