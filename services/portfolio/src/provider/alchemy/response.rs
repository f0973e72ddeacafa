//! The responses of Alchemy; a row that cannot be told is left out.
//!
//! Alchemy's reference says that `data` is a list; its responses have `data.tokens` and `data.pageKey`. Both are read.

use crate::names::NativeContracts;
use crate::provider::assembly::{SnapshotAssembly, TokenRow};
use crate::provider::row::ResponseRow;
use crate::provider::{NATIVE_ADDRESS, ZERO_ADDRESS, is_evm_address, is_solana_address};
use portfolio_domain::{Snapshot, ToldPrice};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Deserialize)]
struct TokensResponse {
    data: TokensData,
}

/// The rows are checked one by one.
#[derive(Deserialize)]
#[serde(untagged)]
enum TokensData {
    List(Vec<Value>),
    #[serde(rename_all = "camelCase")]
    Page {
        tokens: Vec<Value>,
        #[serde(default)]
        page_key: Option<String>,
    },
}

/// The pages read so far.
pub(super) struct TokenList<'a> {
    address: &'a str,
    network: &'a str,
    /// The provider's head, asked for before the balances.
    head: Option<u64>,
    assembly: SnapshotAssembly,
}

impl<'a> TokenList<'a> {
    /// An empty list of this wallet; `head` is the provider's head, asked for before it.
    pub(super) fn new(address: &'a str, network: &'a str, head: Option<u64>, contracts: NativeContracts) -> Self {
        Self { address, network, head, assembly: SnapshotAssembly::new(contracts) }
    }

    /// Adds the rows of a page. Returns the key of the next page, if there is one.
    pub(super) fn add_page(&mut self, body: &[u8]) -> Result<Option<String>, String> {
        let response: TokensResponse =
            serde_json::from_slice(body).map_err(|error| format!("it is not what is documented: {error}"))?;
        let (rows, next) = match response.data {
            TokensData::List(rows) => (rows, None),
            TokensData::Page { tokens, page_key } => (tokens, page_key),
        };
        self.assembly.next_page(self.head);
        for (at, row) in rows.iter().enumerate() {
            self.add_row(&ResponseRow::new(&format!("tokens[{at}]"), row))?;
        }
        Ok(next.filter(|key| !key.is_empty()))
    }

    /// The snapshot, once the last page is added.
    pub(super) fn into_snapshot(self) -> Snapshot {
        self.assembly.into_snapshot()
    }

    fn add_row(&mut self, row: &ResponseRow) -> Result<(), String> {
        self.check_owner(row)?;
        let token = self.token_of_row(row);
        if let Some(reason) = row.not_fungible() {
            self.assembly.leave_out_row(token.ok().map(|(_, asset)| asset), reason);
            return Ok(());
        }
        let (token, asset) = match token {
            Ok(token) => token,
            Err(reason) => {
                self.assembly.leave_out_unnamed(reason);
                return Ok(());
            }
        };
        if token == ZERO_ADDRESS {
            let reason = row.invalid("tokenAddress", "null for the native asset, else the address of a contract");
            self.assembly.leave_out_row(Some(asset), reason);
            return Ok(());
        }
        let raw = match row.field("error") {
            Some(error) => Err(format!("Alchemy could not fill the row: {}", shorten(&error.to_string()))),
            None => row.amount("tokenBalance"),
        };
        let decoration = row.inner("tokenMetadata").decoration("possibleSpam", "verified");
        let is_native = token == NATIVE_TOKEN;
        let native_decimals = is_native.then(|| if is_evm_address(self.address) { WEI_DECIMALS } else { SOL_DECIMALS });
        let price = decoration.decimals.or(native_decimals).and_then(|decimals| told_price(row, decimals));
        self.assembly.add(TokenRow { token: &token, is_native, raw, decoration, price })
    }

    /// A row of another wallet or network means that the whole response is not ours.
    fn check_owner(&self, row: &ResponseRow) -> Result<(), String> {
        let (address, network) = (row.text("address"), row.text("network"));
        let is_other = address.is_some_and(|address| !address.eq_ignore_ascii_case(self.address))
            || network.is_some_and(|network| network != self.network);
        if is_other {
            let [address, network] = [address, network].map(|text| shorten(text.unwrap_or("?")));
            return Err(format!("it has a row of another wallet: {address} on {network}"));
        }
        Ok(())
    }

    /// The row's token as it is named in the response, and as an asset. The error is a reason.
    fn token_of_row(&self, row: &ResponseRow) -> Result<(String, String), String> {
        for owner in ["address", "network"] {
            row.text(owner).ok_or_else(|| row.invalid(owner, "that of the wallet"))?;
        }
        let token = match row.field("tokenAddress").map(Value::as_str) {
            None | Some(Some("")) => NATIVE_TOKEN.to_owned(),
            Some(Some(token)) if is_solana_address(token) => token.to_owned(),
            Some(token) => token.unwrap_or_default().to_lowercase(),
        };
        let asset = match token.as_str() {
            NATIVE_TOKEN | NATIVE_ADDRESS => return Ok((NATIVE_TOKEN.to_owned(), self.assembly.native_asset())),
            ZERO_ADDRESS => self.assembly.native_asset(),
            token if is_evm_address(token) || is_solana_address(token) => token.to_owned(),
            _ => return Err(row.invalid("tokenAddress", "an address")),
        };
        Ok((token, asset))
    }
}

/// The price in dollars among those of a row, and the time that it is of.
fn told_price(row: &ResponseRow, decimals: u8) -> Option<ToldPrice> {
    let prices = row.field("tokenPrices")?.as_array()?;
    let mut prices = prices.iter().map(|price| ResponseRow::new("tokenPrices", price));
    let usd =
        prices.find(|price| price.text("currency").is_some_and(|currency| currency.eq_ignore_ascii_case("usd")))?;
    let at = usd.text("lastUpdatedAt").and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let at = at.and_then(|at| u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok());
    Some(ToldPrice { at, ..ToldPrice::of_whole_unit(&usd.number_text("value")?, decimals)? })
}

/// The decimals of native balances, which Alchemy does not tell: of wei on EVM chains, of lamports on Solana.
const WEI_DECIMALS: u8 = 18;
const SOL_DECIMALS: u8 = 9;

/// The height in a node's answer: hexadecimal on EVM chains, a number on Solana.
pub(super) fn parse_head(body: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let result = &answer["result"];
    result.as_u64().or_else(|| u64::from_str_radix(result.as_str()?.strip_prefix("0x")?, 16).ok())
}

/// Stands for the native asset, whose row has no token address.
const NATIVE_TOKEN: &str = "native";
const MAX_SHOWN_CHARS: usize = 80;

fn shorten(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~')).take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const WALLET: &str = "0x9e9fbde7c7a83c43913bddc8779158f1368f0413";
    const TOKEN: &str = "0x00000000000000000000000000000000000000aA";
    const GOOD: &str = "0x00000000000000000000000000000000000000bb";

    fn row(token: Option<&str>, balance: &str) -> Value {
        json!({"address": WALLET, "network": "eth-mainnet", "tokenAddress": token, "tokenBalance": balance})
    }

    fn with(mut row: Value, field: &str, value: Value) -> Value {
        row[field] = value;
        row
    }

    fn read_list(rows: &[Value], wrapped_native: Option<&str>) -> Result<Snapshot, String> {
        let wrapped = wrapped_native.map(str::to_owned);
        let contracts = NativeContracts { wrapped, ..NativeContracts::default() };
        let mut list = TokenList::new(WALLET, "eth-mainnet", None, contracts);
        list.add_page(json!({"data": {"tokens": rows, "pageKey": null}}).to_string().as_bytes())?;
        Ok(list.into_snapshot())
    }

    fn shown(snapshot: &Snapshot) -> Vec<String> {
        snapshot.balances().map(|balance| format!("{} {}", balance.asset, balance.raw)).collect()
    }

    #[test]
    fn native_has_the_wrapped_address_and_adds_up_with_it() {
        let rows = [row(None, "0x5"), row(Some(TOKEN), "0x0a")];
        let wrapped = TOKEN.to_lowercase();
        assert_eq!(shown(&read_list(&rows, Some(&wrapped)).unwrap()), [format!("{wrapped} 15")]);
        assert_eq!(shown(&read_list(&rows, None).unwrap()), [format!("{wrapped} 10"), "native 5".to_owned()]);
        let nothing = read_list(&[row(None, "0x0")], None).unwrap();
        assert_eq!(shown(&nothing), [] as [&str; 0], "a balance of zero is left out");
    }

    #[test]
    fn a_row_that_cannot_be_told_is_left_out_and_the_rest_is_read() {
        let token = || row(Some(TOKEN), "0x1");
        let cases = [
            (row(Some(TOKEN), "0x"), "tokens[1].tokenBalance"),
            (row(Some(TOKEN), &format!("0x{}1{}", "0".repeat(63), "f".repeat(192))), "tokens[1].tokenBalance"),
            (row(Some(TOKEN), "-1"), "tokens[1].tokenBalance"),
            (row(Some(TOKEN), "1e+30"), "tokens[1].tokenBalance"),
            (with(token(), "tokenBalance", Value::Null), "tokens[1].tokenBalance"),
            (with(token(), "tokenBalance", json!(5)), "tokens[1].tokenBalance"),
            (with(token(), "error", json!("execution reverted")), "could not fill"),
            (with(token(), "tokenId", json!("7")), "tokenId"),
            (row(Some("0xa/../b"), "0x1"), "tokens[1].tokenAddress"),
            (with(token(), "tokenAddress", json!(7)), "tokens[1].tokenAddress"),
            (row(Some(ZERO_ADDRESS), "0x7"), "tokens[1].tokenAddress"),
            (json!({}), "tokens[1].address"),
            (json!("row"), "tokens[1].address"),
        ];
        for (bad, named) in cases {
            let snapshot = read_list(&[row(Some(GOOD), "0x5"), bad.clone()], None).unwrap();
            assert_eq!(shown(&snapshot), [format!("{GOOD} 5")], "{bad}");
            let left_out = snapshot.left_out().unwrap();
            assert!(left_out.rows == 1 && left_out.reason.contains(named), "{bad}: {left_out:?}");
        }
    }

    #[test]
    fn a_native_balance_that_cannot_be_told_hides_no_part_of_its_sum() {
        let wrapped = TOKEN.to_lowercase();
        let snapshot = read_list(&[row(None, "0x"), row(Some(TOKEN), "0x2")], Some(&wrapped)).unwrap();
        assert_eq!((shown(&snapshot), snapshot.left_out().unwrap().rows), (vec![], 1));
    }

    #[test]
    fn a_token_with_two_balances_on_one_page_is_left_out() {
        let twice = [row(Some(TOKEN), "0x1"), row(Some(TOKEN), "0x2"), row(Some(GOOD), "0x5")];
        let snapshot = read_list(&twice, None).unwrap();
        assert_eq!(shown(&snapshot), [format!("{GOOD} 5")]);
        assert!(snapshot.left_out().unwrap().reason.contains("two balances"));
    }

    #[test]
    fn a_head_is_a_number_or_hexadecimal() {
        for (body, head) in [
            (r#"{"result": "0x10"}"#, Some(16)),
            (r#"{"result": 17}"#, Some(17)),
            (r#"{"result": null}"#, None),
            (r#"{"result": "16"}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(parse_head(body.as_bytes()), head, "{body}");
        }
    }

    #[test]
    fn a_response_of_another_wallet_or_shape_is_refused() {
        let other = with(row(Some(TOKEN), "0x1"), "network", json!("base-mainnet"));
        assert!(read_list(&[other], None).unwrap_err().contains("another wallet"));
        for body in ["{}", "[]", r#"{"data": {}}"#, r#"{"data": {"tokens": {}}}"#, "<html>"] {
            let refused = TokenList::new(WALLET, "eth-mainnet", None, NativeContracts::default())
                .add_page(body.as_bytes())
                .unwrap_err();
            assert!(refused.contains("not what is documented"), "{body}: {refused}");
        }
    }
}
