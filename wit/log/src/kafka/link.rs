//! What all clients of one cluster share while they are connected: how they authenticate, and what the brokers said last
//! when something failed.

use super::token::TokenSource;
use crate::settings::KafkaConnection;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long a reason explains a failure.
const MAX_AGE_OF_A_REASON: Duration = Duration::from_mins(1);

/// Shared by all clients of a cluster.
pub(super) struct BrokerLink {
    tokens: Option<TokenSource>,
    last_reason: Mutex<Option<(Instant, String)>>,
}

impl BrokerLink {
    pub(super) fn new(connection: &KafkaConnection) -> Self {
        let tokens = connection.oauth.clone().map(TokenSource::new);
        Self { tokens, last_reason: Mutex::default() }
    }

    /// A token for one client.
    pub(super) fn token(&self) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens =
            self.tokens.as_ref().ok_or("a broker wants a token, but KAFKA_SASL_MECHANISM is not OAUTHBEARER")?;
        Ok(tokens.token()?)
    }

    /// Gives a token to a client that nobody polls, where tokens are used. Blocks.
    pub(super) fn authorize<C: ClientContext>(&self, client: &Client<C>) -> Result<(), KafkaError> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let failed = |why: String| KafkaError::ClientCreation(why);
        let token = tokens.token().map_err(|why| failed(environment::with_causes(&why)))?;
        librdkafka_calls::set_oauth_token(client, &token.token, token.lifetime_ms, &token.principal_name)
            .map_err(failed)
    }

    /// Remembers why something failed: the error that a call returns then is often only that it took too long.
    pub(super) fn note_reason(&self, reason: &str) {
        *self.last_reason.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), reason.to_owned()));
    }

    /// An error with what was last said about the connection, where that explains it.
    pub(super) fn explained(&self, error: KafkaError) -> BrokerError {
        let last = self.last_reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let recent = last.filter(|(at, _)| at.elapsed() < MAX_AGE_OF_A_REASON && super::consumer::is_passing(&error));
        BrokerError { error, reason: recent.map(|(_, reason)| format!(" ({reason})")).unwrap_or_default() }
    }
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum RequestError {
    /// It failed.
    Failed(KafkaError),
    /// The brokers answered something that the sentence says.
    Answered(String),
}

impl From<KafkaError> for RequestError {
    fn from(error: KafkaError) -> Self {
        Self::Failed(error)
    }
}

/// What to grant where a right is missing.
pub(super) fn right_for(code: RDKafkaErrorCode, operation: &str) -> String {
    use RDKafkaErrorCode::{ClusterAuthorizationFailed, TopicAuthorizationFailed};
    match code {
        TopicAuthorizationFailed | ClusterAuthorizationFailed => {
            format!("; grant {operation} on it: the command `topics --print acls` says all that is needed")
        }
        _ => String::new(),
    }
}

/// Why a request to the brokers failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}{reason}")]
pub(super) struct BrokerError {
    error: KafkaError,
    reason: String,
}

/// What librdkafka calls back for clients without duties of their own.
#[derive(Clone)]
pub(super) struct BrokerContext {
    pub(super) link: Arc<BrokerLink>,
    /// Whether errors are logged here; where a poll returns them as well they are not.
    pub(super) logs_errors: bool,
}

impl ClientContext for BrokerContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        self.link.note_reason(reason);
        if self.logs_errors {
            tracing::warn!(event = "kafka.problem", %error, reason, "the connection to Kafka has a problem");
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.link.token()
    }
}

impl ConsumerContext for BrokerContext {}
