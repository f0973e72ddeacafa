//! The responses of Alchemy; every row is checked before any of them counts.
//!
//! Alchemy's reference says that `data` is a list; its responses have `data.tokens` and `data.pageKey`. Both are read.

use crate::provider::assembly::SnapshotAssembly;
use crate::provider::{is_evm_address, is_solana_address, parse_decimals};
use portfolio_domain::wallet::clean_symbol;
use portfolio_domain::{Balance, Snapshot};
use serde::Deserialize;
use serde_json::Value;
use tape::Raw;

#[derive(Deserialize)]
struct TokensResponse {
    data: TokensData,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TokensData {
    List(Vec<TokenRow>),
    #[serde(rename_all = "camelCase")]
    Page {
        tokens: Vec<TokenRow>,
        #[serde(default)]
        page_key: Option<String>,
    },
}

/// What the wallet holds of one token. Fields that we do not use, such as prices, are not checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenRow {
    address: String,
    network: String,
    /// None for the native asset.
    token_address: Option<String>,
    #[serde(default)]
    token_balance: Option<String>,
    #[serde(default)]
    token_metadata: Option<TokenMetadata>,
    /// Set in a row that Alchemy failed to fill.
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
struct TokenMetadata {
    #[serde(default)]
    symbol: Option<String>,
    #[serde(default)]
    decimals: Value,
}

/// The pages read so far.
pub(super) struct TokenList<'a> {
    address: &'a str,
    network: &'a str,
    assembly: SnapshotAssembly,
}

impl<'a> TokenList<'a> {
    /// An empty list of this wallet. `wrapped_native` is the contract whose address the native asset has, where the
    /// chain names one.
    pub(super) fn new(address: &'a str, network: &'a str, wrapped_native: Option<String>) -> Self {
        Self { address, network, assembly: SnapshotAssembly::new(wrapped_native) }
    }

    /// Adds the rows of a page, or names the row that is not valid. Returns the key of the next page, if there is one.
    pub(super) fn add_page(&mut self, body: &[u8]) -> Result<Option<String>, String> {
        let response: TokensResponse =
            serde_json::from_slice(body).map_err(|error| format!("it is not what is documented: {error}"))?;
        let (rows, next) = match response.data {
            TokensData::List(rows) => (rows, None),
            TokensData::Page { tokens, page_key } => (tokens, page_key),
        };
        for (at, row) in rows.into_iter().enumerate() {
            self.add_row(&format!("tokens[{at}]"), row)?;
        }
        Ok(next.filter(|key| !key.is_empty()))
    }

    /// The snapshot, once the last page is added.
    pub(super) fn into_snapshot(self) -> Snapshot {
        self.assembly.into_snapshot()
    }

    fn add_row(&mut self, place: &str, row: TokenRow) -> Result<(), String> {
        if !row.address.eq_ignore_ascii_case(self.address) || row.network != self.network {
            return Err(format!("field `{place}` belongs to another wallet: {} on {}", row.address, row.network));
        }
        if let Some(error) = row.error.filter(|error| !error.is_null()) {
            return Err(format!("Alchemy could not fill field `{place}`: {error}"));
        }
        let balance = row.token_balance.ok_or_else(|| format!("field `{place}.tokenBalance` must be given"))?;
        let raw = parse_balance(&format!("{place}.tokenBalance"), &balance)?;
        let token_address = row.token_address.filter(|token| !token.is_empty());
        let asset = match &token_address {
            None => self.assembly.native_asset(),
            Some(token) if is_solana_address(token) => token.clone(),
            Some(token) if is_evm_address(&token.to_lowercase()) => token.to_lowercase(),
            Some(_) => return Err(format!("field `{place}.tokenAddress` must be an address")),
        };
        // Native and wrapped may be one asset, but a row of the one does not repeat a row of the other.
        let token = if token_address.is_some() { &asset } else { NATIVE_TOKEN };
        // Alchemy lists every token that the wallet ever held, those of which it holds none any more included.
        if self.assembly.is_repeated(token, raw)? || raw == Raw::ZERO {
            return Ok(());
        }
        let metadata = row.token_metadata.unwrap_or_default();
        let symbol = metadata.symbol.as_deref().and_then(clean_symbol);
        self.assembly.add(Balance { asset, symbol, decimals: parse_decimals(&metadata.decimals), raw, spam: false })
    }
}

/// Stands for the native asset, whose row has no token address.
const NATIVE_TOKEN: &str = "native";

/// Parses a balance in hexadecimal, as on EVM chains, or in decimal digits.
fn parse_balance(field: &str, text: &str) -> Result<Raw, String> {
    let Some(hex) = text.strip_prefix("0x") else {
        return wire::check::raw(field, text).map_err(|error| error.to_string());
    };
    let invalid = || format!("field `{field}` must be a number of at most 256 bits");
    if hex.is_empty() || hex.len() > 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(invalid());
    }
    Raw::from_str_radix(hex, 16).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALLET: &str = "0x9e9fbde7c7a83c43913bddc8779158f1368f0413";
    const TOKEN: &str = "0x00000000000000000000000000000000000000aA";

    fn row(token: &str, balance: &str) -> String {
        format!(
            r#"{{"address": "{WALLET}", "network": "eth-mainnet", "tokenAddress": {token}, "tokenBalance": "{balance}"}}"#
        )
    }

    fn read_list(rows: &[String], wrapped_native: Option<&str>) -> Result<Vec<String>, String> {
        let mut list = TokenList::new(WALLET, "eth-mainnet", wrapped_native.map(str::to_owned));
        list.add_page(format!(r#"{{"data": {{"tokens": [{}], "pageKey": null}}}}"#, rows.join(",")).as_bytes())?;
        Ok(list.into_snapshot().balances().map(|balance| format!("{} {}", balance.asset, balance.raw)).collect())
    }

    #[test]
    fn native_has_the_wrapped_address_and_adds_up_with_it() {
        let rows = [row("null", "0x5"), row(&format!("\"{TOKEN}\""), "0x0a")];
        let wrapped = TOKEN.to_lowercase();
        assert_eq!(read_list(&rows, Some(&wrapped)).unwrap(), [format!("{wrapped} 15")]);
        assert_eq!(read_list(&rows, None).unwrap(), [format!("{wrapped} 10"), "native 5".to_owned()]);
        assert_eq!(read_list(&[row("null", "0x0")], None).unwrap(), [] as [&str; 0], "a balance of zero is left out");
    }

    #[test]
    fn an_invalid_row_is_refused_with_the_name_of_its_field() {
        let token = format!("\"{TOKEN}\"");
        let other = row(&token, "0x1").replace("eth-mainnet", "base-mainnet");
        let failed = row(&token, "0x1").replace(r#""tokenBalance""#, r#""error": "no node", "tokenBalance""#);
        let cases = [
            (row(&token, "0x"), "tokens[0].tokenBalance"),
            (row(&token, &format!("0x1{}", "0".repeat(64))), "tokens[0].tokenBalance"),
            (row(&token, "-1"), "tokens[0].tokenBalance"),
            (row("\"0xa/../b\"", "0x1"), "tokens[0].tokenAddress"),
            (other, "another wallet"),
            (failed, "could not fill"),
            ("{}".to_owned(), "not what is documented"),
        ];
        for (json, named) in cases {
            let reason = read_list(std::slice::from_ref(&json), None).unwrap_err();
            assert!(reason.contains(named), "{json}: {reason}");
        }
        let twice = [row(&token, "0x1"), row(&token, "0x2")];
        assert!(read_list(&twice, None).unwrap_err().contains("two balances"));
    }
}
