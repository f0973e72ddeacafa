//! The response of Moralis' Solana gateway: the native balance and every token, in one response.

use crate::provider::assembly::SnapshotAssembly;
use crate::provider::{is_solana_address, parse_decimals};
use portfolio_domain::wallet::clean_symbol;
use portfolio_domain::{Balance, Snapshot};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortfolioResponse {
    native_balance: NativeBalance,
    tokens: Vec<TokenAmount>,
}

#[derive(Deserialize)]
struct NativeBalance {
    lamports: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenAmount {
    mint: String,
    amount_raw: String,
    #[serde(default)]
    decimals: Value,
    #[serde(default)]
    symbol: Option<String>,
    #[serde(default)]
    possible_spam: Option<bool>,
}

const SOL_DECIMALS: u8 = 9;

/// Parses a response. A wallet may hold a token in several accounts, which add up. `wrapped_native` is the contract
/// whose address the native asset has, where the chain names one.
pub(super) fn parse_snapshot(body: &[u8], wrapped_native: Option<String>) -> Result<Snapshot, String> {
    let response: PortfolioResponse =
        serde_json::from_slice(body).map_err(|error| format!("it is not what is documented: {error}"))?;
    let mut assembly = SnapshotAssembly::new(wrapped_native);
    let parse_raw = |field: &str, text: &str| wire::check::raw(field, text).map_err(|error| error.to_string());
    let asset = assembly.native_asset();
    let lamports = parse_raw("nativeBalance.lamports", &response.native_balance.lamports)?;
    let symbol = Some("SOL".to_owned());
    assembly.add(Balance { asset, symbol, decimals: Some(SOL_DECIMALS), raw: lamports, spam: false })?;
    for (at, token) in response.tokens.into_iter().enumerate() {
        let field = |name: &str| format!("tokens[{at}].{name}");
        if !is_solana_address(&token.mint) {
            return Err(format!("field `{}` must be an address", field("mint")));
        }
        assembly.add(Balance {
            raw: parse_raw(&field("amountRaw"), &token.amount_raw)?,
            symbol: token.symbol.as_deref().and_then(clean_symbol),
            decimals: parse_decimals(&token.decimals),
            spam: token.possible_spam.unwrap_or(false),
            asset: token.mint,
        })?;
    }
    Ok(assembly.into_snapshot())
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
        let snapshot = parse_snapshot(body.as_bytes(), Some(WRAPPED.to_owned())).unwrap();
        let [usdc, sol] =
            [format!("{MINT} 10 Some(\"USDC\") true"), format!("{WRAPPED} 100000005 Some(\"SOL\") false")];
        assert_eq!(shown(&snapshot), [usdc, sol]);
    }

    #[test]
    fn an_invalid_row_is_refused_with_the_name_of_its_field() {
        let cases = [
            (r#"{"tokens": []}"#, "nativeBalance"),
            (r#"{"nativeBalance": {"lamports": "-1"}, "tokens": []}"#, "nativeBalance.lamports"),
            (
                r#"{"nativeBalance": {"lamports": "1"}, "tokens": [{"mint": "0xa", "amountRaw": "1"}]}"#,
                "tokens[0].mint",
            ),
        ];
        for (body, named) in cases {
            let reason = parse_snapshot(body.as_bytes(), None).unwrap_err();
            assert!(reason.contains(named), "{body}: {reason}");
        }
    }
}
