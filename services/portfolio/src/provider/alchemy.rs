//! Alchemy: what a wallet holds on an EVM chain or Solana, native included, read page by page from its Portfolio API.
//!
//! **Invariant:** a snapshot is returned only when its last page was read and every row of it is valid.

mod answer;

use super::http::{ask, client};
use super::{is_evm_address, is_solana_address};
use crate::names::Names;
use answer::Reading;
use environment::{RateLimiter, Secret};
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use reqwest::{Client, Url};
use serde_json::json;
use std::collections::HashSet;
use tape::Unavailable;

/// Asks Alchemy.
pub struct Alchemy {
    client: Client,
    url: Url,
    key: Secret,
    names: Names,
    limit: RateLimiter,
}

const NAME: &str = "alchemy";
const ASKING: &str = "ask Alchemy";
/// More rows than the largest wallet worth showing; a key of a page that never ends stops here.
const MOST_PAGES: usize = 200;

impl Alchemy {
    /// A client of the API at `base`; the key becomes part of the path, as Alchemy wants it.
    pub fn new(base: &Url, key: Secret, names: Names, limit: RateLimiter) -> Result<Self, Unavailable> {
        let mut url = base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => _ = path.pop_if_empty().extend([key.expose(), "assets", "tokens", "by-address"]),
            Err(()) => return Err(Unavailable::new("set up the client of Alchemy", "ALCHEMY_URL takes no path")),
        }
        Ok(Self { client: client([])?, url, key, names, limit })
    }

    async fn page(&self, wallet: &Wallet, network: &str, page: Option<&str>) -> Result<Vec<u8>, ProviderError> {
        let mut question = json!({
            "addresses": [{ "address": &*wallet.address, "networks": [network] }],
            "withMetadata": true,
            "withPrices": false,
            "includeNativeTokens": true,
        });
        if let Some(page) = page {
            question["pageKey"] = page.into();
        }
        ask(ASKING, self.client.post(self.url.clone()).json(&question), &self.limit, self.key.expose()).await
    }
}

impl Provider for Alchemy {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn snapshot(&self, wallet: &Wallet) -> Result<Snapshot, ProviderError> {
        let network = self.names.of(&wallet.chain, NAME);
        let network = network.ok_or_else(|| ProviderError::UnknownChain(wallet.chain.to_string()))?;
        let solana = network.starts_with("solana-");
        if !(if solana { is_solana_address(&wallet.address) } else { is_evm_address(&wallet.address) }) {
            return Err(ProviderError::Rejected(format!("`{}` is no address on {network}", wallet.address)));
        }
        let native = self.names.wrapped_native(&wallet.chain);
        let mut reading = Reading::new(&wallet.address, &network, native);
        let (mut keys, mut key) = (HashSet::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let body = self.page(wallet, &network, key.as_deref()).await?;
            let Some(next) = reading.page(&body).map_err(ProviderError::Malformed)? else {
                return Ok(reading.into_snapshot());
            };
            if !keys.insert(next.clone()) {
                return Err(ProviderError::Malformed("a page leads back to one that was read".to_owned()));
            }
            key = Some(next);
        }
        Err(ProviderError::Malformed(format!("the list goes on after {MOST_PAGES} pages")))
    }
}
