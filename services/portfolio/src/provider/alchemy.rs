//! Alchemy: what a wallet holds on an EVM chain or Solana, native included, read page by page from its Portfolio API.
//!
//! **Invariant:** a snapshot is returned only when its last page was read; a row that cannot be told is left out and counted.

mod response;

use super::http::{http_client, send_request};
use super::pages::PageKeys;
use super::throttle::Throttle;
use super::{is_evm_address, is_solana_address};
use crate::names::ProviderNames;
use environment::Secret;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use reqwest::{Client, Url};
use response::TokenList;
use serde_json::json;
use std::error::Error;
use tape::Unavailable;

/// The provider `alchemy`.
pub struct Alchemy {
    client: Client,
    url: Url,
    /// Where the head of a network is asked for; `{network}` stands for its name.
    node_url: Option<String>,
    key: Secret,
    names: ProviderNames,
    throttle: Throttle,
}

const ALCHEMY: &str = "alchemy";
const ASK_ALCHEMY: &str = "ask Alchemy";

impl Alchemy {
    /// A client of the API at `base`; the key becomes part of the path, as Alchemy requires.
    /// Where `node_url` is given, the head of a network is asked for before a wallet's balances, which name no height.
    pub fn new(
        base: &Url,
        node_url: Option<String>,
        key: Secret,
        names: ProviderNames,
        throttle: Throttle,
    ) -> Result<Self, Unavailable> {
        let mut url = base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => _ = path.pop_if_empty().extend([key.expose(), "assets", "tokens", "by-address"]),
            Err(()) => {
                return Err(Unavailable::new("set up the HTTP client of Alchemy", "ALCHEMY_URL cannot have a path"));
            }
        }
        Ok(Self { client: http_client([])?, url, node_url, key, names, throttle })
    }

    /// The provider's head of a network; none where it tells none, so that balances are of an unknown height.
    async fn fetch_head(&self, network: &str, is_solana: bool) -> Result<Option<u64>, ProviderError> {
        let Some(node_url) = &self.node_url else { return Ok(None) };
        let url = format!("{}/{}", node_url.replace("{network}", network).trim_end_matches('/'), self.key.expose());
        let method = if is_solana { "getSlot" } else { "eth_blockNumber" };
        let request = self.client.post(url).json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}));
        match send_request(ASK_ALCHEMY, request, &self.throttle, self.key.expose()).await {
            Ok(body) => Ok(response::parse_head(&body)),
            Err(limited @ ProviderError::Limited { .. }) => Err(limited),
            Err(error) => {
                tracing::debug!(
                    event = "balances.without-height",
                    network,
                    error = &error as &(dyn Error + 'static),
                    "balances of an unknown height"
                );
                Ok(None)
            }
        }
    }

    async fn fetch_page(&self, wallet: &Wallet, network: &str, page: Option<&str>) -> Result<Vec<u8>, ProviderError> {
        let mut query = json!({
            "addresses": [{ "address": &*wallet.address, "networks": [network] }],
            "withMetadata": true,
            "withPrices": true,
            "includeNativeTokens": true,
        });
        if let Some(page) = page {
            query["pageKey"] = page.into();
        }
        let request = self.client.post(self.url.clone()).json(&query);
        send_request(ASK_ALCHEMY, request, &self.throttle, self.key.expose()).await
    }
}

impl Provider for Alchemy {
    fn name(&self) -> &'static str {
        ALCHEMY
    }

    async fn snapshot(&self, wallet: &Wallet) -> Result<Snapshot, ProviderError> {
        let network = self.names.name_of_chain(&wallet.chain, ALCHEMY);
        let network = network.ok_or_else(|| ProviderError::UnknownChain(wallet.chain.to_string()))?;
        let is_solana = network.starts_with("solana-");
        if !(if is_solana { is_solana_address(&wallet.address) } else { is_evm_address(&wallet.address) }) {
            return Err(ProviderError::Rejected(format!("`{}` is not an address of {network}", wallet.address)));
        }
        let contracts = self.names.native_contracts(&wallet.chain);
        let head = self.fetch_head(&network, is_solana).await?;
        let mut list = TokenList::new(&wallet.address, &network, head, contracts);
        let mut pages = PageKeys::default();
        loop {
            let body = self.fetch_page(wallet, &network, pages.current()).await?;
            match list.add_page(&body).map_err(ProviderError::Malformed)? {
                Some(next) => pages.advance_to(next)?,
                None => return Ok(list.into_snapshot()),
            }
        }
    }
}
