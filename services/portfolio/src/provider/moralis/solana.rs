//! The response of Moralis' Solana gateway: the native balance and every token, in one response.

use crate::names::NativeContracts;
use crate::provider::assembly::SnapshotAssembly;
use crate::provider::is_solana_address;
use crate::provider::row::ResponseRow;
use portfolio_domain::{Balance, Decoration, Snapshot};
use serde::Deserialize;
use serde_json::Value;

/// The balances are checked one by one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortfolioResponse {
    native_balance: Value,
    tokens: Vec<Value>,
}

const SOL_DECIMALS: u8 = 9;

/// Parses a response. A wallet may hold a token in several accounts, which add up.
pub(super) fn parse_snapshot(body: &[u8], contracts: NativeContracts) -> Result<Snapshot, String> {
    let response: PortfolioResponse =
        serde_json::from_slice(body).map_err(|error| format!("it is not what is documented: {error}"))?;
    let mut assembly = SnapshotAssembly::new(contracts);
    let asset = assembly.native_asset();
    let decoration =
        Decoration { symbol: Some("SOL".to_owned()), decimals: Some(SOL_DECIMALS), ..Decoration::default() };
    match ResponseRow::new("nativeBalance", &response.native_balance).amount("lamports") {
        Ok(raw) => assembly.add_part(Balance { asset, raw, decoration, kept: false, price: None }),
        Err(reason) => assembly.leave_out_balance(asset, &reason),
    }
    for (at, token) in response.tokens.iter().enumerate() {
        add_token(&mut assembly, &ResponseRow::new(&format!("tokens[{at}]"), token));
    }
    Ok(assembly.into_snapshot())
}

fn add_token(assembly: &mut SnapshotAssembly, row: &ResponseRow) {
    let mint = row.text("mint").filter(|mint| is_solana_address(mint)).map(str::to_owned);
    if let Some(reason) = row.not_fungible() {
        return assembly.leave_out_row(mint, reason);
    }
    let Some(asset) = mint else { return assembly.leave_out_unnamed(row.invalid("mint", "an address")) };
    match row.amount("amountRaw") {
        Err(reason) => assembly.leave_out_balance(asset, &reason),
        Ok(raw) => {
            let decoration = row.decoration("possibleSpam", "isVerifiedContract");
            assembly.add_part(Balance { asset, raw, decoration, kept: false, price: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const WRAPPED: &str = "So11111111111111111111111111111111111111112";
    const MINT: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

    fn read(body: &Value, wrapped_native: Option<&str>) -> Result<Snapshot, String> {
        let wrapped = wrapped_native.map(str::to_owned);
        parse_snapshot(body.to_string().as_bytes(), NativeContracts { wrapped, ..NativeContracts::default() })
    }

    fn shown(snapshot: &Snapshot) -> Vec<String> {
        snapshot.balances().map(|one| format!("{} {} {:?}", one.asset, one.raw, one.decoration.symbol)).collect()
    }

    #[test]
    fn native_and_tokens_add_up() {
        let body = json!({"nativeBalance": {"solana": "0.1", "lamports": "100000000"}, "nfts": [], "tokens": [
            {"mint": WRAPPED, "amountRaw": "5", "amount": "0.000000005", "decimals": 9, "symbol": "WSOL"},
            {"mint": MINT, "amountRaw": "7", "decimals": "6", "symbol": "US\u{202e}DC", "possibleSpam": true},
            {"mint": MINT, "amountRaw": "3", "decimals": 6, "symbol": null, "possibleSpam": true}]});
        let [usdc, sol] = [format!("{MINT} 10 Some(\"USDC\")"), format!("{WRAPPED} 100000005 Some(\"SOL\")")];
        let snapshot = read(&body, Some(WRAPPED)).unwrap();
        assert_eq!(shown(&snapshot), [usdc, sol]);
        let spam = [MINT, WRAPPED].map(|asset| snapshot.balance_of(asset).unwrap().decoration.spam);
        assert_eq!(spam, [Some(true), None], "not told is not false");
    }

    #[test]
    fn a_balance_that_cannot_be_told_is_left_out_and_the_rest_is_read() {
        let good = || json!({"mint": MINT, "amountRaw": "7", "symbol": "USDC"});
        let cases = [
            (json!({"lamports": "-1"}), json!([good()]), "nativeBalance.lamports"),
            (json!(null), json!([good()]), "nativeBalance.lamports"),
            (json!({"lamports": "0"}), json!([good(), {"mint": "0xa", "amountRaw": "1"}]), "tokens[1].mint"),
            (json!({"lamports": "0"}), json!([{"mint": WRAPPED}, good()]), "tokens[0].amountRaw"),
        ];
        for (native, tokens, named) in cases {
            let snapshot = read(&json!({"nativeBalance": native, "tokens": tokens}), None).unwrap();
            let left_out = snapshot.left_out().unwrap();
            assert!(left_out.rows == 1 && left_out.reason.contains(named), "{named}: {left_out:?}");
            assert!(shown(&snapshot).contains(&format!("{MINT} 7 Some(\"USDC\")")), "{named}");
        }
        let two_accounts = json!([good(), {"mint": MINT, "amountRaw": null}]);
        let snapshot = read(&json!({"nativeBalance": {"lamports": "0"}, "tokens": two_accounts}), None).unwrap();
        assert!(snapshot.balance_of(MINT).is_none(), "no sum without the account that cannot be told");
        assert!(read(&json!({"tokens": []}), None).unwrap_err().contains("nativeBalance"));
    }
}
