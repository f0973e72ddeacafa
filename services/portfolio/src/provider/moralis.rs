//! Moralis: what an EVM wallet holds, native included, read page by page.
//!
//! **Invariant:** a snapshot is returned only when its last page was read and every row of it is valid.

mod answer;
mod refusal;

use super::Limit;
use crate::names::Names;
use answer::Page;
use environment::Secret;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use refusal::Refusal;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use std::collections::HashSet;
use std::time::Duration;
use tape::Unavailable;

/// Asks Moralis.
pub struct Moralis {
    client: Client,
    base: Url,
    key: Secret,
    names: Names,
    limit: Limit,
}

const NAME: &str = "moralis";
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(20);
const PAGE_SIZE: &str = "100";
/// More rows than the largest wallet worth showing; a cursor that never ends stops here.
const MOST_PAGES: usize = 200;
const MOST_BYTES: usize = 8 * 1024 * 1024;

impl Moralis {
    /// A client of the API at `base`, whose paths are appended to it.
    pub fn new(base: Url, key: Secret, names: Names, limit: Limit) -> Result<Self, Unavailable> {
        environment::install_crypto();
        let mut secret = HeaderValue::from_str(key.expose())
            .map_err(|error| Unavailable::new("send MORALIS_API_KEY in a header", error))?;
        secret.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (reqwest::header::HeaderName::from_static("x-api-key"), secret),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        // A redirect would carry the key to another host.
        let client = Client::builder().default_headers(headers).redirect(Policy::none());
        let client = client.connect_timeout(CONNECT).timeout(ANSWER).build();
        let client = client.map_err(|error| Unavailable::new("set up the client of Moralis", error))?;
        Ok(Self { client, base, key, names, limit })
    }

    async fn page(&self, address: &str, chain: &str, cursor: Option<&str>) -> Result<Page, ProviderError> {
        let url = self.url(address, chain, cursor)?;
        self.limit.pass().await;
        let response = self.client.get(url).send().await.map_err(|error| unreachable("ask Moralis", error))?;
        let status = response.status();
        let refusal = Refusal::of(&response, environment::now_ms());
        let body = body(response).await?;
        if let Some(refusal) = refusal {
            let error = refusal.into_error(&body, self.key.expose());
            if let ProviderError::Limited { after_ms: Some(after) } = &error {
                self.limit.pause(Duration::from_millis(*after));
            }
            return Err(error);
        }
        answer::page(&body).map_err(|reason| ProviderError::Malformed(format!("{reason} (status {status})")))
    }

    fn url(&self, address: &str, chain: &str, cursor: Option<&str>) -> Result<Url, ProviderError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => _ = path.pop_if_empty().extend(["wallets", address, "tokens"]),
            Err(()) => return Err(ProviderError::Rejected("the address of the API takes no path".to_owned())),
        }
        url.query_pairs_mut().append_pair("chain", chain).append_pair("limit", PAGE_SIZE);
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        Ok(url)
    }
}

impl Provider for Moralis {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn snapshot(&self, wallet: &Wallet) -> Result<Snapshot, ProviderError> {
        let chain = self.names.of(&wallet.chain, NAME);
        let chain = chain.ok_or_else(|| ProviderError::UnknownChain(wallet.chain.to_string()))?;
        if !answer::is_address(&wallet.address) {
            return Err(ProviderError::Rejected(format!("`{}` is no EVM address", wallet.address)));
        }
        let native = self.names.wrapped_native(&wallet.chain);
        let mut reading = answer::Reading::new(native);
        let mut cursors = HashSet::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(&wallet.address, &chain, cursor.as_deref()).await?;
            reading.add(page.rows).map_err(ProviderError::Malformed)?;
            let Some(next) = page.cursor else { return Ok(reading.snapshot) };
            if !cursors.insert(next.clone()) {
                return Err(ProviderError::Malformed("a page leads back to one that was read".to_owned()));
            }
            cursor = Some(next);
        }
        Err(ProviderError::Malformed(format!("the list goes on after {MOST_PAGES} pages")))
    }
}

/// The body, as far as it is worth reading.
async fn body(mut response: Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable("read the answer of Moralis", error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(ProviderError::Malformed(format!("it is longer than {MOST_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn unreachable(doing: &str, error: reqwest::Error) -> ProviderError {
    Unavailable::new(doing, error.without_url()).into()
}
