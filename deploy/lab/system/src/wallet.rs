//! Accounts whose keys tests hold: they sign transactions for nodes that hold no account, and lend their address a contract's code.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{Encodable, Header};
use anyhow::Context;
use k256::ecdsa::SigningKey;

/// An account by its key.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    /// Its address.
    pub address: Address,
}

/// What is signed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsigned {
    pub chain: u64,
    pub nonce: u64,
    pub gas_price: u128,
    pub gas: u64,
    /// None where a contract is created.
    pub to: Option<Address>,
    pub value: U256,
    pub data: Bytes,
    /// What other accounts agreed to, already encoded: with any the transaction is of type 4.
    pub authorizations: Vec<Vec<u8>>,
}

/// A signature as transactions have it.
struct Signature {
    y_parity: u8,
    r: U256,
    s: U256,
}

impl Wallet {
    /// The same wallet for the same number on every machine.
    pub fn numbered(number: u8) -> anyhow::Result<Self> {
        let secret = keccak256([b"chaintape test wallet ".as_slice(), &[number]].concat());
        let key = SigningKey::from_bytes(&secret.0.into()).ok().context("no private key")?;
        let address = Address::from_public_key(key.verifying_key());
        Ok(Self { key, address })
    }

    /// The address in lower case, as nodes write it.
    pub fn text(&self) -> String {
        format!("0x{}", hex::encode(self.address))
    }

    fn sign(&self, message: &[u8]) -> anyhow::Result<Signature> {
        let signed = self.key.sign_prehash_recoverable(keccak256(message).as_slice());
        let (signature, recovery) = signed.ok().context("cannot sign")?;
        let (r, s) = signature.split_bytes();
        Ok(Signature { y_parity: recovery.to_byte() & 1, r: U256::from_be_slice(&r), s: U256::from_be_slice(&s) })
    }

    /// Agrees that its address runs the code of a contract (EIP-7702).
    pub(crate) fn authorize(&self, chain: u64, code: Address, nonce: u64) -> anyhow::Result<Vec<u8>> {
        let signed = [&[5][..], &list(&[&chain, &code, &nonce], &[])].concat();
        let Signature { y_parity, r, s } = self.sign(&signed)?;
        Ok(list(&[&chain, &code, &nonce], &[&y_parity, &r, &s]))
    }

    /// A transaction as `eth_sendRawTransaction` takes it.
    pub(crate) fn sign_transaction(&self, unsigned: &Unsigned) -> anyhow::Result<String> {
        let Unsigned { chain, nonce, gas_price, gas, to, value, data, authorizations } = unsigned;
        let callee = to.map_or_else(Bytes::new, |to| Bytes::copy_from_slice(to.as_slice()));
        let none: Vec<B256> = vec![];
        let signed = if authorizations.is_empty() {
            let fields: [&dyn Encodable; 6] = [nonce, gas_price, gas, &callee, value, data];
            let Signature { y_parity, r, s } = self.sign(&list(&fields, &[chain, &0_u8, &0_u8]))?;
            let v = chain * 2 + 35 + u64::from(y_parity);
            list(&fields, &[&v, &r, &s])
        } else {
            let authorizations = Listed(authorizations.concat());
            let fields: [&dyn Encodable; 10] =
                [chain, nonce, gas_price, gas_price, gas, &callee, value, data, &none, &authorizations];
            let Signature { y_parity, r, s } = self.sign(&[&[4][..], &list(&fields, &[])].concat())?;
            [&[4][..], &list(&fields, &[&y_parity, &r, &s])].concat()
        };
        Ok(format!("0x{}", hex::encode(signed)))
    }
}

/// A list whose items are encoded already.
struct Listed(Vec<u8>);

impl Encodable for Listed {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        Header { list: true, payload_length: self.0.len() }.encode(out);
        out.put_slice(&self.0);
    }
}

/// Fields, and what stands behind them, as one list.
fn list(fields: &[&dyn Encodable], more: &[&dyn Encodable]) -> Vec<u8> {
    let mut payload = vec![];
    for field in fields.iter().chain(more) {
        field.encode(&mut payload);
    }
    let mut out = vec![];
    Listed(payload).encode(&mut out);
    out
}
