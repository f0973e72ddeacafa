//! What the api reads from its variables.

use crate::store::Store;
use api_domain::Rate;
use environment::{Problems, Secret, Strings};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How the api serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens: `API_ADDR`, `127.0.0.1:8080` when nothing is said.
    pub addr: SocketAddr,
    /// What it reads: `DATABASE_URL`, `postgres://…` or `sqlite:DIRECTORY`.
    pub database: Secret,
    /// Requests a second of one client: `API_RATE_PER_SECOND`, 100 when nothing is said, 0 for no limit. Twice as many
    /// may come at once.
    pub rate: Option<Rate>,
    /// How far back the log is read at the start: `API_LOOKBACK_MINUTES`, 5 when nothing is said.
    pub lookback: Duration,
    /// WebSockets open at once: `API_MAX_CONNECTIONS`, 10,000 when nothing is said.
    pub max_connections: usize,
}

impl Settings {
    /// Reads the variables; what is wrong with them is collected.
    pub fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        let addr = problems.parsed(strings, "API_ADDR", SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        let database = problems.secret(strings, "DATABASE_URL");
        match &database {
            None => problems.add("DATABASE_URL", "is not set"),
            Some(url) => {
                // The pool of a server is made lazily, but only inside a runtime; the text alone is judged here.
                if let Some(wrong) = Store::wrong(url.expose()) {
                    problems.add("DATABASE_URL", wrong);
                }
            }
        }
        let per_second = problems.parsed(strings, "API_RATE_PER_SECOND", 100_u32);
        let rate = (per_second > 0).then(|| Rate { per_second, burst: per_second.saturating_mul(2) });
        let minutes = problems.parsed(strings, "API_LOOKBACK_MINUTES", 5_u32);
        let max_connections = problems.parsed(strings, "API_MAX_CONNECTIONS", 10_000_u32);
        Self {
            addr,
            database: database.unwrap_or_else(|| Secret::new(String::new())),
            rate,
            lookback: Duration::from_secs(u64::from(minutes) * 60),
            max_connections: max_connections as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let strings: HashMap<String, String> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut problems = Problems::default();
        let settings = Settings::read(&strings, &mut problems);
        problems.finish().map(|()| settings).map_err(|error| error.0)
    }

    #[test]
    fn defaults_stand_where_nothing_is_said() {
        let settings = read(&[("DATABASE_URL", "sqlite:data")]).unwrap();
        assert_eq!(settings.addr.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.rate, Some(Rate { per_second: 100, burst: 200 }));
        assert_eq!(read(&[("DATABASE_URL", "sqlite:data"), ("API_RATE_PER_SECOND", "0")]).unwrap().rate, None);
    }

    #[test]
    fn every_problem_is_named() {
        let problems = read(&[("API_ADDR", "here"), ("DATABASE_URL", "mysql://x"), ("API_LOOKBACK_MINUTES", "-1")]);
        assert_eq!(problems.unwrap_err().len(), 3);
        assert_eq!(read(&[]).unwrap_err(), ["DATABASE_URL is not set"]);
    }
}
