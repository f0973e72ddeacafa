//! What portfolio reads from its environment.

use environment::{Problems, Rate, Secret, Strings};
use portfolio_domain::{RefreshRules, Tracking};
use reqwest::Url;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The settings of portfolio.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database.
    pub database: Database,
    /// The providers of balances, in the order in which they are asked.
    pub providers: Vec<ProviderSettings>,
    /// Which traders become tracked wallets.
    pub tracking: Tracking,
    /// How wallets wait and are refreshed.
    pub rules: RefreshRules,
    /// Where `/health` and `/ready` answer.
    pub health: Option<SocketAddr>,
}

/// The database that portfolio keeps its tables in.
#[derive(Clone, Debug)]
pub enum Database {
    /// A PostgreSQL server; the URL holds a password.
    Postgres(Secret),
    /// The SQLite file `portfolio.db` in this directory.
    Sqlite(PathBuf),
}

/// A provider of balances and its settings.
#[derive(Clone, Debug)]
pub enum ProviderSettings {
    /// Invents balances from what a wallet traded.
    Mock,
    /// Moralis.
    Moralis {
        /// The API key.
        key: Secret,
        /// The URL of its API for EVM chains.
        url: Url,
        /// The URL of its API for Solana.
        solana: Url,
        /// How many requests it may get.
        rate: RequestRate,
    },
    /// Alchemy.
    Alchemy {
        /// The API key.
        key: Secret,
        /// The URL of its API.
        url: Url,
        /// The URL of its nodes, with `{network}` in it; none where heads are not asked for.
        node_url: Option<String>,
        /// How many requests it may get.
        rate: RequestRate,
    },
}

/// Requests per second, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRate {
    /// Requests per 1,000 seconds.
    pub per_1000s: u64,
}

/// A text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a number from 0.001 to 1000, such as 5 or 0.5")]
pub struct InvalidRate;

const MORALIS_URL: &str = "https://deep-index.moralis.io/api/v2.2";
const MORALIS_SOLANA_URL: &str = "https://solana-gateway.moralis.io";
const ALCHEMY_URL: &str = "https://api.g.alchemy.com/data/v1";
const ALCHEMY_NODE_URL: &str = "https://{network}.g.alchemy.com/v2";

impl Settings {
    /// Reads portfolio's variables; everything that is wrong with them is added to the problems.
    pub fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        let url = problems.required_url(strings, "DATABASE_URL");
        let database = Database::parse(&url).unwrap_or_else(|| {
            if !url.is_empty() {
                problems.add("DATABASE_URL", "must be `postgres://…` or `sqlite:DIRECTORY`");
            }
            Database::Sqlite(PathBuf::new())
        });
        let providers = read_providers(strings, problems);
        let tracking = read_tracking(strings, problems);
        let defaults = Self::default_rules();
        let rules = RefreshRules {
            debounce_ms: problems.parsed(strings, "PORTFOLIO_DEBOUNCE_MS", defaults.debounce_ms),
            max_queued: problems.parsed(strings, "PORTFOLIO_QUEUE_MAX", defaults.max_queued),
            ..defaults
        };
        if rules.max_queued == 0 {
            problems.add("PORTFOLIO_QUEUE_MAX", "is 0, but must leave room for at least one wallet");
        }
        let health = problems.parsed_optional(strings, "HEALTH_ADDR");
        Self { database, providers, tracking, rules, health }
    }

    /// The default rules; those without a variable are fixed.
    pub fn default_rules() -> RefreshRules {
        RefreshRules {
            debounce_ms: 2000,
            max_queued: 100_000,
            lease_ms: 120_000,
            first_retry_ms: 2000,
            max_retry_ms: 3_600_000,
            refused_retry_ms: 300_000,
        }
    }
}

impl Database {
    /// Parses `postgres://…` or `sqlite:DIRECTORY`.
    pub fn parse(url: &str) -> Option<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(Secret::new(url)));
        }
        let directory = url.strip_prefix("sqlite:").filter(|directory| !directory.is_empty())?;
        Some(Self::Sqlite(directory.into()))
    }
}

/// Reads `PORTFOLIO_PROVIDER`: one name or several, separated by commas; the first is asked first.
fn read_providers(strings: &impl Strings, problems: &mut Problems) -> Vec<ProviderSettings> {
    let rate = problems.parsed(strings, "PORTFOLIO_RATE", RequestRate { per_1000s: 5000 });
    let named = problems.text(strings, "PORTFOLIO_PROVIDER", "mock");
    let mut names: Vec<&str> = named.split(',').map(str::trim).collect();
    names.dedup();
    names.iter().filter_map(|name| read_provider(name, rate, strings, problems)).collect()
}

fn read_provider(
    name: &str,
    rate: RequestRate,
    strings: &impl Strings,
    problems: &mut Problems,
) -> Option<ProviderSettings> {
    match name {
        "mock" => Some(ProviderSettings::Mock),
        "moralis" => {
            let key = read_key("MORALIS_API_KEY", name, strings, problems);
            let url = read_url("MORALIS_URL", MORALIS_URL, strings, problems)?;
            let solana = read_url("MORALIS_SOLANA_URL", MORALIS_SOLANA_URL, strings, problems)?;
            Some(ProviderSettings::Moralis { key, url, solana, rate: problems.parsed(strings, "MORALIS_RATE", rate) })
        }
        "alchemy" => {
            let key = read_key("ALCHEMY_API_KEY", name, strings, problems);
            let url = read_url("ALCHEMY_URL", ALCHEMY_URL, strings, problems)?;
            let node_url = read_node_url(&url, strings, problems);
            Some(ProviderSettings::Alchemy { key, url, node_url, rate: problems.parsed(strings, "ALCHEMY_RATE", rate) })
        }
        other => {
            let rule = format!("names `{other}`, but must be mock, moralis or alchemy, or several separated by commas");
            problems.add("PORTFOLIO_PROVIDER", rule);
            None
        }
    }
}

fn read_key(variable: &str, provider: &str, strings: &impl Strings, problems: &mut Problems) -> Secret {
    let missing = format!("is not set, but PORTFOLIO_PROVIDER names `{provider}`");
    let key = problems.required_secret(strings, variable, &missing);
    // A key is printable ASCII; anything else could not be sent.
    if !key.expose().bytes().all(|b| b.is_ascii_graphic()) {
        problems.add(variable, "has a character that a key cannot have, such as a line break");
    }
    key
}

/// The nodes of another API than the public one are not known, unless they are set.
fn read_node_url(url: &Url, strings: &impl Strings, problems: &mut Problems) -> Option<String> {
    let default = (url.as_str() == ALCHEMY_URL).then(|| ALCHEMY_NODE_URL.to_owned());
    let node_url = problems.optional(strings, "ALCHEMY_NODE_URL").or(default)?;
    if parse_plain_url(&node_url.replace("{network}", "network")).is_none() {
        problems.add("ALCHEMY_NODE_URL", "must be an http or https URL without user, query and fragment");
    }
    Some(node_url)
}

fn read_url(variable: &str, default: &str, strings: &impl Strings, problems: &mut Problems) -> Option<Url> {
    let url = parse_plain_url(&problems.text(strings, variable, default));
    if url.is_none() {
        problems.add(variable, "must be an http or https URL without user, query and fragment");
    }
    url
}

fn parse_plain_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    is_plain.then_some(url)
}

fn read_tracking(strings: &impl Strings, problems: &mut Problems) -> Tracking {
    let policy = problems.text(strings, "PORTFOLIO_TRACK", "platform");
    let list = problems.optional(strings, "PORTFOLIO_LIST").unwrap_or_default();
    Tracking::parse(&policy, &list).unwrap_or_else(|reason| {
        problems.add("PORTFOLIO_TRACK", reason);
        Tracking::Platform
    })
}

impl RequestRate {
    /// This rate, and one second's worth of requests at once after a rest.
    pub(crate) fn rate(self) -> Rate {
        let tokens = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Rate::per(Duration::from_secs(1000), tokens(self.per_1000s), tokens(self.per_1000s / 1000))
    }

    /// So many thousandths of this rate, one request at a time.
    pub(crate) fn slowed_to(self, thousandths: u32) -> Rate {
        let requests = u32::try_from(self.per_1000s).unwrap_or(u32::MAX);
        Rate::per(Duration::from_secs(1_000_000), requests.saturating_mul(thousandths), 1)
    }
}

impl FromStr for RequestRate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() > 4 || fraction.len() > 3 {
            return Err(InvalidRate);
        }
        let per_1000s = format!("{whole}{fraction:0<3}").parse().map_err(|_| InvalidRate)?;
        if (1..=1_000_000).contains(&per_1000s) { Ok(Self { per_1000s }) } else { Err(InvalidRate) }
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.per_1000s / 1000, self.per_1000s % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read(pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let strings: HashMap<String, String> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut problems = Problems::default();
        let settings = Settings::read(&strings, &mut problems);
        (settings, problems.finish().err().map(|error| error.0).unwrap_or_default())
    }

    #[test]
    fn rates_are_exact() {
        for (text, expected) in [("5", 5000), ("0.5", 500), ("0.001", 1), ("1000", 1_000_000), ("2.25", 2250)] {
            let rate: RequestRate = text.parse().unwrap();
            assert_eq!(rate.per_1000s, expected);
            assert_eq!(rate.to_string(), text);
        }
        for text in ["0", "", "-1", "1e3", "1001", "0.0001", ".5", "5."] {
            assert_eq!(text.parse::<RequestRate>(), Err(InvalidRate), "{text:?}");
        }
    }

    #[test]
    fn only_the_database_is_required() {
        let (settings, problems) = read(&[("DATABASE_URL", "sqlite:data")]);
        assert_eq!(problems, [] as [&str; 0]);
        assert!(matches!(settings.database, Database::Sqlite(_)));
        assert!(matches!(settings.providers[..], [ProviderSettings::Mock]));
        assert_eq!(settings.tracking, Tracking::Platform);
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let (_, problems) = read(&[
            ("DATABASE_URL", "mysql://x"),
            ("PORTFOLIO_PROVIDER", "moralis, zerion, alchemy"),
            ("MORALIS_URL", "ftp://x"),
            ("PORTFOLIO_TRACK", "top:0"),
            ("PORTFOLIO_RATE", "fast"),
            ("PORTFOLIO_DEBOUNCE_MS", "-1"),
            ("PORTFOLIO_QUEUE_MAX", "0"),
            ("HEALTH_ADDR", "here"),
        ]);
        assert_eq!(problems.len(), 10, "{problems:#?}");
    }

    #[test]
    fn a_key_is_never_printed() {
        let (settings, problems) = read(&[
            ("DATABASE_URL", "postgres://u:hush@h/d"),
            ("PORTFOLIO_PROVIDER", "alchemy,moralis"),
            ("MORALIS_API_KEY", "hush"),
            ("ALCHEMY_API_KEY", "hush"),
            ("ALCHEMY_RATE", "0.5"),
        ]);
        assert_eq!(problems, [] as [&str; 0]);
        let rates: Vec<u64> = settings
            .providers
            .iter()
            .map(|provider| match provider {
                ProviderSettings::Mock => 0,
                ProviderSettings::Moralis { rate, .. } | ProviderSettings::Alchemy { rate, .. } => rate.per_1000s,
            })
            .collect();
        assert_eq!(rates, [500, 5000], "in the order of their names, each with its own rate");
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
