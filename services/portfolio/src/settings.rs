//! What portfolio reads from its environment.

use environment::{Problems, RateLimiter, Secret, Strings};
use portfolio_domain::Tracking;
use portfolio_domain::app::Rules;
use reqwest::Url;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// All that portfolio is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What keeps its rows.
    pub database: Database,
    /// Who tells balances, in the order in which they are asked.
    pub providers: Vec<Choice>,
    /// Whose wallets are tracked.
    pub tracking: Tracking,
    /// How wallets wait and are refreshed.
    pub rules: Rules,
    /// Where health is answered.
    pub health: Option<SocketAddr>,
}

/// What keeps portfolio's rows.
#[derive(Clone, Debug)]
pub enum Database {
    /// A server; the URL holds a password.
    Postgres(Secret),
    /// `portfolio.db` in this directory.
    Sqlite(PathBuf),
}

/// Who tells balances.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Nobody: balances are invented from what a wallet traded.
    Mock,
    /// Moralis.
    Moralis {
        /// What admits us.
        key: Secret,
        /// Where its API for EVM chains is.
        url: Url,
        /// Where its API for Solana is.
        solana: Url,
        /// How often it may be asked.
        rate: Rate,
    },
    /// Alchemy.
    Alchemy {
        /// What admits us.
        key: Secret,
        /// Where its API is.
        url: Url,
        /// How often it may be asked.
        rate: Rate,
    },
}

/// Requests a second, exact to a thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests in 1,000 seconds.
    pub per_1000s: u64,
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a number from 0.001 to 1000, such as 5 or 0.5")]
pub struct NotRate;

const MORALIS_URL: &str = "https://deep-index.moralis.io/api/v2.2";
const MORALIS_SOLANA_URL: &str = "https://solana-gateway.moralis.io";
const ALCHEMY_URL: &str = "https://api.g.alchemy.com/data/v1";

impl Settings {
    /// Reads portfolio's variables; whatever is wrong with them is a problem.
    pub fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        let url = problems.required(strings, "DATABASE_URL");
        let database = Database::parse(&url).unwrap_or_else(|| {
            if !url.is_empty() {
                problems.add("DATABASE_URL", "must be `postgres://…` or `sqlite:DIRECTORY`");
            }
            Database::Sqlite(PathBuf::new())
        });
        let providers = providers(strings, problems);
        let tracking = tracking(strings, problems);
        let rules = Rules {
            debounce_ms: problems.parsed(strings, "PORTFOLIO_DEBOUNCE_MS", 2000),
            queue_max: problems.parsed(strings, "PORTFOLIO_QUEUE_MAX", 100_000),
            ..Self::rules()
        };
        if rules.queue_max == 0 {
            problems.add("PORTFOLIO_QUEUE_MAX", "is 0, but must leave room for at least one wallet");
        }
        let health = problems.parsed_optional(strings, "HEALTH_ADDR");
        Self { database, providers, tracking, rules, health }
    }

    /// What is not worth a variable.
    pub fn rules() -> Rules {
        Rules {
            debounce_ms: 2000,
            queue_max: 100_000,
            lease_ms: 120_000,
            attempts_max: 8,
            first_retry_ms: 2000,
            most_retry_ms: 300_000,
        }
    }
}

impl Database {
    /// `postgres://…` or `sqlite:DIRECTORY`.
    pub fn parse(url: &str) -> Option<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(Secret::new(url)));
        }
        let directory = url.strip_prefix("sqlite:").filter(|directory| !directory.is_empty())?;
        Some(Self::Sqlite(directory.into()))
    }
}

/// `PORTFOLIO_PROVIDER` names one or several, separated by commas; the first is asked first.
fn providers(strings: &impl Strings, problems: &mut Problems) -> Vec<Choice> {
    let rate = problems.parsed(strings, "PORTFOLIO_RATE", Rate { per_1000s: 5000 });
    let named = problems.text(strings, "PORTFOLIO_PROVIDER", "mock");
    let mut names: Vec<&str> = named.split(',').map(str::trim).collect();
    names.dedup();
    names.iter().filter_map(|name| provider(name, rate, strings, problems)).collect()
}

fn provider(name: &str, rate: Rate, strings: &impl Strings, problems: &mut Problems) -> Option<Choice> {
    match name {
        "mock" => Some(Choice::Mock),
        "moralis" => {
            let key = key("MORALIS_API_KEY", name, strings, problems);
            let url = url("MORALIS_URL", MORALIS_URL, strings, problems)?;
            let solana = self::url("MORALIS_SOLANA_URL", MORALIS_SOLANA_URL, strings, problems)?;
            Some(Choice::Moralis { key, url, solana, rate: problems.parsed(strings, "MORALIS_RATE", rate) })
        }
        "alchemy" => {
            let key = key("ALCHEMY_API_KEY", name, strings, problems);
            let url = url("ALCHEMY_URL", ALCHEMY_URL, strings, problems)?;
            Some(Choice::Alchemy { key, url, rate: problems.parsed(strings, "ALCHEMY_RATE", rate) })
        }
        other => {
            let rule = format!("names `{other}`, but must be mock, moralis or alchemy, or several separated by commas");
            problems.add("PORTFOLIO_PROVIDER", rule);
            None
        }
    }
}

fn key(variable: &str, provider: &str, strings: &impl Strings, problems: &mut Problems) -> Secret {
    let key = problems.secret(strings, variable).unwrap_or_else(|| {
        problems.add(variable, format!("is not set, but PORTFOLIO_PROVIDER names `{provider}`"));
        Secret::new("")
    });
    // A key is printable ASCII; anything else could not be sent.
    if !key.expose().bytes().all(|b| b.is_ascii_graphic()) {
        problems.add(variable, "holds what cannot be part of a key, such as a line break");
    }
    key
}

fn url(variable: &str, usual: &str, strings: &impl Strings, problems: &mut Problems) -> Option<Url> {
    let url = plain_url(&problems.text(strings, variable, usual));
    if url.is_none() {
        problems.add(variable, "must be an http or https URL without user, query and fragment");
    }
    url
}

fn plain_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

fn tracking(strings: &impl Strings, problems: &mut Problems) -> Tracking {
    let policy = problems.text(strings, "PORTFOLIO_TRACK", "platform");
    let list = problems.optional(strings, "PORTFOLIO_LIST").unwrap_or_default();
    Tracking::parse(&policy, &list).unwrap_or_else(|reason| {
        problems.add("PORTFOLIO_TRACK", reason);
        Tracking::Platform
    })
}

impl Rate {
    /// What lets requests through at this rate, and one second's worth of them at once after a rest.
    pub(crate) fn limiter(self) -> RateLimiter {
        let tokens = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let rate =
            environment::Rate::per(Duration::from_secs(1000), tokens(self.per_1000s), tokens(self.per_1000s / 1000));
        RateLimiter::new(rate)
    }
}

impl FromStr for Rate {
    type Err = NotRate;

    fn from_str(text: &str) -> Result<Self, NotRate> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() > 4 || fraction.len() > 3 {
            return Err(NotRate);
        }
        let per_1000s = format!("{whole}{fraction:0<3}").parse().map_err(|_| NotRate)?;
        if (1..=1_000_000).contains(&per_1000s) { Ok(Self { per_1000s }) } else { Err(NotRate) }
    }
}

impl fmt::Display for Rate {
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
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.per_1000s, expected);
            assert_eq!(rate.to_string(), text);
        }
        for text in ["0", "", "-1", "1e3", "1001", "0.0001", ".5", "5."] {
            assert_eq!(text.parse::<Rate>(), Err(NotRate), "{text:?}");
        }
    }

    #[test]
    fn the_least_is_a_database() {
        let (settings, problems) = read(&[("DATABASE_URL", "sqlite:data")]);
        assert_eq!(problems, [] as [&str; 0]);
        assert!(matches!(settings.database, Database::Sqlite(_)));
        assert!(matches!(settings.providers[..], [Choice::Mock]));
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
            .map(|choice| match choice {
                Choice::Mock => 0,
                Choice::Moralis { rate, .. } | Choice::Alchemy { rate, .. } => rate.per_1000s,
            })
            .collect();
        assert_eq!(rates, [500, 5000], "asked in the order named, each in its own pace");
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
