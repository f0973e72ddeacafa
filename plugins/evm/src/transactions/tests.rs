//! Encodings and senders of transactions of every type.

use super::*;
use alloy_primitives::{address, b256, hex as bytes};
use serde_json::{Value, json};

fn encode(transaction: &Value) -> Option<(Vec<u8>, Option<Address>)> {
    let text = transaction.to_string();
    let sent = SentTransaction { whole: Some(text.as_bytes()), ..SentTransaction::default() };
    let transaction = Transaction::read(&sent).unwrap();
    let mut encoded = vec![];
    transaction.encode(&mut encoded)?;
    Some((encoded, transaction.sender()))
}

/// The first transaction of a block of Optimism, as everybody's tests have it.
const DEPOSIT: &str = "7ef9015aa044bae9d41b8380d781187b426c6fe43df5fb2fb57bd4466ef6a701e1f01e015694deaddeaddeaddeaddeaddeaddeaddeaddead00\
0194420000000000000000000000000000000000001580808408f0d18001b90104015d8eb9000000000000000000000000000000000000000000000000000000\
00008057650000000000000000000000000000000000000000000000000000000063d96d10000000000000000000000000000000000000000000000000000000\
000009f35273d89754a1e0387b89520d989d3be9c37c1f32495a88faf1ea05c61121ab0d1900000000000000000000000000000000000000000000000000000\
000000000010000000000000000000000002d679b567db6187c0c8323fa982cfb88b74dbcc7000000000000000000000000000000000000000000000000000\
000000000083400000000000000000000000000000000000000000000000000000000000f4240";

#[test]
fn a_deposit_is_encoded_and_its_sender_is_the_chains_word() {
    let encoded = bytes::decode(DEPOSIT).unwrap();
    let input = &encoded[encoded.len() - 0x104..];
    let mut deposit = json!({
        "type": "0x7e", "sourceHash": "0x44bae9d41b8380d781187b426c6fe43df5fb2fb57bd4466ef6a701e1f01e0156",
        "from": "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001", "to": "0x4200000000000000000000000000000000000015",
        "value": "0x0", "gas": "0x8f0d180", "isSystemTx": true, "input": bytes::encode_prefixed(input), "mint": null,
    });
    let sender = address!("deaddeaddeaddeaddeaddeaddeaddeaddead0001");
    assert_eq!(encode(&deposit), Some((encoded.clone(), Some(sender))));
    // What is zero may be left out, or not.
    deposit["mint"] = "0x0".into();
    assert_eq!(encode(&deposit).unwrap().0, encoded);
    deposit["isSystemTx"] = false.into();
    assert_ne!(encode(&deposit).unwrap().0, encoded);
    deposit.as_object_mut().unwrap().remove("sourceHash");
    assert_eq!(encode(&deposit), None);
}

#[test]
fn the_example_of_eip_155_is_signed_by_its_account() {
    let transaction = json!({
        "nonce": "0x9", "gasPrice": "0x4a817c800", "gas": "0x5208", "to": "0x3535353535353535353535353535353535353535",
        "value": "0xde0b6b3a7640000", "input": "0x", "v": "0x25",
        "r": "0x28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276",
        "s": "0x67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83",
    });
    let (encoded, sender) = encode(&transaction).unwrap();
    assert_eq!(sender, Some(address!("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")));
    assert_eq!(keccak::hash(&encoded), b256!("33469b22e9f636356c4160a87eb19df52b7412e8eac32a4a55ffe88ea8350788"));
}

/// Made and signed by alloy-consensus 1 (2026-11-29), with a key of 32 sevens: types 1 to 4, with access lists, a contract
/// that is made, blobs, and an authorization.
#[test]
fn every_type_of_ethereum_is_encoded_and_its_signer_recovered() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("signed.json")).unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let (encoded, sender) = encode(&vector["transaction"]).unwrap();
        assert_eq!(bytes::encode_prefixed(&encoded), vector["encoded"].as_str().unwrap());
        assert_eq!(keccak::hash(&encoded).to_string(), vector["transaction"]["hash"].as_str().unwrap());
        assert_eq!(sender, Some(address!("4a62316623ad457f02cdc5d997ded67a383ec569")));
    }
}

#[test]
fn who_authorized_a_contract_is_recovered() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("signed.json")).unwrap();
    let of = |transaction: &Value| {
        let text = transaction.to_string();
        authorities(&SentTransaction { whole: Some(text.as_bytes()), ..SentTransaction::default() })
    };
    assert_eq!(of(&vectors[3]["transaction"]), [address!("58da990a8f4a3a6ca7cb6315d68a140105917352")]);
    assert_eq!(of(&vectors[1]["transaction"]), [Address::ZERO; 0]);
    assert_eq!(authorities(&SentTransaction::default()), [Address::ZERO; 0]);
}

#[test]
fn without_a_signature_nobody_is_proved_to_have_sent_it() {
    let transaction = json!({
        "type": "0x0", "nonce": "0x1", "gasPrice": "0x0", "gas": "0x5208", "to": null, "value": "0x0", "input": "0x",
        "v": "0x0", "r": "0x0", "s": "0x0",
    });
    assert_eq!(encode(&transaction).unwrap().1, None);
}

#[test]
fn an_unknown_type_and_a_bare_hash_are_refused_by_name() {
    let read = |whole: Option<&[u8]>| {
        let sent = SentTransaction { whole, ..SentTransaction::default() };
        Transaction::read(&sent).err().unwrap()
    };
    assert!(read(Some(br#"{"type":"0x7d"}"#)).contains("type 0x7d"));
    assert!(read(None).contains("only its hash"));
}
