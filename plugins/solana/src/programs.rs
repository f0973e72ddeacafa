//! The programs that every transaction builds on: the cluster's own and those of tokens.

/// The system program: plain accounts and native SOL.
pub(crate) const SYSTEM: &str = "11111111111111111111111111111111";
/// The token program.
pub(crate) const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
/// The Token-2022 program.
pub(crate) const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
/// The program that validators vote with.
pub(crate) const VOTE: &str = "Vote111111111111111111111111111111111111111";
const TOKEN_ACCOUNTS: &str = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
const COMPUTE_BUDGET: &str = "ComputeBudget111111111111111111111111111111";
const MEMO: &str = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
const OLD_MEMO: &str = "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo";
const LOOKUP_TABLES: &str = "AddressLookupTab1e1111111111111111111111111";

/// Programs that other programs build on: they are never venues. Where the node recorded no stack heights they are
/// taken to be called by the program before.
pub(crate) const BASIC_PROGRAMS: [&str; 8] =
    [SYSTEM, TOKEN, TOKEN_2022, TOKEN_ACCOUNTS, COMPUTE_BUDGET, MEMO, OLD_MEMO, LOOKUP_TABLES];

/// Programs that call no program that could trade, whatever is asked of them: where a transaction calls nothing else, it
/// is no trade even if nothing else is known of it. Token-2022 is none of them, since its tokens may have hooks.
pub(crate) const CANNOT_TRADE: [&str; 13] = [
    SYSTEM,
    TOKEN,
    TOKEN_ACCOUNTS,
    COMPUTE_BUDGET,
    MEMO,
    OLD_MEMO,
    LOOKUP_TABLES,
    VOTE,
    "Stake11111111111111111111111111111111111111",
    "Config1111111111111111111111111111111111111",
    "BPFLoaderUpgradeab1e11111111111111111111111",
    "Ed25519SigVerify111111111111111111111111111",
    "KeccakSecp256k11111111111111111111111111111",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base58;

    #[test]
    fn every_program_is_a_key() {
        for program in BASIC_PROGRAMS.iter().chain(&CANNOT_TRADE) {
            assert_eq!(base58::decode(program).map(|key| key.len()), Some(32), "{program}");
        }
    }
}
