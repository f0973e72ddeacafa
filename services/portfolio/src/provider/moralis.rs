//! Moralis: what a wallet holds, native included: page by page on EVM chains, in one response on Solana.
//!
//! **Invariant:** a snapshot is returned only when its last page was read; a row that cannot be told is left out and counted.

mod response;
mod solana;

use super::http::{http_client, send_request};
use super::pages::PageKeys;
use super::throttle::Throttle;
use super::{is_evm_address, is_solana_address};
use crate::names::ProviderNames;
use environment::Secret;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Url};
use response::TokenList;
use tape::Unavailable;

/// The provider `moralis`.
pub struct Moralis {
    client: Client,
    evm_url: Url,
    solana_url: Url,
    key: Secret,
    names: ProviderNames,
    throttle: Throttle,
}

const MORALIS: &str = "moralis";
const ASK_MORALIS: &str = "ask Moralis";
/// Begins the provider's name of a chain that is asked for at the Solana gateway, such as `solana/mainnet`.
const SOLANA_PREFIX: &str = "solana/";
const ROWS_PER_PAGE: &str = "100";

impl Moralis {
    /// A client of the API for EVM chains and of the one for Solana; paths are appended to both URLs.
    pub fn new(
        evm_url: Url,
        solana_url: Url,
        key: Secret,
        names: ProviderNames,
        throttle: Throttle,
    ) -> Result<Self, Unavailable> {
        let mut header = HeaderValue::from_str(key.expose())
            .map_err(|error| Unavailable::new("send MORALIS_API_KEY in a header", error))?;
        header.set_sensitive(true);
        let client = http_client([(HeaderName::from_static("x-api-key"), header)])?;
        Ok(Self { client, evm_url, solana_url, key, names, throttle })
    }

    async fn evm_snapshot(&self, wallet: &Wallet, chain: &str) -> Result<Snapshot, ProviderError> {
        if !is_evm_address(&wallet.address) {
            return Err(ProviderError::Rejected(format!("`{}` is not an EVM address", wallet.address)));
        }
        let mut list = TokenList::new(self.names.native_contracts(&wallet.chain));
        let mut pages = PageKeys::default();
        loop {
            let body = self.fetch(self.evm_page_url(&wallet.address, chain, pages.current())?).await?;
            match list.add_page(&body).map_err(ProviderError::Malformed)? {
                Some(next) => pages.advance_to(next)?,
                None => return Ok(list.into_snapshot()),
            }
        }
    }

    async fn solana_snapshot(&self, wallet: &Wallet, network: &str) -> Result<Snapshot, ProviderError> {
        if !is_solana_address(&wallet.address) {
            return Err(ProviderError::Rejected(format!("`{}` is not a Solana address", wallet.address)));
        }
        let body =
            self.fetch(append_path(&self.solana_url, &["account", network, &wallet.address, "portfolio"])?).await?;
        solana::parse_snapshot(&body, self.names.native_contracts(&wallet.chain)).map_err(ProviderError::Malformed)
    }

    fn evm_page_url(&self, address: &str, chain: &str, cursor: Option<&str>) -> Result<Url, ProviderError> {
        let mut url = append_path(&self.evm_url, &["wallets", address, "tokens"])?;
        url.query_pairs_mut().append_pair("chain", chain).append_pair("limit", ROWS_PER_PAGE);
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        Ok(url)
    }

    async fn fetch(&self, url: Url) -> Result<Vec<u8>, ProviderError> {
        send_request(ASK_MORALIS, self.client.get(url), &self.throttle, self.key.expose()).await
    }
}

impl Provider for Moralis {
    fn name(&self) -> &'static str {
        MORALIS
    }

    async fn snapshot(&self, wallet: &Wallet) -> Result<Snapshot, ProviderError> {
        let chain = self.names.name_of_chain(&wallet.chain, MORALIS);
        let chain = chain.ok_or_else(|| ProviderError::UnknownChain(wallet.chain.to_string()))?;
        match chain.strip_prefix(SOLANA_PREFIX) {
            Some(network) => self.solana_snapshot(wallet, network).await,
            None => self.evm_snapshot(wallet, &chain).await,
        }
    }
}

/// Appends segments to the path of a URL; each of them is escaped.
fn append_path(base: &Url, segments: &[&str]) -> Result<Url, ProviderError> {
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut path) => _ = path.pop_if_empty().extend(segments),
        Err(()) => return Err(ProviderError::Rejected("the URL of the API cannot have a path".to_owned())),
    }
    Ok(url)
}
