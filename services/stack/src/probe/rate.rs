//! How often a node may be asked: what it says of that, else what a handful of requests shows. It is never pressed for more.

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use std::fmt;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Requests that are sent at most, so many at a time.
const MAX_REQUESTS: usize = 20;
const REQUESTS_AT_ONCE: usize = 4;
/// How long they may take in all.
const MAX_TIME: Duration = Duration::from_secs(2);

/// What is known of how often a node may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// It says so in its answers: so many requests in so many seconds, where it names a time.
    Named { requests: u64, seconds: Option<u64> },
    /// It answered so many, and then refused.
    Refused { after: usize },
    /// It answered all that it was asked.
    Answered { requests: usize, took: Duration },
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { requests, seconds: Some(1) } => write!(f, "{requests} req/s by its own word"),
            Self::Named { requests, seconds: Some(seconds) } => {
                write!(f, "{requests} requests in {seconds} s by its own word")
            }
            Self::Named { requests, seconds: None } => {
                write!(f, "a limit of {requests} requests by its own word, in a time that it does not name")
            }
            Self::Refused { after } => write!(f, "refused (429) after {after} requests in a row"),
            Self::Answered { requests, took } => {
                write!(f, "answered {requests} requests in {:.1} s; it names no limit", took.as_secs_f64())
            }
        }
    }
}

/// Sends a few small requests, and fewer where an answer says what is allowed; none where the node does not answer.
pub(super) async fn rate_of(request: impl Fn() -> RequestBuilder) -> Option<Rate> {
    let (begun, mut answered) = (Instant::now(), 0);
    // The first one alone: its answer may be all that there is to know.
    let mut at_once = 1;
    while answered < MAX_REQUESTS && begun.elapsed() < MAX_TIME {
        let mut sent = JoinSet::new();
        for _ in 0..at_once.min(MAX_REQUESTS - answered) {
            sent.spawn(request().send());
        }
        for answer in sent.join_all().await {
            let answer = answer.ok()?;
            if let Some(named) = named_in(answer.headers()) {
                return Some(named);
            }
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                return Some(Rate::Refused { after: answered });
            }
            answered += 1;
        }
        at_once = REQUESTS_AT_ONCE;
    }
    (answered > 0).then(|| Rate::Answered { requests: answered, took: begun.elapsed() })
}

/// The limit in the headers of an answer: those of the IETF's draft in its forms, and those of gateways.
fn named_in(headers: &HeaderMap) -> Option<Rate> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let gateways = [("x-ratelimit-limit-second", 1), ("x-ratelimit-limit-minute", 60)];
    let of_gateway = gateways.into_iter().find_map(|(name, seconds)| {
        Some(Rate::Named { requests: text(name)?.trim().parse().ok()?, seconds: Some(seconds) })
    });
    let names = ["ratelimit-policy", "x-ratelimit-policy", "ratelimit-limit", "x-ratelimit-limit"];
    of_gateway.or_else(|| names.into_iter().find_map(|name| policy(text(name)?)))
}

/// The limit in `100;w=60`, in `"default";q=100;w=60`, or in `100`; of several the first.
fn policy(text: &str) -> Option<Rate> {
    // `100, 100;w=60` is the limit, then the policy that it comes from.
    let policies = || text.split(',').map(str::trim);
    let first = policies().find(|policy| policy.contains("w=")).or_else(|| policies().next())?;
    let parameter = |name: &str| first.split(';').find_map(|it| it.trim().strip_prefix(name)?.parse().ok());
    let requests = parameter("q=").or_else(|| first.split(';').next()?.trim().parse().ok())?;
    (requests > 0).then(|| Rate::Named { requests, seconds: parameter("w=").filter(|seconds| *seconds > 0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    #[test]
    fn a_limit_is_read_in_every_form_that_nodes_use() {
        let named = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            named_in(&headers).map(|rate| rate.to_string())
        };
        let per_second = Some("25 req/s by its own word".to_owned());
        for (name, value) in [
            ("x-ratelimit-limit-second", "25"),
            ("ratelimit-policy", "25;w=1"),
            ("ratelimit-policy", "\"burst\";q=25;w=1, \"day\";q=100000;w=86400"),
            ("ratelimit-limit", "25, 25;w=1"),
        ] {
            assert_eq!(named(name, value), per_second, "{name}: {value}");
        }
        assert_eq!(named("ratelimit-policy", "100;w=60").unwrap(), "100 requests in 60 s by its own word");
        assert!(named("x-ratelimit-limit", "300").unwrap().contains("300 requests by its own word, in a time"));
        for (name, value) in [("x-ratelimit-limit", "many"), ("x-ratelimit-limit", "0"), ("retry-after", "1")] {
            assert_eq!(named(name, value), None, "{name}: {value}");
        }
    }
}
