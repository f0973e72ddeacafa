//! Instructions that a node has decoded (`jsonParsed`), encoded again as the data that the program got.
//!
//! The plugin never asks for them, but archives are full of them. Only instructions that move tokens or SOL are known here.

use crate::base58;
use crate::message::{AccountKey, Data, Instruction, InstructionAccounts};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Decoded<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
    #[serde(borrow)]
    info: Option<DecodedInfo<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DecodedInfo<'a> {
    source: Option<&'a str>,
    destination: Option<&'a str>,
    authority: Option<&'a str>,
    multisig_authority: Option<&'a str>,
    owner: Option<&'a str>,
    multisig_owner: Option<&'a str>,
    account: Option<&'a str>,
    new_account: Option<&'a str>,
    mint: Option<&'a str>,
    mint_authority: Option<&'a str>,
    #[serde(borrow)]
    amount: Option<Cow<'a, str>>,
    lamports: Option<u64>,
    #[serde(borrow)]
    token_amount: Option<DecodedAmount<'a>>,
    #[serde(borrow)]
    fee_amount: Option<DecodedAmount<'a>>,
}

#[derive(Deserialize)]
struct DecodedAmount<'a> {
    amount: &'a str,
    #[serde(default)]
    decimals: u8,
}

/// The instruction that was decoded; one without accounts and data where it is not known here.
pub(crate) fn encode_instruction<'a>(
    program: u16,
    decoded: &'a RawValue,
    keys: &[AccountKey<'a>],
    height: Option<u8>,
) -> Instruction<'a> {
    let (accounts, data) = encode(decoded, keys).unwrap_or_default();
    Instruction { program, accounts: InstructionAccounts::Indices(accounts), data: Data::Bytes(data), height }
}

/// Account indices and data.
fn encode(decoded: &RawValue, keys: &[AccountKey<'_>]) -> Option<(Vec<u16>, Vec<u8>)> {
    let Decoded { kind, info } = serde_json::from_str(decoded.get()).ok()?;
    let info = info?;
    let index_of = |key: Option<&str>| u16::try_from(keys.iter().position(|known| Some(known.as_ref()) == key)?).ok();
    // None where an account is not among the transaction's, which does not happen in real ones.
    let indices = |all: &[Option<&str>]| all.iter().map(|key| index_of(*key)).collect::<Option<Vec<u16>>>();
    let authority = info.authority.or(info.multisig_authority);
    let owner = info.owner.or(info.multisig_owner);
    let with_amount = |code: u8, amount: &str| Some([&[code][..], &amount.parse::<u64>().ok()?.to_le_bytes()].concat());
    let checked = |code: u8| {
        let amount = info.token_amount.as_ref()?;
        let mut data = with_amount(code, amount.amount)?;
        data.push(amount.decimals);
        Some(data)
    };
    let plain = |code: u8| {
        let checked = || info.token_amount.as_ref().map(|amount| amount.amount);
        with_amount(code, info.amount.as_deref().or_else(checked)?)
    };
    match kind {
        "transfer" if info.lamports.is_some() => {
            let data = [&2_u32.to_le_bytes()[..], &info.lamports?.to_le_bytes()].concat();
            Some((indices(&[info.source, info.destination])?, data))
        }
        "transfer" => Some((indices(&[info.source, info.destination, authority])?, plain(3)?)),
        "transferChecked" => Some((indices(&[info.source, info.mint, info.destination, authority])?, checked(12)?)),
        "transferCheckedWithFee" => {
            let mut data = [&[26, 1][..], &checked(0)?[1..]].concat();
            data.extend(info.fee_amount.as_ref()?.amount.parse::<u64>().ok()?.to_le_bytes());
            Some((indices(&[info.source, info.mint, info.destination, authority])?, data))
        }
        "mintTo" | "mintToChecked" => {
            let signer = info.mint_authority.or(authority);
            Some((indices(&[info.mint, info.account, signer])?, plain(7)?))
        }
        "burn" | "burnChecked" => Some((indices(&[info.account, info.mint, authority])?, plain(8)?)),
        "closeAccount" => Some((indices(&[info.account, info.destination, owner])?, vec![9])),
        "createAccount" => {
            let data = [&0_u32.to_le_bytes()[..], &info.lamports?.to_le_bytes()].concat();
            Some((indices(&[info.source, info.new_account])?, data))
        }
        "initializeAccount" | "initializeAccount2" | "initializeAccount3" => {
            let data = [&[18][..], &base58::decode(info.owner?)?].concat();
            Some((indices(&[info.account, info.mint])?, data))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(decoded: &str) -> (Vec<Option<usize>>, Vec<u8>) {
        let keys: Vec<AccountKey<'_>> = ["A", "B", "C", "D"].map(AccountKey::from).into();
        let decoded: Box<RawValue> = RawValue::from_string(decoded.to_owned()).unwrap();
        let instruction = encode_instruction(3, &decoded, &keys, None);
        ((0..4).map(|at| instruction.accounts.get(at)).collect(), instruction.data.bytes().into_owned())
    }

    #[test]
    fn a_decoded_instruction_is_encoded_as_the_program_got_it() {
        let (accounts, data) = encoded(
            r#"{"type":"transferChecked","info":{"source":"B","mint":"D","destination":"A","authority":"C",
                "tokenAmount":{"amount":"258","decimals":6,"uiAmount":0.000258,"uiAmountString":"0.000258"}}}"#,
        );
        assert_eq!(accounts, [Some(1), Some(3), Some(0), Some(2)]);
        assert_eq!(data, [12, 2, 1, 0, 0, 0, 0, 0, 0, 6]);
        let decoded = r#"{"type":"transfer","info":{"source":"A","destination":"C","authority":"B","amount":"258"}}"#;
        let (accounts, data) = encoded(decoded);
        assert_eq!(accounts, [Some(0), Some(2), Some(1), None]);
        assert_eq!(data, [3, 2, 1, 0, 0, 0, 0, 0, 0]);
        let (accounts, data) = encoded(r#"{"type":"transfer","info":{"source":"A","destination":"C","lamports":3}}"#);
        assert_eq!(accounts, [Some(0), Some(2), None, None]);
        assert_eq!(data, [2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn an_unknown_instruction_has_no_data() {
        let nothing = (vec![None; 4], vec![]);
        assert_eq!(encoded(r#""a memo""#), nothing);
        assert_eq!(encoded(r#"{"type":"syncNative","info":{"account":"A"}}"#), nothing);
        assert_eq!(encoded(r#"{"type":"transfer","info":{"source":"X","destination":"A","lamports":3}}"#), nothing);
    }
}
