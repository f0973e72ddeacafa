//! A made-up swap: 1 SOL for 150 USDC in a pool of Raydium's AMM, as `getBlock` gives it.

use serde_json::{Value, json};
use solana_plugin::base58;

pub(crate) const SOL: &str = "So11111111111111111111111111111111111111112";
pub(crate) const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
pub(crate) const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
pub(crate) const RAYDIUM_AMM: &str = "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8";
pub(crate) const SIGNATURE: &str =
    "NcfMaWBvWLnso5Pz7WpxwuhjMjPXPupUTahojW7ZE68Xea9BVuKai5tgwxRs1BFomsFTL3Jy1evWJcduJ2E8UE9";

/// The accounts by index: the trader, its accounts of SOL and of USDC, the pool, its two vaults, the owner of the
/// vaults, then the programs.
pub(crate) const TRADER: usize = 0;
pub(crate) const VAULT_OWNER: usize = 6;
pub(crate) const PROGRAM: usize = 7;
pub(crate) const TOKEN_PROGRAM: usize = 8;

/// A made-up account.
pub(crate) fn key(number: u8) -> String {
    base58::encode(&[number; 32])
}

/// An instruction at the top.
pub(crate) fn top_call(program: usize, accounts: &[usize], data: &[u8]) -> Value {
    json!({"programIdIndex": program, "accounts": accounts, "data": base58::encode(data), "stackHeight": null})
}

/// An instruction within another.
pub(crate) fn call_within(program: usize, accounts: &[usize], data: &[u8], height: u8) -> Value {
    json!({"programIdIndex": program, "accounts": accounts, "data": base58::encode(data), "stackHeight": height})
}

/// A transfer of the token program.
pub(crate) fn transfer(from: usize, to: usize, authority: usize, raw: u64, height: u8) -> Value {
    call_within(TOKEN_PROGRAM, &[from, to, authority], &[&[3_u8][..], &raw.to_le_bytes()].concat(), height)
}

/// A transaction that calls one program with this data; the trader gives 1 SOL and gets 150 USDC within it.
pub(crate) fn exchange_in(program: &str, data: &[u8]) -> Value {
    let owner = if program == RAYDIUM_AMM { "5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1".to_owned() } else { key(7) };
    let keys = [
        key(1),
        key(2),
        key(3),
        key(4),
        key(5),
        key(6),
        owner.clone(),
        program.to_owned(),
        TOKEN.to_owned(),
        // Any others that instructions may name.
        key(10),
        key(11),
    ];
    let balance = |at: usize, mint: &str, owner: &str, raw: u64| {
        json!({
            "accountIndex": at, "mint": mint, "owner": owner, "programId": TOKEN,
            "uiTokenAmount": {"amount": raw.to_string(), "decimals": if mint == SOL { 9 } else { 6 }},
        })
    };
    let balances = |held: [u64; 4]| {
        json!([
            balance(1, SOL, &keys[TRADER], held[0]),
            balance(2, USDC, &keys[TRADER], held[1]),
            balance(4, SOL, &owner, held[2]),
            balance(5, USDC, &owner, held[3]),
        ])
    };
    let within = [transfer(1, 4, TRADER, 1_000_000_000, 2), transfer(5, 2, VAULT_OWNER, 150_000_000, 2)];
    json!({
        "transaction": {
            "signatures": [SIGNATURE],
            "message": {
                "header": {"numRequiredSignatures": 1, "numReadonlySignedAccounts": 0, "numReadonlyUnsignedAccounts": 1},
                "accountKeys": keys,
                "instructions": [top_call(PROGRAM, &[9, 3, 6, 4, 5, 1, 2, 0], data)],
                "recentBlockhash": key(9),
            },
        },
        "meta": {
            "err": null, "fee": 5_000, "computeUnitsConsumed": 50_000,
            "preBalances": vec![2_039_280; keys.len()], "postBalances": vec![2_039_280; keys.len()],
            "innerInstructions": [{"index": 0, "instructions": within}],
            "preTokenBalances": balances([2_000_000_000, 0, 1_000_000_000_000, 1_000_000_000_000]),
            "postTokenBalances": balances([1_000_000_000, 150_000_000, 1_001_000_000_000, 999_850_000_000]),
            "loadedAddresses": {"writable": [], "readonly": []}, "logMessages": [], "rewards": [],
        },
        "version": "legacy",
    })
}

/// The swap.
pub(crate) fn swap() -> Value {
    exchange_in(RAYDIUM_AMM, &[&[9_u8][..], &1_000_000_000_u64.to_le_bytes(), &0_u64.to_le_bytes()].concat())
}
