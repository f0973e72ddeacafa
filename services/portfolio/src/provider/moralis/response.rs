//! The responses of Moralis for EVM chains; every row is checked before any of them counts.

use crate::provider::assembly::SnapshotAssembly;
use crate::provider::{is_evm_address, parse_decimals};
use portfolio_domain::wallet::clean_symbol;
use portfolio_domain::{Balance, Snapshot};
use serde::Deserialize;
use serde_json::Value;

/// One page of the list.
#[derive(Debug, Deserialize)]
pub(super) struct TokenPage {
    #[serde(rename = "result")]
    rows: Vec<TokenRow>,
    /// The key of the next page; none or empty on the last one.
    #[serde(default)]
    pub(super) cursor: Option<String>,
}

/// What the wallet holds of one token. Fields that we do not use, such as prices, are not checked.
#[derive(Debug, Deserialize)]
struct TokenRow {
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

/// Parses a response: an object with a cursor or, from older endpoints, the whole list at once.
pub(super) fn parse_page(body: &[u8]) -> Result<TokenPage, String> {
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let page = if is_list {
        serde_json::from_slice(body).map(|rows| TokenPage { rows, cursor: None })
    } else {
        serde_json::from_slice::<TokenPage>(body)
    };
    let mut page = page.map_err(|error| format!("it is not what is documented: {error}"))?;
    page.cursor = page.cursor.filter(|cursor| !cursor.is_empty());
    Ok(page)
}

/// The pages read so far.
#[derive(Debug)]
pub(super) struct TokenList {
    assembly: SnapshotAssembly,
}

/// The address under which Moralis lists the native asset.
const NATIVE_ASSET_ADDRESS: &str = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

impl TokenList {
    /// An empty list. `wrapped_native` is the contract whose address the native asset has, where the chain names one.
    pub(super) fn new(wrapped_native: Option<String>) -> Self {
        Self { assembly: SnapshotAssembly::new(wrapped_native) }
    }

    /// Adds the rows of a page, or names the row that is not valid. Returns the key of the next page, if there is one.
    pub(super) fn add_page(&mut self, body: &[u8]) -> Result<Option<String>, String> {
        let page = parse_page(body)?;
        for (at, row) in page.rows.iter().enumerate() {
            self.add_row(&format!("result[{at}]"), row)?;
        }
        Ok(page.cursor)
    }

    /// The snapshot, once the last page is added.
    pub(super) fn into_snapshot(self) -> Snapshot {
        self.assembly.into_snapshot()
    }

    fn add_row(&mut self, place: &str, row: &TokenRow) -> Result<(), String> {
        let token = row.token_address.to_lowercase();
        if !is_evm_address(&token) {
            return Err(format!("field `{place}.token_address` must be an address"));
        }
        let raw = wire::check::raw(&format!("{place}.balance"), &row.balance).map_err(|error| error.to_string())?;
        if self.assembly.is_repeated(&token, raw)? {
            return Ok(());
        }
        let is_native = row.native_token == Some(true) || token == NATIVE_ASSET_ADDRESS;
        let asset = if is_native { self.assembly.native_asset() } else { token };
        let symbol = row.symbol.as_deref().and_then(clean_symbol);
        let spam = row.possible_spam.unwrap_or(false);
        self.assembly.add(Balance { asset, symbol, decimals: parse_decimals(&row.decimals), raw, spam })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0x00000000000000000000000000000000000000aA";

    fn read_list(json: &str, wrapped_native: Option<&str>) -> Result<Vec<(String, String, bool)>, String> {
        let mut list = TokenList::new(wrapped_native.map(str::to_owned));
        list.add_page(json.as_bytes())?;
        let row = |balance: &Balance| (balance.asset.clone(), balance.raw.to_string(), balance.spam);
        Ok(list.into_snapshot().balances().map(row).collect())
    }

    #[test]
    fn native_has_the_wrapped_address_and_adds_up_with_it() {
        let json = format!(
            r#"{{"cursor": null, "page": 0, "result": [
                {{"token_address": "{NATIVE_ASSET_ADDRESS}", "balance": "5", "native_token": true, "total_supply": null}},
                {{"token_address": "{A}", "balance": "2", "possible_spam": false, "usd_price": null}}]}}"#
        );
        let wrapped = A.to_lowercase();
        assert_eq!(read_list(&json, Some(&wrapped)).unwrap(), [(wrapped.clone(), "7".to_owned(), false)]);
        let apart = [(wrapped, "2".to_owned(), false), ("native".to_owned(), "5".to_owned(), false)];
        assert_eq!(read_list(&json, None).unwrap(), apart);
    }

    #[test]
    fn an_invalid_row_is_refused_with_the_name_of_its_field() {
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
            let reason = read_list(&json, None).unwrap_err();
            assert!(reason.contains(named), "{json}: {reason}");
        }
    }

    #[test]
    fn a_repeated_token_must_have_the_same_balance() {
        let twice = |second: &str| {
            format!(
                r#"[{{"token_address": "{A}", "balance": "1"}}, {{"token_address": "{A}", "balance": "{second}"}}]"#
            )
        };
        assert_eq!(read_list(&twice("1"), None).unwrap().len(), 1);
        assert!(read_list(&twice("2"), None).unwrap_err().contains("two balances"));
    }
}
