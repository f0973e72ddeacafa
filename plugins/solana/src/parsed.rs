//! Instructions that a node has already put into words (`jsonParsed`), turned back into what a program was told.
//!
//! We never ask for them, but archives are full of them; only the words for what moves money are known here.

use crate::base58;
use crate::message::{Accounts, Data, Instruction, Key};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Words<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
    #[serde(borrow)]
    info: Option<Info<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
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
    token_amount: Option<Amount<'a>>,
    #[serde(borrow)]
    fee_amount: Option<Amount<'a>>,
}

#[derive(Deserialize)]
struct Amount<'a> {
    amount: &'a str,
    #[serde(default)]
    decimals: u8,
}

/// The instruction behind the words; one without data when the words mean nothing to us.
pub fn compile<'a>(program: u16, words: &'a RawValue, keys: &[Key<'a>], height: Option<u8>) -> Instruction<'a> {
    let (accounts, data) = read(words, keys).unwrap_or_default();
    Instruction { program, accounts: Accounts::Places(accounts), data: Data::Bytes(data), height }
}

fn read(words: &RawValue, keys: &[Key<'_>]) -> Option<(Vec<u16>, Vec<u8>)> {
    let Words { kind, info } = serde_json::from_str(words.get()).ok()?;
    let info = info?;
    let place = |key: Option<&str>| u16::try_from(keys.iter().position(|known| Some(known.as_ref()) == key)?).ok();
    // An account that is not among the transaction's: there is none such in what programs really do.
    let places = |all: &[Option<&str>]| all.iter().map(|key| place(*key)).collect::<Option<Vec<u16>>>();
    let authority = info.authority.or(info.multisig_authority);
    let owner = info.owner.or(info.multisig_owner);
    let told = |code: u8, amount: &str| Some([&[code][..], &amount.parse::<u64>().ok()?.to_le_bytes()].concat());
    let checked = |code: u8| {
        let amount = info.token_amount.as_ref()?;
        let mut data = told(code, amount.amount)?;
        data.push(amount.decimals);
        Some(data)
    };
    let plain = |code: u8| {
        let checked = || info.token_amount.as_ref().map(|amount| amount.amount);
        told(code, info.amount.as_deref().or_else(checked)?)
    };
    match kind {
        "transfer" if info.lamports.is_some() => {
            let data = [&2_u32.to_le_bytes()[..], &info.lamports?.to_le_bytes()].concat();
            Some((places(&[info.source, info.destination])?, data))
        }
        "transfer" => Some((places(&[info.source, info.destination, authority])?, plain(3)?)),
        "transferChecked" => Some((places(&[info.source, info.mint, info.destination, authority])?, checked(12)?)),
        "transferCheckedWithFee" => {
            let mut data = [&[26, 1][..], &checked(0)?[1..]].concat();
            data.extend(info.fee_amount.as_ref()?.amount.parse::<u64>().ok()?.to_le_bytes());
            Some((places(&[info.source, info.mint, info.destination, authority])?, data))
        }
        "mintTo" | "mintToChecked" => {
            let signer = info.mint_authority.or(authority);
            Some((places(&[info.mint, info.account, signer])?, plain(7)?))
        }
        "burn" | "burnChecked" => Some((places(&[info.account, info.mint, authority])?, plain(8)?)),
        "closeAccount" => Some((places(&[info.account, info.destination, owner])?, vec![9])),
        "createAccount" => {
            let data = [&0_u32.to_le_bytes()[..], &info.lamports?.to_le_bytes()].concat();
            Some((places(&[info.source, info.new_account])?, data))
        }
        "initializeAccount" | "initializeAccount2" | "initializeAccount3" => {
            let data = [&[18][..], &base58::decode(info.owner?)?].concat();
            Some((places(&[info.account, info.mint])?, data))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(words: &str) -> (Vec<Option<usize>>, Vec<u8>) {
        let keys: Vec<Key<'_>> = ["A", "B", "C", "D"].map(Key::from).into();
        let words: Box<RawValue> = RawValue::from_string(words.to_owned()).unwrap();
        let instruction = compile(3, &words, &keys, None);
        ((0..4).map(|at| instruction.accounts.get(at)).collect(), instruction.data.bytes().into_owned())
    }

    #[test]
    fn words_become_what_was_told() {
        let (accounts, data) = compiled(
            r#"{"type":"transferChecked","info":{"source":"B","mint":"D","destination":"A","authority":"C",
                "tokenAmount":{"amount":"258","decimals":6,"uiAmount":0.000258,"uiAmountString":"0.000258"}}}"#,
        );
        assert_eq!(accounts, [Some(1), Some(3), Some(0), Some(2)]);
        assert_eq!(data, [12, 2, 1, 0, 0, 0, 0, 0, 0, 6]);
        let words = r#"{"type":"transfer","info":{"source":"A","destination":"C","authority":"B","amount":"258"}}"#;
        let (accounts, data) = compiled(words);
        assert_eq!(accounts, [Some(0), Some(2), Some(1), None]);
        assert_eq!(data, [3, 2, 1, 0, 0, 0, 0, 0, 0]);
        let (accounts, data) = compiled(r#"{"type":"transfer","info":{"source":"A","destination":"C","lamports":3}}"#);
        assert_eq!(accounts, [Some(0), Some(2), None, None]);
        assert_eq!(data, [2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn other_words_mean_nothing() {
        let nothing = (vec![None; 4], vec![]);
        assert_eq!(compiled(r#""a memo""#), nothing);
        assert_eq!(compiled(r#"{"type":"syncNative","info":{"account":"A"}}"#), nothing);
        assert_eq!(compiled(r#"{"type":"transfer","info":{"source":"X","destination":"A","lamports":3}}"#), nothing);
    }
}
