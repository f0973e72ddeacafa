//! Moralis: what a wallet holds, native included: page by page on EVM chains, at once on Solana.
//!
//! **Invariant:** a snapshot is returned only when its last page was read and every row of it is valid.

mod answer;
mod solana;

use super::http::{ask, client};
use super::is_evm_address;
use crate::names::Names;
use answer::Page;
use environment::{RateLimiter, Secret};
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Url};
use std::collections::HashSet;
use tape::Unavailable;

/// Asks Moralis.
pub struct Moralis {
    client: Client,
    base: Url,
    solana: Url,
    key: Secret,
    names: Names,
    limit: RateLimiter,
}

const NAME: &str = "moralis";
const ASKING: &str = "ask Moralis";
/// Before the network of a chain that is asked for at the Solana gateway: `solana/mainnet`.
const SOLANA: &str = "solana/";
const PAGE_SIZE: &str = "100";
/// More rows than the largest wallet worth showing; a cursor that never ends stops here.
const MOST_PAGES: usize = 200;

impl Moralis {
    /// A client of the APIs at `base` (EVM) and `solana`, whose paths are appended to them.
    pub fn new(base: Url, solana: Url, key: Secret, names: Names, limit: RateLimiter) -> Result<Self, Unavailable> {
        let mut secret = HeaderValue::from_str(key.expose())
            .map_err(|error| Unavailable::new("send MORALIS_API_KEY in a header", error))?;
        secret.set_sensitive(true);
        let client = client([(HeaderName::from_static("x-api-key"), secret)])?;
        Ok(Self { client, base, solana, key, names, limit })
    }

    async fn page(&self, address: &str, chain: &str, cursor: Option<&str>) -> Result<Page, ProviderError> {
        let body = self.get(self.url(address, chain, cursor)?).await?;
        answer::page(&body).map_err(ProviderError::Malformed)
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, ProviderError> {
        ask(ASKING, self.client.get(url), &self.limit, self.key.expose()).await
    }

    async fn of_solana(&self, wallet: &Wallet, network: &str) -> Result<Snapshot, ProviderError> {
        if !solana::is_address(&wallet.address) {
            return Err(ProviderError::Rejected(format!("`{}` is no Solana address", wallet.address)));
        }
        let url = under(&self.solana, &["account", network, &wallet.address, "portfolio"])?;
        let body = self.get(url).await?;
        solana::snapshot(&body, self.names.wrapped_native(&wallet.chain)).map_err(ProviderError::Malformed)
    }

    fn url(&self, address: &str, chain: &str, cursor: Option<&str>) -> Result<Url, ProviderError> {
        let mut url = under(&self.base, &["wallets", address, "tokens"])?;
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
        if let Some(network) = chain.strip_prefix(SOLANA) {
            return self.of_solana(wallet, network).await;
        }
        if !is_evm_address(&wallet.address) {
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

/// A path below an address; what is put into it is escaped.
fn under(base: &Url, parts: &[&str]) -> Result<Url, ProviderError> {
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut path) => _ = path.pop_if_empty().extend(parts),
        Err(()) => return Err(ProviderError::Rejected("the address of the API takes no path".to_owned())),
    }
    Ok(url)
}
