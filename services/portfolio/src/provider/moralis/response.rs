//! The responses of Moralis for EVM chains; a row that cannot be told is left out.

use crate::names::NativeContracts;
use crate::provider::assembly::{SnapshotAssembly, TokenRow};
use crate::provider::row::ResponseRow;
use crate::provider::{NATIVE_ADDRESS, ZERO_ADDRESS, is_evm_address};
use portfolio_domain::{Snapshot, ToldPrice};
use serde::Deserialize;
use serde_json::Value;
use tape::Raw;

/// One page of the list; its rows are checked one by one.
#[derive(Debug, Deserialize)]
pub(super) struct TokenPage {
    #[serde(rename = "result")]
    rows: Vec<Value>,
    /// The key of the next page; none or empty on the last one.
    #[serde(default)]
    pub(super) cursor: Option<String>,
    /// The height that the balances are of.
    #[serde(default)]
    block_number: Value,
}

/// Parses a response: an object with a cursor or, from older endpoints, the whole list at once.
pub(super) fn parse_page(body: &[u8]) -> Result<TokenPage, String> {
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let page = if is_list {
        serde_json::from_slice(body).map(|rows| TokenPage { rows, cursor: None, block_number: Value::Null })
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

impl TokenList {
    /// An empty list.
    pub(super) fn new(contracts: NativeContracts) -> Self {
        Self { assembly: SnapshotAssembly::new(contracts) }
    }

    /// Adds the rows of a page. Returns the key of the next page, if there is one.
    pub(super) fn add_page(&mut self, body: &[u8]) -> Result<Option<String>, String> {
        let page = parse_page(body)?;
        let height = page.block_number.as_u64().or_else(|| page.block_number.as_str()?.parse().ok());
        self.assembly.next_page(height);
        for (at, row) in page.rows.iter().enumerate() {
            self.add_row(&ResponseRow::new(&format!("result[{at}]"), row))?;
        }
        Ok(page.cursor)
    }

    /// The snapshot, once the last page is added.
    pub(super) fn into_snapshot(self) -> Snapshot {
        self.assembly.into_snapshot()
    }

    fn add_row(&mut self, row: &ResponseRow) -> Result<(), String> {
        let token = row.text("token_address").unwrap_or_default().to_lowercase();
        let is_native = row.flag("native_token") == Some(true) || token == NATIVE_ADDRESS;
        let asset = if is_native || token == ZERO_ADDRESS { self.assembly.native_asset() } else { token.clone() };
        let is_named = is_native || is_evm_address(&token);
        if let Some(reason) = row.not_fungible() {
            self.assembly.leave_out_row(is_named.then_some(asset), reason);
        } else if !is_named {
            self.assembly.leave_out_unnamed(row.invalid("token_address", "an address"));
        } else if token == ZERO_ADDRESS && !is_native {
            self.assembly.leave_out_row(Some(asset), row.invalid("token_address", "the address of a contract"));
        } else {
            let (raw, decoration) = (row.amount("balance"), row.decoration("possible_spam", "verified_contract"));
            let price = raw.as_ref().ok().and_then(|raw| told_price(row, *raw));
            self.assembly.add(TokenRow { token: &token, is_native, raw, decoration, price })?;
        }
        Ok(())
    }
}

/// The price of a whole unit, else what the balance is worth.
fn told_price(row: &ResponseRow, raw: Raw) -> Option<ToldPrice> {
    let of_unit = || ToldPrice::of_whole_unit(&row.number_text("usd_price")?, row.decimals()?);
    let of_balance = || ToldPrice::of_balance(&row.number_text("usd_value")?, raw);
    of_unit().or_else(|| row.field("usd_price").is_none().then(of_balance)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: &str = "0x00000000000000000000000000000000000000aA";
    const GOOD: &str = "0x00000000000000000000000000000000000000bb";

    fn read_list(body: &Value, wrapped_native: Option<&str>) -> Result<Snapshot, String> {
        let wrapped = wrapped_native.map(str::to_owned);
        let mut list = TokenList::new(NativeContracts { wrapped, ..NativeContracts::default() });
        list.add_page(body.to_string().as_bytes())?;
        Ok(list.into_snapshot())
    }

    fn shown(snapshot: &Snapshot) -> Vec<String> {
        snapshot.balances().map(|one| format!("{} {} {:?}", one.asset, one.raw, one.decoration.spam)).collect()
    }

    #[test]
    fn native_has_the_wrapped_address_and_adds_up_with_it() {
        let body = json!({"cursor": null, "page": 0, "result": [
            {"token_address": NATIVE_ADDRESS, "balance": "5", "native_token": true, "total_supply": null},
            {"token_address": A, "balance": "2", "possible_spam": false, "usd_price": null}]});
        let wrapped = A.to_lowercase();
        assert_eq!(shown(&read_list(&body, Some(&wrapped)).unwrap()), [format!("{wrapped} 7 Some(false)")]);
        let apart = [format!("{wrapped} 2 Some(false)"), "native 5 None".to_owned()];
        assert_eq!(shown(&read_list(&body, None).unwrap()), apart);
    }

    #[test]
    fn a_row_that_cannot_be_told_is_left_out_and_the_rest_is_read() {
        let token = |balance: Value| json!({"token_address": A, "balance": balance});
        let cases = [
            (token(json!("-1")), "result[1].balance"),
            (token(json!("1.5")), "result[1].balance"),
            (token(json!("1e+30")), "result[1].balance"),
            (token(json!("0x")), "result[1].balance"),
            (token(json!(5)), "result[1].balance"),
            (token(Value::Null), "result[1].balance"),
            (json!({"token_address": A}), "result[1].balance"),
            (json!({"token_address": A, "token_id": "7", "amount": "1", "contract_type": "ERC721"}), "token_id"),
            (json!({"token_address": "0xa/../b", "balance": "1"}), "result[1].token_address"),
            (json!({"token_address": null, "balance": "1"}), "result[1].token_address"),
            (json!({"token_address": ZERO_ADDRESS, "balance": "7"}), "result[1].token_address"),
            (json!(null), "result[1].token_address"),
        ];
        for (bad, named) in cases {
            let good = json!({"token_address": GOOD, "balance": "5", "symbol": 12, "possible_spam": "true"});
            let snapshot = read_list(&json!({"result": [good, bad]}), None).unwrap();
            assert_eq!(shown(&snapshot), [format!("{GOOD} 5 None")], "{bad}");
            let left_out = snapshot.left_out().unwrap();
            assert!(left_out.rows == 1 && left_out.reason.contains(named), "{bad}: {left_out:?}");
        }
    }

    #[test]
    fn a_response_of_another_shape_is_refused() {
        for (body, named) in [
            (r#"{"message": "fine"}"#, "result"),
            (r#"{"result": [{"tok"#, "EOF"),
            ("<html>", "not what is documented"),
        ] {
            let reason = TokenList::new(NativeContracts::default()).add_page(body.as_bytes()).unwrap_err();
            assert!(reason.contains(named), "{body}: {reason}");
        }
    }

    #[test]
    fn a_repeated_token_must_have_the_same_balance() {
        let one = |balance: &str| json!({"token_address": A, "balance": balance});
        let once = read_list(&json!([one("1"), one("1")]), None).unwrap();
        assert_eq!((shown(&once).len(), once.left_out()), (1, None));
        let twice = read_list(&json!([one("1"), one("2")]), None).unwrap();
        assert_eq!(shown(&twice), [] as [&str; 0]);
        assert!(twice.left_out().unwrap().reason.contains("two balances"));
    }
}
