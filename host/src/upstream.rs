//! Fetch: sends a plugin's HTTP requests to a chain's endpoints, with retries, timeouts, size caps, rate limits and a
//! health of each endpoint.
//!
//! A plugin never sees an address or a key: its paths are appended to the address, and secrets are removed from the
//! responses.

mod body;
mod outgoing;
mod pause;
mod secrets;
mod zstd;

use crate::chainfile::{Limits, NodeAddress, NodeProxy};
use crate::plugin::{Budget, Reservation};
use body::BodyBuffer;
use environment::{Backoff, Rate, RateLimiter, with_causes};
use futures_util::{StreamExt, stream};
use outgoing::{checked_headers, checked_url};
use pause::Pause;
use rand::Rng;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use secrets::Secrets;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
/// The status of an endpoint that was asked too often.
const TOO_MANY_REQUESTS: u16 = 429;
/// Requests of one list that are under way at the same time.
const MAX_IN_FLIGHT: usize = 64;
/// Bytes that a request or a header takes beside its texts.
const ITEM_BYTES: usize = 128;
/// The id of the endpoint that is made next.
static NEXT_ENDPOINT_ID: AtomicU64 = AtomicU64::new(0);

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

impl Request {
    /// Bytes that it takes in memory.
    pub fn held_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + ITEM_BYTES).sum();
        ITEM_BYTES + self.path.len() + headers + self.body.as_ref().map_or(0, Vec::len)
    }
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

impl Response {
    /// Bytes that its headers take in memory.
    pub fn headers_bytes(&self) -> usize {
        self.headers.iter().map(|(name, value)| name.len() + value.len() + ITEM_BYTES).sum()
    }

    /// The response, if a budget has room for it.
    pub fn within(self, budget: &Budget) -> Result<Self, UpstreamError> {
        if budget.take(self.body.len() + self.headers_bytes()) {
            return Ok(self);
        }
        Err(budget.too_large())
    }
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
    /// Sends all at once; one answer per request, in order. Responses that the budget has no room for are too large.
    pub async fn send(&self, requests: Vec<Request>, budget: &Budget) -> Vec<Result<Response, UpstreamError>> {
        match self {
            Self::Node(endpoint) => endpoint.send(requests, budget).await,
            Self::Recorded(recorded) => {
                requests.iter().map(|request| recorded.answer(request)?.within(budget)).collect()
            }
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
    /// Another number than that of any endpoint before it in this process.
    pub id: u64,
    url: String,
    secrets: Secrets,
    /// What it wants to be told with each request.
    headers: HeaderMap,
    limits: Limits,
    client: reqwest::Client,
    /// The provider's limit by weight, where the chain file names one.
    limiter: Option<RateLimiter>,
    pause: Pause,
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
    pub fn all(nodes: &[NodeAddress], proxy: &NodeProxy, limits: &Limits) -> Result<Vec<Arc<Self>>, reqwest::Error> {
        environment::install_crypto();
        let builder = match proxy {
            NodeProxy::Environment => reqwest::Client::builder(),
            NodeProxy::Direct => reqwest::Client::builder().no_proxy(),
            NodeProxy::Through(proxy) => reqwest::Client::builder().proxy(reqwest::Proxy::all(proxy.expose())?),
        };
        let client = builder
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_millis(limits.answer_ms))
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()?;
        let endpoint = |(number, node): (usize, &NodeAddress)| {
            Arc::new(Self {
                number,
                id: NEXT_ENDPOINT_ID.fetch_add(1, Ordering::Relaxed),
                url: node.url.trim_end_matches('/').to_owned(),
                secrets: Secrets::in_address(&node.url).with(node.header_secrets()),
                headers: node.header_map(),
                limits: limits.clone(),
                client: client.clone(),
                limiter: (limits.weight_per_second > 0)
                    .then(|| RateLimiter::new(Rate::per_second(limits.weight_per_second, 1))),
                pause: Pause::default(),
                health: Mutex::default(),
            })
        };
        Ok(nodes.iter().enumerate().map(endpoint).collect())
    }

    /// Its name for people: host and port, without path and keys.
    pub fn name(&self) -> String {
        name_of(&self.url)
    }

    /// Sends all at once, within bounds; one answer per request, in order.
    pub async fn send(&self, requests: Vec<Request>, budget: &Budget) -> Vec<Result<Response, UpstreamError>> {
        let sent = requests.into_iter().map(|request| self.send_one(request, budget));
        stream::iter(sent).buffered(MAX_IN_FLIGHT).collect().await
    }

    #[tracing::instrument(name = "upstream.request.send", skip_all, fields(endpoint = self.number))]
    async fn send_one(&self, request: Request, budget: &Budget) -> Result<Response, UpstreamError> {
        let weight = request.weight.max(1);
        let call = self.prepare(request)?;
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut attempt = 1;
        loop {
            self.pause.pass().await;
            if let Some(limiter) = &self.limiter {
                limiter.wait_for(weight).await;
            }
            let started = Instant::now();
            let mut room = budget.reserve();
            let (why, wait, is_limited) = match self.try_once(&call, &mut room).await {
                Ok(response) if !is_temporary(response.status) => {
                    self.mark_healthy(started.elapsed());
                    room.keep();
                    return Ok(response);
                }
                Ok(response) => {
                    let why = format!("endpoint {} answers {}", self.number, response.status);
                    (why, retry_after(&response), response.status == TOO_MANY_REQUESTS)
                }
                Err(UpstreamError::Unreachable(why)) => (why, None, false),
                Err(final_error) => return Err(final_error),
            };
            let wait = wait.unwrap_or(Duration::ZERO).max(backoff.next());
            if is_limited {
                self.pause.begin(wait);
            }
            if attempt == MAX_ATTEMPTS {
                self.blame(&why);
                return Err(UpstreamError::Unreachable(why));
            }
            attempt += 1;
            tracing::debug!(event = "endpoint.retried", endpoint = self.number, attempt, %why, "asking the endpoint again");
            tokio::time::sleep(wait).await;
        }
    }

    /// The request as it goes out, its body shared by all attempts; or why it does not.
    fn prepare(&self, request: Request) -> Result<reqwest::Request, UpstreamError> {
        let mut headers = checked_headers(&request)?;
        // reqwest inflates gzip, this module zstd.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("zstd, gzip"));
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        let url = checked_url(&self.url, &request.path)?;
        let call = match request.body {
            Some(body) => self.client.post(url).body(body),
            None => self.client.get(url),
        };
        let refused =
            |e: reqwest::Error| UpstreamError::Refused(format!("no request: {}", with_causes(&e.without_url())));
        call.headers(headers).build().map_err(refused)
    }

    async fn try_once(&self, call: &reqwest::Request, room: &mut Reservation) -> Result<Response, UpstreamError> {
        let failed = |e: reqwest::Error| {
            UpstreamError::Unreachable(format!("endpoint {}: {}", self.number, with_causes(&e.without_url())))
        };
        let unrepeatable = || UpstreamError::Refused("a body that cannot be sent again".to_owned());
        let call = call.try_clone().ok_or_else(unrepeatable)?;
        let mut answer = self.client.execute(call).await.map_err(failed)?;
        let mut body = BodyBuffer::new(self.limits.answer_bytes, room);
        let announced = answer.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        body.make_room(announced)?;
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.push(&chunk)?;
        }
        let mut body = body.bytes;
        let mut headers = self.without_secrets(answer.headers());
        if answer.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding == "zstd") {
            let mut inflated = BodyBuffer::new(self.limits.answer_bytes, room);
            zstd::inflate(&body, &mut inflated).map_err(|error| match error {
                UpstreamError::Unreachable(why) => {
                    UpstreamError::Unreachable(format!("endpoint {}: {why}", self.number))
                }
                other => other,
            })?;
            body = inflated.bytes;
            headers.retain(|(name, _)| ![CONTENT_ENCODING.as_str(), CONTENT_LENGTH.as_str()].contains(&name.as_str()));
        }
        self.secrets.strike_from_body(&mut body);
        let response = Response { status: answer.status().as_u16(), headers, body };
        if room.grow(response.headers_bytes()) { Ok(response) } else { Err(room.too_large()) }
    }

    /// Headers as texts, without secrets.
    fn without_secrets(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), self.secrets.strike_from_text(value.to_str().unwrap_or_default()))
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
        tracing::warn!(event = "endpoint.avoided", endpoint = self.number, %why, "endpoint passed over for a while");
    }

    fn mark_healthy(&self, took: Duration) {
        let mut health = self.health();
        health.strikes = 0;
        health.passed_over_until = None;
        health.latency = Some(health.latency.map_or(took, |before| (before * 7 + took) / 8));
    }

    /// How often it has said that it was asked too often.
    pub fn times_limited(&self) -> u64 {
        self.pause.times()
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
