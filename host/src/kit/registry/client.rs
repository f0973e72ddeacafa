//! The part of the OCI distribution protocol that a component needs: ask for, pull and push a manifest and its blobs, with the two
//! ways of logging in that registries have.

use super::location::{Location, is_loopback};
use crate::digest::digest_of;
use anyhow::{Context, anyhow, bail, ensure};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use std::time::Duration;

/// What a manifest is, and what else may stand in its place.
pub(super) const MANIFEST_MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// How long a registry may take to be reached, and between two parts of what it sends.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a manifest, as the specification bounds them.
const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// Characters of an answer that is shown to people.
const MAX_SHOWN_CHARACTERS: usize = 300;

/// A repository of a registry.
pub(super) struct Repository {
    http: Client,
    location: Location,
    base: String,
    login: Option<Login>,
    /// What the registry gave for the login.
    token: Option<Token>,
}

struct Login {
    user: String,
    password: String,
}

/// What every request carries once the registry has asked for it.
#[derive(Clone)]
enum Token {
    Bearer(String),
    Basic,
}

/// What a registry asks for before it answers.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Repository {
    /// The repository of a place; who asks is what `docker login` left.
    pub(super) fn at(location: &Location) -> anyhow::Result<Self> {
        let http = Client::builder().connect_timeout(REGISTRY_TIMEOUT).read_timeout(REGISTRY_TIMEOUT);
        // A digest is of the bytes as they are.
        let http = http.no_gzip();
        let http = if location.is_loopback() { http.no_proxy() } else { http };
        let http = http.build().context("make an HTTP client")?;
        let login = login_at(&location.registry)?;
        Ok(Self { http, location: location.clone(), base: location.base_url(), login, token: None })
    }

    /// The manifest; none where the registry has none.
    pub(super) async fn manifest(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let url = format!("{}/manifests/{}", self.base, self.location.manifest());
        let accepted = format!("{MANIFEST_MEDIA_TYPE}, {INDEX_MEDIA_TYPE}");
        let answer = self.ask(Method::GET, &url, |request| request.header(ACCEPT, &accepted)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let bytes = read(self.succeeded(answer).await?, MAX_MANIFEST_BYTES).await.context("read the manifest")?;
        if let Some(wanted) = &self.location.digest {
            check_digest(&bytes, wanted).context("read the manifest")?;
        }
        Ok(Some(bytes))
    }

    /// A blob, which has the digest that it is asked for by.
    pub(super) async fn blob(&mut self, digest: &str, most: u64) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}/blobs/{digest}", self.base);
        let answer = self.ask(Method::GET, &url, |request| request).await?;
        let bytes = read(self.succeeded(answer).await?, most).await.context("read the component")?;
        check_digest(&bytes, digest).context("read the component")?;
        Ok(bytes)
    }

    /// Pushes a blob, unless it is there.
    pub(super) async fn push_blob(&mut self, bytes: &[u8], digest: &str) -> anyhow::Result<()> {
        let there = self.ask(Method::HEAD, &format!("{}/blobs/{digest}", self.base), |request| request).await?;
        if there.status().is_success() {
            return Ok(());
        }
        let uploads = format!("{}/blobs/uploads/", self.base);
        let begun = self.ask(Method::POST, &uploads, |request| request.body("")).await?;
        let begun = self.succeeded(begun).await?;
        let location = begun.headers().get(LOCATION).and_then(|it| it.to_str().ok());
        let location = location.context("push a blob: the registry does not say where to")?;
        let mut upload = Url::parse(&uploads)?.join(location).context("push a blob: read where to")?;
        ensure!(
            upload.scheme() == "https" || upload.host_str().is_some_and(is_loopback),
            "push a blob: the registry asks for it without encryption"
        );
        upload.query_pairs_mut().append_pair("digest", digest);
        let body = bytes.to_vec();
        let kind = "application/octet-stream";
        let put = |request: RequestBuilder| request.header(CONTENT_TYPE, kind).body(body.clone());
        let pushed = self.ask(Method::PUT, upload.as_str(), put).await?;
        self.succeeded(pushed).await.map(drop)
    }

    /// Pushes a manifest under the tag; its digest.
    pub(super) async fn push_manifest(&mut self, bytes: &[u8]) -> anyhow::Result<String> {
        let url = format!("{}/manifests/{}", self.base, self.location.manifest());
        let body = bytes.to_vec();
        let put = |request: RequestBuilder| request.header(CONTENT_TYPE, MANIFEST_MEDIA_TYPE).body(body.clone());
        let pushed = self.ask(Method::PUT, &url, put).await?;
        self.succeeded(pushed).await?;
        Ok(digest_of(bytes))
    }

    /// Sends a request; once more with what the registry wants to know, where it asks.
    async fn ask(
        &mut self,
        method: Method,
        url: &str,
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Response> {
        let answer = self.send(fill(self.http.request(method.clone(), url))).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let mut asked = answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|it| it.to_str().ok());
        let Some(challenge) = asked.find_map(challenge) else { return Ok(answer) };
        self.log_in(challenge).await?;
        self.send(fill(self.http.request(method, url))).await
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let request = match (&self.token, &self.login) {
            (Some(Token::Bearer(token)), _) => request.bearer_auth(token),
            (Some(Token::Basic), Some(login)) => request.basic_auth(&login.user, Some(&login.password)),
            _ => request,
        };
        // An address of the registry's own may hold a token.
        let sent = request.send().await.map_err(reqwest::Error::without_url);
        sent.with_context(|| format!("reach the registry {}", self.location.registry))
    }

    async fn log_in(&mut self, challenge: Challenge) -> anyhow::Result<()> {
        let Challenge::Bearer { realm, service, scope } = challenge else {
            self.token = Some(Token::Basic);
            return Ok(());
        };
        let mut url = Url::parse(&realm).with_context(|| format!("log in: read the address {realm}"))?;
        ensure!(
            url.scheme() == "https" || url.host_str().is_some_and(is_loopback),
            "log in: {} asks for it without encryption, at {realm}",
            self.location.registry
        );
        let asked = [("service", service), ("scope", scope)];
        let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url.query_pairs_mut().extend_pairs(asked);
        let request = self.http.get(url);
        let request = match &self.login {
            Some(login) => request.basic_auth(&login.user, Some(&login.password)),
            None => request,
        };
        let answer = request.send().await.map_err(reqwest::Error::without_url).context("log in")?;
        let answer: TokenAnswer = self.succeeded(answer).await?.json().await.context("log in: read the token")?;
        let token = answer.token.or(answer.access_token).context("log in: the registry gives no token")?;
        self.token = Some(Token::Bearer(token));
        Ok(())
    }

    /// An error that says what the registry said, unless it did what it was asked.
    async fn succeeded(&self, answer: Response) -> anyhow::Result<Response> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let said = read(answer, MAX_MANIFEST_BYTES).await.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).trim().chars().take(MAX_SHOWN_CHARACTERS).collect();
        let registry = &self.location.registry;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
                "be let in by {registry}: {status} {said}; `docker login {registry}` lets this user in, if it may"
            ),
            StatusCode::NOT_FOUND => {
                bail!("find it at {registry}: {status} {said}; see whether name and version are right")
            }
            _ => bail!("be served by {registry}: {status} {said}"),
        }
    }
}

/// Reads an answer of no more than so many bytes.
async fn read(mut answer: Response, most: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![];
    while let Some(more) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        bytes.extend_from_slice(&more);
        ensure!(bytes.len() as u64 <= most, "the registry sends more than {most} bytes");
    }
    Ok(bytes)
}

fn check_digest(bytes: &[u8], wanted: &str) -> anyhow::Result<()> {
    let found = digest_of(bytes);
    ensure!(found == wanted, "it has the digest {found}, and {wanted} was asked for: it was damaged or replaced");
    Ok(())
}

/// What a registry asks for in `WWW-Authenticate`.
fn challenge(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    // The values are quoted, and a scope has commas within.
    let value = |name: &str| {
        let from = rest.find(&format!("{name}=\""))? + name.len() + 2;
        rest[from..].split('"').next().map(str::to_owned)
    };
    Some(Challenge::Bearer { realm: value("realm")?, service: value("service"), scope: value("scope") })
}

/// What `docker login` left for a registry.
fn login_at(registry: &str) -> anyhow::Result<Option<Login>> {
    let key = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
    match docker_credential::get_credential(key) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Login { user, password })),
        Ok(DockerCredential::IdentityToken(_)) => bail!(
            "log in at {registry}: Docker's configuration holds an identity token, which is not read here; log in with a \
             password or an access token"
        ),
        Err(CredentialRetrievalError::ConfigNotFound | CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(error) => Err(anyhow!("{error}")).with_context(|| format!("read what `docker login {registry}` left")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_asks_for_is_read() {
        assert_eq!(challenge("Basic realm=\"mine\""), Some(Challenge::Basic));
        let bearer = challenge("Bearer realm=\"https://a/token\",service=\"r\",scope=\"repository:me/a:pull,push\"");
        let (realm, service) = ("https://a/token".to_owned(), Some("r".to_owned()));
        let scope = Some("repository:me/a:pull,push".to_owned());
        assert_eq!(bearer, Some(Challenge::Bearer { realm, service, scope }));
        assert_eq!(challenge("Bearer scope=\"x\""), None, "nowhere to ask");
        assert_eq!(challenge("Negotiate"), None);
    }

    #[test]
    fn what_is_not_what_was_asked_for_is_refused() {
        let digest = digest_of(b"component");
        assert!(check_digest(b"component", &digest).is_ok());
        assert!(check_digest(b"another", &digest).unwrap_err().to_string().contains("damaged or replaced"));
    }
}
