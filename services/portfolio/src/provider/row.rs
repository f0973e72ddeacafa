//! One row of a provider's response, of which any field may be missing or of another type: no row is trusted to be as it is
//! documented, because whoever deploys a token decides what the provider can tell of it.

use portfolio_domain::Decoration;
use portfolio_domain::wallet::clean_symbol;
use serde_json::Value;
use tape::Raw;

/// A row, and its place in the response.
#[derive(Clone, Copy)]
pub(super) struct ResponseRow<'a> {
    place: &'a str,
    row: &'a Value,
}

/// How much of a field that is not valid stands in the reason.
const MAX_SHOWN_CHARS: usize = 40;

impl<'a> ResponseRow<'a> {
    /// The row at this place, such as `result[3]`.
    pub(super) fn new(place: &'a str, row: &'a Value) -> Self {
        Self { place, row }
    }

    /// A field; none where it is missing or null.
    pub(super) fn field(&self, name: &str) -> Option<&'a Value> {
        self.row.get(name).filter(|value| !value.is_null())
    }

    /// A field of text; none where it is anything else, or empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.field(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A field that is true or false; none where it is anything else.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.field(name)?.as_bool()
    }

    /// The object in a field, as a row of its own.
    pub(super) fn inner(&self, name: &str) -> Self {
        Self { place: self.place, row: self.field(name).unwrap_or(&Value::Null) }
    }

    /// An amount: decimal digits, or hexadecimal ones as on EVM chains. The error is a reason.
    pub(super) fn amount(&self, name: &str) -> Result<Raw, String> {
        let amount = self.field(name).and_then(Value::as_str).and_then(parse_amount);
        amount.ok_or_else(|| self.invalid(name, "an amount of at most 256 bits in a text"))
    }

    /// The reason why a field is not valid.
    pub(super) fn invalid(&self, name: &str, rule: &str) -> String {
        let found: String = match self.row.get(name) {
            Some(value) => {
                let text = value.to_string();
                text.chars().filter(|c| matches!(c, ' '..='~')).take(MAX_SHOWN_CHARS).collect()
            }
            None => "missing".to_owned(),
        };
        format!("field `{}.{name}` must be {rule}, but is {found}", self.place)
    }

    /// What the row says of its token beside the amount; what stands in no valid field is not told.
    pub(super) fn decoration(&self, spam: &str, verified: &str) -> Decoration {
        let (spam, verified) = (self.flag(spam), self.flag(verified));
        Decoration { symbol: self.symbol(), decimals: self.decimals(), spam, verified }
    }

    /// A number, or a text that should hold one, as text.
    pub(super) fn number_text(&self, name: &str) -> Option<String> {
        match self.field(name)? {
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// A ticker, cleaned; none for anything else.
    fn symbol(&self) -> Option<String> {
        self.text("symbol").and_then(clean_symbol)
    }

    /// Decimals as a number or as text; none for anything else.
    pub(super) fn decimals(&self) -> Option<u8> {
        let value = self.field("decimals")?;
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        u8::try_from(number).ok()
    }

    /// Why the row is one of a token whose units differ from each other (NFT), which has no balance; none where it is not.
    pub(super) fn not_fungible(&self) -> Option<String> {
        let ids = ["token_id", "tokenId"];
        let kinds = ["contract_type", "contractType", "token_type", "tokenType"];
        let is_nft = |kind: &str| ["721", "1155", "NFT"].iter().any(|name| kind.to_uppercase().contains(name));
        let id = ids.into_iter().find(|name| self.field(name).is_some());
        let kind = || kinds.into_iter().find(|name| self.text(name).is_some_and(is_nft));
        let name = id.or_else(kind)?;
        Some(format!("`{}` is not a balance: it has a field `{name}`, as NFTs do", self.place))
    }
}

/// Parses decimal digits, or `0x` and hexadecimal ones.
fn parse_amount(text: &str) -> Option<Raw> {
    let Some(hex) = text.strip_prefix("0x") else { return wire::check::raw("amount", text).ok() };
    if hex.is_empty() || hex.len() > 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Raw::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_amount_is_a_whole_number_of_at_most_256_bits_in_a_text() {
        let largest = format!("0x{}", "f".repeat(64));
        for (text, expected) in [("0", 0_u64), ("17", 17), ("0x5", 5), ("0x0a", 10)] {
            assert_eq!(parse_amount(text), Some(Raw::from(expected)), "{text}");
        }
        assert_eq!(parse_amount(&largest), Some(Raw::MAX));
        let too_long = [format!("0x1{}", "0".repeat(64)), format!("0x{}1{}", "0".repeat(63), "f".repeat(192))];
        let too_large = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        let texts = ["", "0x", "0xg", "-1", "-0x1", "1.5", "1e+30", "1e30", "0X5", " 5", "NaN", too_large];
        for text in texts.into_iter().chain(too_long.iter().map(String::as_str)) {
            assert_eq!(parse_amount(text), None, "{text}");
        }
        for value in [json!(null), json!(5), json!(-1), json!(1e30), json!(true), json!(["5"])] {
            let row = json!({ "balance": value });
            let reason = ResponseRow::new("result[3]", &row).amount("balance").unwrap_err();
            assert!(reason.starts_with("field `result[3].balance` must be"), "{reason}");
        }
    }

    #[test]
    fn decorations_of_another_type_are_not_told() {
        let row = json!({"symbol": 12, "decimals": 1.5, "possible_spam": "true", "verified": null});
        let row = ResponseRow::new("", &row);
        assert_eq!(row.decoration("possible_spam", "verified"), Decoration::default());
        let decimals = |value: Value| ResponseRow::new("", &json!({ "decimals": value })).decimals();
        assert_eq!((decimals(json!(18)), decimals(json!("6"))), (Some(18), Some(6)));
        for invalid in [json!(null), json!(-1), json!(300), json!("many")] {
            assert_eq!(decimals(invalid), None);
        }
    }

    #[test]
    fn an_nft_is_told_by_its_id_or_kind() {
        let is_nft = |row: Value| ResponseRow::new("", &row).not_fungible().is_some();
        assert!(is_nft(json!({"token_id": "7"})) && is_nft(json!({"tokenId": 0})));
        assert!(is_nft(json!({"contract_type": "ERC721"})) && is_nft(json!({"tokenType": "erc1155"})));
        assert!(!is_nft(json!({"token_id": null, "contract_type": "ERC20"})) && !is_nft(json!([])));
    }
}
