//! What the api reads from its variables.

use crate::store::Store;
use axum::http::{HeaderValue, Method, Uri, header};
use environment::{Problems, Rate, Secret, Strings};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

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
    /// Pages of which other origins may read: `API_CORS_ORIGINS`, none when nothing is said.
    pub origins: Option<Origins>,
}

/// Origins whose pages may read what is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These.
    Listed(Vec<HeaderValue>),
}

/// Why a text names no origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `*`, or origins such as `https://example.org` separated by commas")]
pub struct NotOrigins;

impl Origins {
    /// What answers preflights and marks answers for these origins.
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = match self {
            Self::Any => AllowOrigin::any(),
            Self::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD])
            .allow_headers([header::IF_NONE_MATCH])
            .expose_headers([header::ETAG, header::RETRY_AFTER])
            .max_age(Duration::from_hours(1))
    }
}

impl FromStr for Origins {
    type Err = NotOrigins;

    fn from_str(text: &str) -> Result<Self, NotOrigins> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let origin = |text: &str| {
            let uri: Uri = text.trim().parse().map_err(|_| NotOrigins)?;
            let bare = matches!(uri.scheme_str(), Some("http" | "https")) && matches!(uri.path(), "" | "/");
            let whole = bare && uri.query().is_none() && !text.trim().ends_with('/');
            if whole { HeaderValue::from_str(text.trim()).map_err(|_| NotOrigins) } else { Err(NotOrigins) }
        };
        text.split(',').map(origin).collect::<Result<_, _>>().map(Self::Listed)
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Listed(origins) => {
                let texts: Vec<_> = origins.iter().map(|origin| String::from_utf8_lossy(origin.as_bytes())).collect();
                f.write_str(&texts.join(","))
            }
        }
    }
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
        let rate = (per_second > 0).then(|| Rate::per_second(per_second, per_second.saturating_mul(2)));
        let minutes = problems.parsed(strings, "API_LOOKBACK_MINUTES", 5_u32);
        let max_connections = problems.parsed(strings, "API_MAX_CONNECTIONS", 10_000_u32);
        let origins = problems.parsed_optional(strings, "API_CORS_ORIGINS");
        Self {
            addr,
            database: database.unwrap_or_else(|| Secret::new(String::new())),
            rate,
            lookback: Duration::from_secs(u64::from(minutes) * 60),
            max_connections: max_connections as usize,
            origins,
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
        assert_eq!(settings.rate, Some(Rate::per_second(100, 200)));
        assert_eq!(read(&[("DATABASE_URL", "sqlite:data"), ("API_RATE_PER_SECOND", "0")]).unwrap().rate, None);
    }

    #[test]
    fn origins_are_whole() {
        for text in ["*", "https://example.org", "http://localhost:3000,https://a.example"] {
            assert_eq!(text.parse::<Origins>().map(|origins| origins.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "example.org", "https://a.example/", "https://a.example/page", "ftp://x", "https://a, *"] {
            assert_eq!(text.parse::<Origins>(), Err(NotOrigins), "{text:?}");
        }
    }

    #[test]
    fn every_problem_is_named() {
        let problems = read(&[("API_ADDR", "here"), ("DATABASE_URL", "mysql://x"), ("API_LOOKBACK_MINUTES", "-1")]);
        assert_eq!(problems.unwrap_err().len(), 3);
        assert_eq!(read(&[]).unwrap_err(), ["DATABASE_URL is not set"]);
    }
}
