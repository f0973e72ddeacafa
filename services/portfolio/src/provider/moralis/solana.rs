//! What Moralis' Solana gateway answers: the native balance and every token, at once.

use crate::provider::{decimals, is_solana_address};
use portfolio_domain::wallet::clean_symbol;
use portfolio_domain::{Balance, Snapshot};
use serde::Deserialize;
use serde_json::Value;

pub(super) use crate::provider::is_solana_address as is_address;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    native_balance: Native,
    tokens: Vec<Token>,
}

#[derive(Deserialize)]
struct Native {
    lamports: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    mint: String,
    amount_raw: String,
    #[serde(default)]
    decimals: Value,
    #[serde(default)]
    symbol: Option<String>,
    #[serde(default)]
    possible_spam: Option<bool>,
}

const LAMPORTS: u8 = 9;

/// Reads an answer; a wallet may hold a token in several accounts, which add up. `native` is what the native asset goes
/// by.
pub(super) fn snapshot(body: &[u8], native: Option<String>) -> Result<Snapshot, String> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| format!("it is not what is documented: {error}"))?;
    let mut snapshot = Snapshot::default();
    let raw = |field: &str, text: &str| wire::check::raw(field, text).map_err(|error| error.to_string());
    let asset = native.unwrap_or_else(|| Balance::NATIVE.to_owned());
    let sol = raw("nativeBalance.lamports", &answer.native_balance.lamports)?;
    let symbol = Some("SOL".to_owned());
    let mut add = |balance| snapshot.add(balance).map_err(|error| error.to_string());
    add(Balance { asset, symbol, decimals: Some(LAMPORTS), raw: sol, spam: false })?;
    for (at, token) in answer.tokens.into_iter().enumerate() {
        let field = |name: &str| format!("tokens[{at}].{name}");
        if !is_solana_address(&token.mint) {
            return Err(format!("field `{}` must be an address", field("mint")));
        }
        add(Balance {
            raw: raw(&field("amountRaw"), &token.amount_raw)?,
            symbol: token.symbol.as_deref().and_then(clean_symbol),
            decimals: decimals(&token.decimals),
            spam: token.possible_spam.unwrap_or(false),
            asset: token.mint,
        })?;
    }
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAPPED: &str = "So11111111111111111111111111111111111111112";
    const MINT: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

    #[test]
    fn native_and_tokens_add_up() {
        let body = format!(
            r#"{{"nativeBalance": {{"solana": "0.1", "lamports": "100000000"}}, "nfts": [], "tokens": [
                {{"mint": "{WRAPPED}", "amountRaw": "5", "amount": "0.000000005", "decimals": 9, "symbol": "WSOL"}},
                {{"mint": "{MINT}", "amountRaw": "7", "decimals": "6", "symbol": "US\u202eDC", "possibleSpam": true}},
                {{"mint": "{MINT}", "amountRaw": "3", "decimals": 6, "symbol": null, "possibleSpam": true}}]}}"#
        );
        let shown = |snapshot: &Snapshot| -> Vec<String> {
            snapshot.balances().map(|b| format!("{} {} {:?} {}", b.asset, b.raw, b.symbol, b.spam)).collect()
        };
        let snapshot = snapshot(body.as_bytes(), Some(WRAPPED.to_owned())).unwrap();
        let [usdc, sol] =
            [format!("{MINT} 10 Some(\"USDC\") true"), format!("{WRAPPED} 100000005 Some(\"SOL\") false")];
        assert_eq!(shown(&snapshot), [usdc, sol]);
    }

    #[test]
    fn what_is_not_valid_names_its_field() {
        let cases = [
            (r#"{"tokens": []}"#, "nativeBalance"),
            (r#"{"nativeBalance": {"lamports": "-1"}, "tokens": []}"#, "nativeBalance.lamports"),
            (
                r#"{"nativeBalance": {"lamports": "1"}, "tokens": [{"mint": "0xa", "amountRaw": "1"}]}"#,
                "tokens[0].mint",
            ),
        ];
        for (body, named) in cases {
            let reason = snapshot(body.as_bytes(), None).unwrap_err();
            assert!(reason.contains(named), "{body}: {reason}");
        }
    }
}
