//! What Moralis answers, checked row by row before any of it counts.

use crate::provider::{decimals, is_evm_address};
use portfolio_domain::wallet::clean_symbol;
use portfolio_domain::{Balance, Snapshot};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use tape::Raw;

/// One page: some rows, and where the next are.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    #[serde(rename = "result")]
    pub(super) rows: Vec<Row>,
    /// None or empty on the last page.
    #[serde(default)]
    pub(super) cursor: Option<String>,
}

/// What the wallet holds of one token. Fields that we do not use, prices and the like, are not even looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    token_address: String,
    balance: String,
    #[serde(default)]
    symbol: Option<String>,
    #[serde(default)]
    decimals: Value,
    #[serde(default)]
    possible_spam: Option<bool>,
    #[serde(default)]
    native_token: Option<bool>,
}

/// Reads one answer: an object with a cursor or, from older endpoints, the whole list at once.
pub(super) fn page(body: &[u8]) -> Result<Page, String> {
    let list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let page = if list {
        serde_json::from_slice(body).map(|rows| Page { rows, cursor: None })
    } else {
        serde_json::from_slice::<Page>(body)
    };
    let mut page = page.map_err(|error| format!("it is not what is documented: {error}"))?;
    page.cursor = page.cursor.filter(|cursor| !cursor.is_empty());
    Ok(page)
}

/// The pages read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) snapshot: Snapshot,
    seen: HashMap<String, Raw>,
    native: Option<String>,
}

/// How Moralis writes the native asset.
const NATIVE: &str = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

impl Reading {
    /// Nothing read yet; `native` is the contract that the native asset goes by.
    pub(super) fn new(native: Option<String>) -> Self {
        Self { native, ..Self::default() }
    }

    /// Adds a page's rows, or says which of them is not valid.
    pub(super) fn add(&mut self, rows: Vec<Row>) -> Result<(), String> {
        for (at, row) in rows.into_iter().enumerate() {
            self.row(&format!("result[{at}]"), &row)?;
        }
        Ok(())
    }

    fn row(&mut self, place: &str, row: &Row) -> Result<(), String> {
        let token = row.token_address.to_lowercase();
        if !is_evm_address(&token) {
            return Err(format!("field `{place}.token_address` must be an address"));
        }
        let raw = wire::check::raw(&format!("{place}.balance"), &row.balance).map_err(|error| error.to_string())?;
        // The list may shift between two pages, and then brings a token again; only what it says twice alike counts.
        match self.seen.insert(token.clone(), raw) {
            None => {}
            Some(known) if known == raw => return Ok(()),
            Some(_) => return Err(format!("token {token} has two balances; the list changed while it was read")),
        }
        let asset = if row.native_token == Some(true) || token == NATIVE {
            self.native.clone().unwrap_or_else(|| Balance::NATIVE.to_owned())
        } else {
            token
        };
        let symbol = row.symbol.as_deref().and_then(clean_symbol);
        let spam = row.possible_spam.unwrap_or(false);
        let balance = Balance { asset, symbol, decimals: decimals(&row.decimals), raw, spam };
        self.snapshot.add(balance).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0x00000000000000000000000000000000000000aA";

    fn read(json: &str, native: Option<&str>) -> Result<Vec<(String, String, bool)>, String> {
        let mut reading = Reading::new(native.map(str::to_owned));
        reading.add(page(json.as_bytes())?.rows)?;
        let row = |balance: &Balance| (balance.asset.clone(), balance.raw.to_string(), balance.spam);
        Ok(reading.snapshot.balances().map(row).collect())
    }

    #[test]
    fn native_goes_by_its_wrapped_contract_and_adds_up_with_it() {
        let json = format!(
            r#"{{"cursor": null, "page": 0, "result": [
                {{"token_address": "{NATIVE}", "balance": "5", "native_token": true, "total_supply": null}},
                {{"token_address": "{A}", "balance": "2", "possible_spam": false, "usd_price": null}}]}}"#
        );
        let wrapped = A.to_lowercase();
        assert_eq!(read(&json, Some(&wrapped)).unwrap(), [(wrapped.clone(), "7".to_owned(), false)]);
        let apart = [(wrapped, "2".to_owned(), false), ("native".to_owned(), "5".to_owned(), false)];
        assert_eq!(read(&json, None).unwrap(), apart);
    }

    #[test]
    fn what_is_not_valid_names_its_field() {
        let row = |fields: &str| format!(r#"{{"result": [{{{fields}}}]}}"#);
        let cases = [
            (row(&format!(r#""token_address": "{A}", "balance": "-1""#)), "result[0].balance"),
            (row(&format!(r#""token_address": "{A}", "balance": "1.5""#)), "result[0].balance"),
            (row(&format!(r#""token_address": "{A}", "balance": 5"#)), "invalid type"),
            (row(&format!(r#""token_address": "{A}""#)), "balance"),
            (row(r#""token_address": "0xa/../b", "balance": "1""#), "result[0].token_address"),
            (r#"{"message": "fine"}"#.to_owned(), "result"),
            (r#"{"result": [{"tok"#.to_owned(), "EOF"),
            ("<html>".to_owned(), "not what is documented"),
        ];
        for (json, named) in cases {
            let reason = read(&json, None).unwrap_err();
            assert!(reason.contains(named), "{json}: {reason}");
        }
    }

    #[test]
    fn a_token_said_twice_must_be_said_alike() {
        let twice = |second: &str| {
            format!(
                r#"[{{"token_address": "{A}", "balance": "1"}}, {{"token_address": "{A}", "balance": "{second}"}}]"#
            )
        };
        assert_eq!(read(&twice("1"), None).unwrap().len(), 1);
        assert!(read(&twice("2"), None).unwrap_err().contains("two balances"));
    }
}
