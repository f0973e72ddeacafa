//! Tokens for SASL/OAUTHBEARER: asked for with client credentials (RFC 6749, 4.4), and kept while they are fresh.

use crate::settings::OauthSettings;
use rdkafka::client::OAuthToken;
use reqwest::blocking::Client;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the server may take to issue a token.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A token is used again until this part of its life is left: librdkafka asks for the next one when a fifth is left.
const MIN_LIFE_LEFT: f64 = 0.25;
/// Longest part of a refusal that is shown, characters.
const MAX_SHOWN_REFUSAL: usize = 300;

/// Where tokens come from.
pub(super) struct TokenSource {
    settings: OauthSettings,
    last: Mutex<Option<IssuedToken>>,
}

#[derive(Clone)]
struct IssuedToken {
    text: String,
    issued_ms: u64,
    expires_ms: u64,
}

/// What a server answers that issues a token.
#[derive(serde::Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: u64,
}

/// Why there is no token. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("read the certificate authorities of KAFKA_OAUTH_CA_LOCATION")]
    Authorities(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("ask for a token at {url}")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("get a token at {url}: it answers {status}: {body}")]
    Refused { url: String, status: u16, body: String },
    #[error("get a token at {url}: its answer has no `access_token` and `expires_in` (seconds)")]
    Malformed { url: String, source: serde_json::Error },
}

impl TokenSource {
    pub(super) fn new(settings: OauthSettings) -> Self {
        environment::install_crypto();
        Self { settings, last: Mutex::default() }
    }

    /// The last token while enough of its life is left, else a new one. Blocks; clients that start together ask once.
    pub(super) fn token(&self) -> Result<OAuthToken, TokenError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = environment::now_ms();
        let fresh = match last.as_ref().filter(|token| token.life_left(now) > MIN_LIFE_LEFT) {
            Some(token) => token.clone(),
            None => last.insert(self.request(now)?).clone(),
        };
        Ok(OAuthToken {
            token: fresh.text,
            principal_name: self.settings.client_id.clone(),
            lifetime_ms: fresh.expires_ms.cast_signed(),
        })
    }

    fn request(&self, now: u64) -> Result<IssuedToken, TokenError> {
        let url = || self.settings.token_url.clone();
        let unreachable = |source: reqwest::Error| TokenError::Unreachable { url: url(), source: source.without_url() };
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.settings.scope.as_deref().map(|scope| ("scope", scope)));
        let request = self.client()?.post(&self.settings.token_url).form(&form);
        let secret = self.settings.client_secret.expose();
        let response = request.basic_auth(&self.settings.client_id, Some(secret)).send().map_err(unreachable)?;
        let (status, body) = (response.status(), response.text().map_err(unreachable)?);
        if !status.is_success() {
            let body = body.chars().take(MAX_SHOWN_REFUSAL).collect();
            return Err(TokenError::Refused { url: url(), status: status.as_u16(), body });
        }
        let issued: TokenResponse =
            serde_json::from_str(&body).map_err(|source| TokenError::Malformed { url: url(), source })?;
        let expires_ms = now.saturating_add(issued.expires_in.saturating_mul(1_000));
        Ok(IssuedToken { text: issued.access_token, issued_ms: now, expires_ms })
    }

    fn client(&self) -> Result<Client, TokenError> {
        let unreadable = |why: Box<dyn std::error::Error + Send + Sync>| TokenError::Authorities(why);
        let mut builder = Client::builder().timeout(TOKEN_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &self.settings.ca {
            let pem = std::fs::read(path).map_err(|why| unreadable(why.into()))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|why| unreadable(why.into()))?;
            builder = builder.tls_certs_merge(authorities);
        }
        builder.build().map_err(|source| TokenError::Unreachable { url: self.settings.token_url.clone(), source })
    }
}

impl IssuedToken {
    /// Which part of its life is left, from 1 to 0.
    fn life_left(&self, now: u64) -> f64 {
        let milliseconds = |from: u64, to: u64| Duration::from_millis(to.saturating_sub(from)).as_secs_f64();
        let life = milliseconds(self.issued_ms, self.expires_ms);
        if life > 0.0 { milliseconds(now, self.expires_ms) / life } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use environment::Secret;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    /// Answers one request after another with these bodies; returns what was asked.
    fn server(answers: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let serve = move || {
            let answer = |(status, body): (u16, &'static str)| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = String::new();
                while !request.contains("\r\n\r\n") || !request.contains("grant_type") {
                    let mut bytes = [0; 4096];
                    let read = stream.read(&mut bytes).unwrap();
                    assert!(read > 0, "{request}");
                    request.push_str(&String::from_utf8_lossy(&bytes[..read]));
                }
                let head =
                    format!("HTTP/1.1 {status} OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
                request
            };
            answers.into_iter().map(answer).collect()
        };
        (url, std::thread::spawn(serve))
    }

    fn source(token_url: String) -> TokenSource {
        TokenSource::new(OauthSettings {
            token_url,
            client_id: "metrics".to_owned(),
            client_secret: Secret::new("hush"),
            scope: Some("kafka read".to_owned()),
            ca: None,
        })
    }

    #[test]
    fn a_token_is_asked_for_once_and_used_while_it_is_fresh() {
        let (url, asked) = server(vec![(200, r#"{"access_token":"t1","expires_in":3600,"token_type":"bearer"}"#)]);
        let source = source(url);
        let (first, second) = (source.token().unwrap(), source.token().unwrap());
        assert_eq!(
            (first.token.as_str(), second.token.as_str(), first.principal_name.as_str()),
            ("t1", "t1", "metrics")
        );
        assert!(first.lifetime_ms > environment::now_ms().cast_signed() + 3_500_000);
        let request = asked.join().unwrap().remove(0);
        assert!(request.starts_with("POST /token HTTP/1.1\r\n"), "{request}");
        // `metrics:hush`, in base 64.
        assert!(request.contains("uthorization: Basic bWV0cmljczpodXNo"), "{request}");
        assert!(request.ends_with("grant_type=client_credentials&scope=kafka+read"), "{request}");
    }

    #[test]
    fn a_token_that_is_nearly_over_is_replaced() {
        let answers = [r#"{"access_token":"t1","expires_in":0}"#, r#"{"access_token":"t2","expires_in":60}"#];
        let (url, asked) = server(answers.map(|body| (200, body)).to_vec());
        let source = source(url);
        assert_eq!(source.token().unwrap().token, "t1");
        assert_eq!(source.token().unwrap().token, "t2");
        assert_eq!(asked.join().unwrap().len(), 2);
        let token = IssuedToken { text: String::new(), issued_ms: 1_000, expires_ms: 2_000 };
        assert!(token.life_left(1_700) > MIN_LIFE_LEFT && token.life_left(1_800) < MIN_LIFE_LEFT);
    }

    #[test]
    fn a_refusal_is_shown_and_no_secret_in_it() {
        let answers = vec![(401, r#"{"error":"invalid_client"}"#), (200, r#"{"access_token":"t"}"#)];
        let (url, asked) = server(answers);
        let source = source(url);
        let refused = environment::with_causes(&source.token().err().unwrap());
        assert!(refused.contains("answers 401") && refused.contains("invalid_client"), "{refused}");
        let malformed = environment::with_causes(&source.token().err().unwrap());
        assert!(malformed.contains("expires_in"), "{malformed}");
        asked.join().unwrap();
        let unreachable = environment::with_causes(&source.token().err().unwrap());
        assert!(unreachable.contains("ask for a token at http://127.0.0.1"), "{unreachable}");
        assert!(![refused, malformed, unreachable].concat().contains("hush"));
    }
}
