//! The settings of the api, read from environment variables.

use crate::clients::TrustedProxies;
use crate::http::AS_OF;
use crate::keys::{API_KEY, KeyFile};
use crate::store::Store;
use axum::http::{HeaderValue, Method, Uri, header};
use environment::{Problems, Rate, Secret, Strings};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How the api serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens: `API_ADDR`, `127.0.0.1:8080` by default.
    pub addr: SocketAddr,
    /// What it reads: `DATABASE_URL`, `postgres://…` or `sqlite:DIRECTORY`.
    pub database: Secret,
    /// What answers to requests are read from, where it is another database: `DATABASE_READ_URL`, a replica of the first.
    pub database_read: Option<Secret>,
    /// Requests per second of one client: `API_RATE_PER_SECOND`, 100 by default, 0 for no limit. Twice as many
    /// are allowed at once.
    pub rate: Option<Rate>,
    /// Proxies whose `Forwarded` and `X-Forwarded-For` name the client: `API_TRUSTED_PROXIES`, none by default.
    pub trusted_proxies: TrustedProxies,
    /// API keys and their quotas: `API_KEYS_FILE`, none by default.
    pub keys: Option<KeyFile>,
    /// How far back the log is read at the start: `API_LOOKBACK_MINUTES`, 5 by default.
    pub lookback: Duration,
    /// WebSockets open at once: `API_MAX_CONNECTIONS`, 10,000 by default.
    pub max_connections: usize,
    /// WebSockets of one client at once: `API_STREAMS_PER_CLIENT`, 64 by default.
    pub streams_per_client: usize,
    /// Connections at once, WebSockets among them: `API_MAX_SOCKETS`, by default 2,000 more than WebSockets.
    pub max_sockets: usize,
    /// Connections of one client at once: `API_SOCKETS_PER_CLIENT`, 512 by default.
    pub sockets_per_client: usize,
    /// Where `/health`, `/ready` and `/metrics` are served instead of the public address: `ADMIN_ADDR`, none by default.
    pub admin_addr: Option<SocketAddr>,
    /// How long it serves on, no longer ready, after it was asked to stop: `DRAIN_SECONDS`, 0 by default.
    pub drain: Duration,
    /// Other origins whose pages may read: `API_CORS_ORIGINS`, none by default.
    pub origins: Option<Origins>,
}

/// Other origins whose pages may read the api.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These.
    Listed(Vec<HeaderValue>),
}

/// A text that is no list of origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `*`, or origins such as `https://example.org` separated by commas")]
pub struct InvalidOrigins;

impl Origins {
    /// The layer that answers preflight requests and marks responses for these origins.
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = match self {
            Self::Any => AllowOrigin::any(),
            Self::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD])
            .allow_headers([header::IF_NONE_MATCH, header::AUTHORIZATION, API_KEY])
            .expose_headers([header::ETAG, header::RETRY_AFTER, AS_OF])
            .max_age(Duration::from_hours(1))
    }
}

impl FromStr for Origins {
    type Err = InvalidOrigins;

    fn from_str(text: &str) -> Result<Self, InvalidOrigins> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let origin = |text: &str| {
            let uri: Uri = text.trim().parse().map_err(|_| InvalidOrigins)?;
            let bare = matches!(uri.scheme_str(), Some("http" | "https")) && matches!(uri.path(), "" | "/");
            let is_origin = bare && uri.query().is_none() && !text.trim().ends_with('/');
            if is_origin { HeaderValue::from_str(text.trim()).map_err(|_| InvalidOrigins) } else { Err(InvalidOrigins) }
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
    /// Reads the variables and collects every problem with them.
    pub fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        let addr = problems.parsed(strings, "API_ADDR", SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        let database = problems.required_url(strings, "DATABASE_URL");
        // A connection pool can be made only inside a runtime, so only the text is checked here.
        if let Some(error) = Some(&database).filter(|url| !url.is_empty()).and_then(|url| Store::check_url(url).err()) {
            problems.add("DATABASE_URL", error);
        }
        let database_read = problems.optional_url(strings, "DATABASE_READ_URL");
        if let Some(error) = database_read.as_deref().and_then(|url| Store::check_url(url).err()) {
            problems.add("DATABASE_READ_URL", error);
        }
        let per_second = problems.parsed(strings, "API_RATE_PER_SECOND", 100_u32);
        let rate = (per_second > 0).then(|| Rate::per_second(per_second, per_second.saturating_mul(2)));
        let trusted_proxies = problems.parsed_optional(strings, "API_TRUSTED_PROXIES").unwrap_or_default();
        let keys = read_keys(strings, problems);
        let minutes = problems.parsed(strings, "API_LOOKBACK_MINUTES", 5_u32);
        let max_connections = problems.parsed(strings, "API_MAX_CONNECTIONS", 10_000_u32);
        let streams_per_client = problems.parsed(strings, "API_STREAMS_PER_CLIENT", 64_u32);
        let max_sockets = problems.parsed(strings, "API_MAX_SOCKETS", max_connections.saturating_add(2_000));
        let sockets_per_client = problems.parsed(strings, "API_SOCKETS_PER_CLIENT", 512_u32);
        for (name, most) in [("API_MAX_SOCKETS", max_sockets), ("API_SOCKETS_PER_CLIENT", sockets_per_client)] {
            if most == 0 {
                problems.add(name, "must be 1 or more: without a connection nobody is served");
            }
        }
        let admin_addr: Option<SocketAddr> = problems.parsed_optional(strings, "ADMIN_ADDR");
        if admin_addr == Some(addr) {
            problems.add("ADMIN_ADDR", "must be another address than API_ADDR; leave it out to serve all at API_ADDR");
        }
        let drain = problems.parsed(strings, "DRAIN_SECONDS", 0_u32);
        let origins = problems.parsed_optional(strings, "API_CORS_ORIGINS");
        Self {
            addr,
            database: Secret::new(database),
            database_read: database_read.map(Secret::new),
            rate,
            trusted_proxies,
            keys,
            lookback: Duration::from_secs(u64::from(minutes) * 60),
            max_connections: max_connections as usize,
            streams_per_client: streams_per_client as usize,
            max_sockets: max_sockets as usize,
            sockets_per_client: sockets_per_client as usize,
            admin_addr,
            drain: Duration::from_secs(drain.into()),
            origins,
        }
    }
}

fn read_keys(strings: &impl Strings, problems: &mut Problems) -> Option<KeyFile> {
    let path: PathBuf = problems.parsed_optional(strings, "API_KEYS_FILE")?;
    match KeyFile::read(&path) {
        Ok(file) => Some(file),
        Err(error) => {
            problems.add("API_KEYS_FILE", error);
            None
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
    fn defaults_apply_to_variables_that_are_not_set() {
        let settings = read(&[("DATABASE_URL", "sqlite:data")]).unwrap();
        assert_eq!(settings.addr.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.rate, Some(Rate::per_second(100, 200)));
        assert_eq!(read(&[("DATABASE_URL", "sqlite:data"), ("API_RATE_PER_SECOND", "0")]).unwrap().rate, None);
    }

    #[test]
    fn origins_have_scheme_and_host_only() {
        for text in ["*", "https://example.org", "http://localhost:3000,https://a.example"] {
            assert_eq!(text.parse::<Origins>().map(|origins| origins.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "example.org", "https://a.example/", "https://a.example/page", "ftp://x", "https://a, *"] {
            assert_eq!(text.parse::<Origins>(), Err(InvalidOrigins), "{text:?}");
        }
    }

    #[test]
    fn every_problem_is_named() {
        let problems = read(&[("API_ADDR", "here"), ("DATABASE_URL", "mysql://x"), ("API_LOOKBACK_MINUTES", "-1")]);
        assert_eq!(problems.unwrap_err().len(), 3);
        assert_eq!(
            read(&[]).unwrap_err(),
            ["DATABASE_URL is not set; write postgres://USER:PASSWORD@HOST/NAME, or sqlite:data"]
        );
        let replica = [("DATABASE_URL", "sqlite:data"), ("DATABASE_READ_URL", "mysql://x")];
        assert!(read(&replica).unwrap_err()[0].starts_with("DATABASE_READ_URL must be"));
        let admin = [("DATABASE_URL", "sqlite:data"), ("ADMIN_ADDR", "127.0.0.1:8080"), ("API_MAX_SOCKETS", "0")];
        assert_eq!(read(&admin).unwrap_err().len(), 2);
        let problems = read(&[("DATABASE_URL", "sqlite:data"), ("API_TRUSTED_PROXIES", "10.0.0.0/33")]).unwrap_err();
        assert!(problems.len() == 1 && problems[0].starts_with("API_TRUSTED_PROXIES"), "{problems:?}");
    }
}
