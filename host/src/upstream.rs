//! Fetch: sends a plugin's HTTP requests to a chain's endpoints, with retries, timeouts, size caps, rate limits and a
//! health of each endpoint.
//!
//! A plugin never sees an address or a key: its paths are appended to the address, and secrets are removed from the
//! responses.

use crate::chainfile::Limits;
use environment::{Backoff, Rate, RateLimiter, with_causes};
use futures_util::future::join_all;
use rand::Rng;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Attempts at one request, the first included.
const MAX_ATTEMPTS: u32 = 4;
/// How long an endpoint is passed over after its first failure.
const MIN_PASSED_OVER: Duration = Duration::from_secs(2);
/// How long an endpoint is passed over at most.
const MAX_PASSED_OVER: Duration = Duration::from_mins(2);
/// Longest wait that an endpoint may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);
/// Labels of a host name from this length on may be keys, and are not shown.
const MIN_KEY_LABEL_BYTES: usize = 24;
/// Headers that only the host sets.
const HOST_HEADERS: [&str; 6] =
    ["host", "authorization", "content-length", "transfer-encoding", "connection", "user-agent"];

/// One request of a plugin.
#[derive(Clone, Debug)]
pub struct Request {
    /// Appended to the endpoint's address.
    pub path: String,
    /// Sent along.
    pub headers: Vec<(String, String)>,
    /// POST with these bytes, or GET when none.
    pub body: Option<Vec<u8>>,
    /// What it costs the provider.
    pub weight: u32,
}

/// One complete response.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The complete body.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No complete response, after all attempts.
    #[error("{0}")]
    Unreachable(String),
    /// Larger than the cap, bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
    /// The request breaks a rule.
    #[error("{0}")]
    Refused(String),
}

/// Where the requests of one call go.
#[derive(Clone)]
pub enum Upstream {
    /// To a node.
    Node(Arc<Endpoint>),
    /// To recorded answers, without a network: for benchmarks and replays.
    Recorded(Arc<Recorded>),
}

impl Upstream {
    /// Sends all at once; one answer per request, in order.
    pub async fn send(&self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        match self {
            Self::Node(endpoint) => endpoint.send(requests).await,
            Self::Recorded(recorded) => requests.iter().map(|request| recorded.answer(request)).collect(),
        }
    }
}

/// AnswerSource by path and body.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    answers: HashMap<(String, Option<Vec<u8>>), Vec<u8>>,
}

impl Recorded {
    /// Adds the body that answers a request with status 200.
    pub fn insert(&mut self, path: &str, body: Option<Vec<u8>>, answer: Vec<u8>) {
        self.answers.insert((path.to_owned(), body), answer);
    }

    fn answer(&self, request: &Request) -> Result<Response, UpstreamError> {
        let found = self.answers.get(&(request.path.clone(), request.body.clone()));
        let body = found.ok_or_else(|| UpstreamError::Refused("nothing was recorded for this request".to_owned()))?;
        Ok(Response { status: 200, headers: vec![], body: body.clone() })
    }
}

/// One address of a chain.
pub struct Endpoint {
    /// Number in the chain file, for the log: addresses hold keys.
    pub number: usize,
    url: String,
    secrets: Vec<String>,
    limits: Limits,
    client: reqwest::Client,
    /// The provider's limit by weight, where the chain file names one.
    limiter: Option<RateLimiter>,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    strikes: u32,
    passed_over_until: Option<Instant>,
    latency: Option<Duration>,
}

impl Endpoint {
    /// The endpoints of a chain file.
    pub fn all(urls: &[String], limits: &Limits) -> Result<Vec<Arc<Self>>, reqwest::Error> {
        environment::install_crypto();
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_millis(limits.answer_ms))
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()?;
        let endpoint = |(number, url): (usize, &String)| {
            Arc::new(Self {
                number,
                url: url.trim_end_matches('/').to_owned(),
                secrets: secrets_in(url),
                limits: limits.clone(),
                client: client.clone(),
                limiter: (limits.weight_per_second > 0)
                    .then(|| RateLimiter::new(Rate::per_second(limits.weight_per_second, 1))),
                health: Mutex::default(),
            })
        };
        Ok(urls.iter().enumerate().map(endpoint).collect())
    }

    /// Its name for people: host and port, without path and keys.
    pub fn name(&self) -> String {
        name_of(&self.url)
    }

    /// Sends all at once; one answer per request, in order.
    pub async fn send(&self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        join_all(requests.into_iter().map(|request| self.send_one(request))).await
    }

    #[tracing::instrument(name = "upstream.request.send", skip_all, fields(endpoint = self.number))]
    async fn send_one(&self, request: Request) -> Result<Response, UpstreamError> {
        let headers = checked_headers(&request)?;
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut attempt = 1;
        loop {
            if let Some(limiter) = &self.limiter {
                limiter.wait_for(request.weight.max(1)).await;
            }
            let started = Instant::now();
            let (why, wait) = match self.try_once(&request, headers.clone()).await {
                Ok(response) if !is_temporary(response.status) => {
                    self.mark_healthy(started.elapsed());
                    return Ok(response);
                }
                Ok(response) => {
                    (format!("endpoint {} answers {}", self.number, response.status), retry_after(&response))
                }
                Err(UpstreamError::Unreachable(why)) => (why, None),
                Err(final_error) => return Err(final_error),
            };
            if attempt == MAX_ATTEMPTS {
                self.blame(&why);
                return Err(UpstreamError::Unreachable(why));
            }
            attempt += 1;
            tracing::debug!(endpoint = self.number, attempt, %why, "asking the endpoint again");
            tokio::time::sleep(wait.unwrap_or(Duration::ZERO).max(backoff.next())).await;
        }
    }

    async fn try_once(&self, request: &Request, headers: HeaderMap) -> Result<Response, UpstreamError> {
        let url = format!("{}{}", self.url, request.path);
        let call = match &request.body {
            Some(body) => self.client.post(url).body(body.clone()),
            None => self.client.get(url),
        };
        let failed = |e: reqwest::Error| {
            UpstreamError::Unreachable(format!("endpoint {}: {}", self.number, with_causes(&e.without_url())))
        };
        let mut answer = call.headers(headers).send().await.map_err(failed)?;
        let cap = self.limits.answer_bytes;
        let announced = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        if announced > cap {
            return Err(UpstreamError::TooLarge(cap as u64));
        }
        let mut body = Vec::with_capacity(announced);
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > cap {
                return Err(UpstreamError::TooLarge(cap as u64));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: answer.status().as_u16(), headers: self.without_secrets(answer.headers()), body })
    }

    /// Headers as texts, without secrets.
    fn without_secrets(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            let mut value = value.to_str().unwrap_or_default().to_owned();
            for secret in &self.secrets {
                value = value.replace(secret, "***");
            }
            (name.as_str().to_owned(), value)
        };
        headers.iter().map(text).collect()
    }

    /// Passes the endpoint over for a while, longer with each failure in a row.
    pub fn blame(&self, why: &str) {
        let mut health = self.health();
        health.strikes += 1;
        let rest = MIN_PASSED_OVER.saturating_mul(1 << health.strikes.min(6)).min(MAX_PASSED_OVER) / 2;
        let jitter = rand::rng().random_range(0.5..1.0);
        health.passed_over_until = Some(Instant::now() + rest.mul_f64(jitter));
        drop(health);
        tracing::warn!(endpoint = self.number, %why, "endpoint passed over for a while");
    }

    fn mark_healthy(&self, took: Duration) {
        let mut health = self.health();
        health.strikes = 0;
        health.passed_over_until = None;
        health.latency = Some(health.latency.map_or(took, |before| (before * 7 + took) / 8));
    }

    /// Whether it is passed over now, and how fast it usually responds; a smaller rank is better.
    pub fn rank(&self) -> (bool, Duration, usize) {
        let health = self.health();
        let passed_over = health.passed_over_until.is_some_and(|until| until > Instant::now());
        (passed_over, health.latency.unwrap_or(Duration::ZERO), self.number)
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The headers of a request, unless it contains what a plugin may not send.
fn checked_headers(request: &Request) -> Result<HeaderMap, UpstreamError> {
    let refused = |why: String| Err(UpstreamError::Refused(why));
    let path = &request.path;
    if !(path.is_empty() || path.starts_with('/') || path.starts_with('?')) || path.contains("..") {
        return refused(format!("path `{path}` must be empty or start with / or ?, without `..`"));
    }
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return refused("path holds characters that are not printable ASCII".to_owned());
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        if HOST_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return refused(format!("header `{name}` is the host's own"));
        }
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return refused(format!("header `{name}` is not a valid header"));
        };
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Parts of an address that are treated as secrets: user info, long path segments, the query.
fn secrets_in(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = before_query.split_once('@').map_or("", |(user, _)| user);
    let segments = before_query.split('/').skip(1).filter(|segment| segment.len() >= 16);
    segments.chain([user, query]).filter(|secret| !secret.is_empty()).map(str::to_owned).collect()
}

/// Host and port of an address, for people: without path, query and user, and without a label so long that it may be a
/// key.
fn name_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let label = |label: &'_ str| if label.len() < MIN_KEY_LABEL_BYTES { label.to_owned() } else { "***".to_owned() };
    host.split('.').map(label).collect::<Vec<_>>().join(".")
}

fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let (_, value) = response.headers.iter().find(|(name, _)| *name == RETRY_AFTER.as_str())?;
    Some(Duration::from_secs(value.trim().parse().ok()?).min(MAX_RETRY_AFTER))
}
