//! What Alchemy answers, checked row by row before any of it counts.
//!
//! Its reference says that `data` is a list; its answers say `data.tokens` and `data.pageKey`. Both are read.

use crate::provider::{decimals, is_evm_address, is_solana_address};
use portfolio_domain::wallet::clean_symbol;
use portfolio_domain::{Balance, Snapshot};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use tape::Raw;

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Listed(Vec<Row>),
    #[serde(rename_all = "camelCase")]
    Paged {
        tokens: Vec<Row>,
        #[serde(default)]
        page_key: Option<String>,
    },
}

/// What the wallet holds of one token. Prices and names are not even looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    address: String,
    network: String,
    /// None for the native asset.
    token_address: Option<String>,
    #[serde(default)]
    token_balance: Option<String>,
    #[serde(default)]
    token_metadata: Option<Metadata>,
    /// A row that Alchemy failed to fill.
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    symbol: Option<String>,
    #[serde(default)]
    decimals: Value,
}

/// The pages read so far.
pub(super) struct Reading<'a> {
    address: &'a str,
    network: &'a str,
    native: Option<String>,
    seen: HashMap<String, Raw>,
    snapshot: Snapshot,
}

impl<'a> Reading<'a> {
    /// Nothing read yet of this wallet; `native` is the contract that the native asset goes by.
    pub(super) fn new(address: &'a str, network: &'a str, native: Option<String>) -> Self {
        Self { address, network, native, seen: HashMap::new(), snapshot: Snapshot::default() }
    }

    /// Adds a page, or says what of it is not valid; the key of the next page, if there is one.
    pub(super) fn page(&mut self, body: &[u8]) -> Result<Option<String>, String> {
        let answer: Answer =
            serde_json::from_slice(body).map_err(|error| format!("it is not what is documented: {error}"))?;
        let (rows, next) = match answer.data {
            Data::Listed(rows) => (rows, None),
            Data::Paged { tokens, page_key } => (tokens, page_key),
        };
        for (at, row) in rows.into_iter().enumerate() {
            self.row(&format!("tokens[{at}]"), row)?;
        }
        Ok(next.filter(|key| !key.is_empty()))
    }

    pub(super) fn into_snapshot(self) -> Snapshot {
        self.snapshot
    }

    fn row(&mut self, place: &str, row: Row) -> Result<(), String> {
        if !row.address.eq_ignore_ascii_case(self.address) || row.network != self.network {
            return Err(format!("field `{place}` is of another wallet: {} on {}", row.address, row.network));
        }
        if let Some(error) = row.error.filter(|error| !error.is_null()) {
            return Err(format!("field `{place}` could not be told: {error}"));
        }
        let balance = row.token_balance.ok_or_else(|| format!("field `{place}.tokenBalance` must be given"))?;
        let raw = raw(&format!("{place}.tokenBalance"), &balance)?;
        let told = row.token_address.filter(|token| !token.is_empty());
        let asset = match &told {
            None => self.native.clone().unwrap_or_else(|| Balance::NATIVE.to_owned()),
            Some(token) if is_solana_address(token) => token.clone(),
            Some(token) if is_evm_address(&token.to_lowercase()) => token.to_lowercase(),
            Some(_) => return Err(format!("field `{place}.tokenAddress` must be an address")),
        };
        // The list may shift between two pages, and then brings a token again; only what it says twice alike counts.
        // Native and wrapped go by one name, and are no repetition of each other.
        let said = if told.is_some() { asset.clone() } else { String::new() };
        match self.seen.insert(said, raw) {
            None => {}
            Some(known) if known == raw => return Ok(()),
            Some(_) => return Err(format!("token {asset} has two balances; the list changed while it was read")),
        }
        // Alchemy lists every token the wallet ever held; what is gone is told by not being there.
        if raw == Raw::ZERO {
            return Ok(());
        }
        let metadata = row.token_metadata.unwrap_or_default();
        let symbol = metadata.symbol.as_deref().and_then(clean_symbol);
        let balance = Balance { asset, symbol, decimals: decimals(&metadata.decimals), raw, spam: false };
        self.snapshot.add(balance).map_err(|error| error.to_string())
    }
}

/// A balance in hexadecimal, as on EVM chains, or in decimal digits.
fn raw(field: &str, text: &str) -> Result<Raw, String> {
    let Some(hex) = text.strip_prefix("0x") else {
        return wire::check::raw(field, text).map_err(|error| error.to_string());
    };
    let wrong = || format!("field `{field}` must be a number of at most 256 bits");
    if hex.is_empty() || hex.len() > 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    Raw::from_str_radix(hex, 16).map_err(|_| wrong())
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

    fn read(rows: &[String], native: Option<&str>) -> Result<Vec<String>, String> {
        let mut reading = Reading::new(WALLET, "eth-mainnet", native.map(str::to_owned));
        reading.page(format!(r#"{{"data": {{"tokens": [{}], "pageKey": null}}}}"#, rows.join(",")).as_bytes())?;
        Ok(reading.into_snapshot().balances().map(|balance| format!("{} {}", balance.asset, balance.raw)).collect())
    }

    #[test]
    fn native_goes_by_its_wrapped_contract_and_adds_up_with_it() {
        let rows = [row("null", "0x5"), row(&format!("\"{TOKEN}\""), "0x0a")];
        let wrapped = TOKEN.to_lowercase();
        assert_eq!(read(&rows, Some(&wrapped)).unwrap(), [format!("{wrapped} 15")]);
        assert_eq!(read(&rows, None).unwrap(), [format!("{wrapped} 10"), "native 5".to_owned()]);
        assert_eq!(read(&[row("null", "0x0")], None).unwrap(), [] as [&str; 0], "nothing held is not there");
    }

    #[test]
    fn what_is_not_valid_names_its_field() {
        let token = format!("\"{TOKEN}\"");
        let other = row(&token, "0x1").replace("eth-mainnet", "base-mainnet");
        let ill = row(&token, "0x1").replace(r#""tokenBalance""#, r#""error": "no node", "tokenBalance""#);
        let cases = [
            (row(&token, "0x"), "tokens[0].tokenBalance"),
            (row(&token, &format!("0x1{}", "0".repeat(64))), "tokens[0].tokenBalance"),
            (row(&token, "-1"), "tokens[0].tokenBalance"),
            (row("\"0xa/../b\"", "0x1"), "tokens[0].tokenAddress"),
            (other, "another wallet"),
            (ill, "could not be told"),
            ("{}".to_owned(), "not what is documented"),
        ];
        for (json, named) in cases {
            let reason = read(std::slice::from_ref(&json), None).unwrap_err();
            assert!(reason.contains(named), "{json}: {reason}");
        }
        let twice = [row(&token, "0x1"), row(&token, "0x2")];
        assert!(read(&twice, None).unwrap_err().contains("two balances"));
    }
}
