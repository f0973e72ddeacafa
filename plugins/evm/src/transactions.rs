//! Proves a block's transactions: in their consensus encoding they have the root that its header names, so that hash, target,
//! value and input are proved; the sender is recovered from the signature.

mod layout;

use crate::chains::Proof;
use crate::rlp::{put_bytes, put_header, put_quantity};
use crate::rpc::{Header, Receipt, SentTransaction, Text};
use crate::{hex, keccak, trie};
use alloy_primitives::{Address, B256, Signature, U256};
use chain_plugin_sdk::json::{Cursor, Malformed};
use layout::{Layout, Part};
use memchr::memmem;
use std::ops::Range;

/// The attribute `proof` of a block whose logs, transactions and their senders are proved.
pub(crate) const PROVED_IN_FULL: &str = "full";

/// The transactions of a block, which have its root.
pub(crate) struct ProvedTransactions<'a>(Vec<Transaction<'a>>);

/// Proves the transactions of a block whose header is proved, or says why they are not.
pub(crate) fn prove<'a>(rule: Proof, header: &Header<'a>) -> Result<ProvedTransactions<'a>, String> {
    let height = hex::for_message(header.number);
    let sent = header.transactions.as_deref().ok_or(format!("the endpoint gives no transactions of block {height}"))?;
    let root = header.transactions_root.and_then(hex::hash);
    let root = root.ok_or_else(|| format!("block {height} has no readable transactions root"))?;
    let mut encoded = Vec::new();
    let (mut places, mut transactions) = (Vec::with_capacity(sent.len()), Vec::with_capacity(sent.len()));
    for (at, one) in sent.iter().enumerate() {
        let named = |why: &str| format!("transaction {at} of block {height}: {why}");
        let transaction = Transaction::read(one).map_err(|why| named(&why))?;
        if rule == Proof::StateSyncApart && at + 1 == sent.len() && transaction.is_state_sync() {
            break;
        }
        let start = encoded.len();
        transaction
            .encode(&mut encoded)
            .ok_or_else(|| named("a field that its type needs is missing or unreadable"))?;
        places.push(start..encoded.len());
        transactions.push(transaction);
    }
    if trie::root(&encoded, &places) != root {
        return Err(format!("the transactions of block {height} do not have the root {root} that its header names"));
    }
    check_hashes(sent, &encoded, &places)
        .map_err(|at| format!("transaction {at} of block {height} does not have the hash that the endpoint names"))?;
    Ok(ProvedTransactions(transactions))
}

fn check_hashes(sent: &[SentTransaction<'_>], encoded: &[u8], places: &[Range<usize>]) -> Result<(), usize> {
    let slices: Vec<&[u8]> = places.iter().map(|place| &encoded[place.clone()]).collect();
    let hashes = keccak::hash_all(&slices);
    let differs = sent.iter().zip(hashes).position(|(sent, hash)| hex::hash(sent.hash) != Some(hash));
    differs.map_or(Ok(()), Err)
}

impl ProvedTransactions<'_> {
    /// Whether the sender of a receipt's transaction is proved; where it has no signature to prove it by, it is not. An error
    /// says what contradicts the transaction.
    pub(crate) fn check(&self, at: usize, receipt: &Receipt<'_>) -> Result<bool, String> {
        let hash = hex::for_message(receipt.transaction_hash);
        let transaction = self.0.get(at).ok_or_else(|| format!("the receipt of {hash} belongs to no transaction"))?;
        if transaction.layout.has_target() && transaction.target() != receipt.to.and_then(hex::address) {
            return Err(format!("the receipt of {hash} names another target than the transaction"));
        }
        let Some(sender) = transaction.sender() else { return Ok(false) };
        if hex::address(receipt.from) == Some(sender) {
            Ok(true)
        } else {
            Err(format!("the receipt of {hash} names a sender who did not sign the transaction; {sender} did"))
        }
    }
}

/// The accounts that let their address run a contract's code by a signature in this transaction (EIP-7702); none where the
/// node gives no whole transaction.
pub(crate) fn authorities(sent: &SentTransaction<'_>) -> Vec<Address> {
    // Most transactions have no such list, and need not be read for it.
    let has_list = sent.whole.is_some_and(|whole| memmem::find(whole, b"\"authorizationList\"").is_some());
    let Some(transaction) = has_list.then(|| Transaction::read(sent).ok()).flatten() else { return vec![] };
    let list = transaction.value("authorizationList").filter(|_| transaction.layout.kind == 4);
    list.map(layout::authorizations).unwrap_or_default().iter().filter_map(authority).collect()
}

fn authority(signed: &layout::Authorization<'_>) -> Option<Address> {
    let (mut fields, mut message) = (vec![], vec![0x05]);
    signed.put_unsigned(&mut fields)?;
    put_header(true, fields.len(), &mut message);
    message.extend_from_slice(&fields);
    let odd = match hex::quantity(signed.parity?)? {
        parity @ (0 | 1) => parity == 1,
        _ => return None,
    };
    recover(keccak::hash(&message), signed.r?, signed.s?, odd)
}

/// One transaction as its node gives it.
struct Transaction<'a> {
    layout: Layout,
    fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Transaction<'a> {
    fn read(sent: &SentTransaction<'a>) -> Result<Self, String> {
        let whole = sent.whole.ok_or("the endpoint gives only its hash, which proves nothing of it")?;
        let mut fields = Vec::with_capacity(24);
        Cursor::new(whole)
            .object(|name, value| {
                fields.push((name, value.value()?));
                Ok::<_, Malformed>(())
            })
            .map_err(|error| error.to_string())?;
        let mut transaction = Self { layout: layout::LEGACY, fields };
        let kind = transaction.text("type").map_or(Some(0), hex::quantity);
        transaction.layout = kind.and_then(layout::of_type).ok_or_else(|| {
            let kind = hex::for_message(transaction.text("type").unwrap_or_default());
            format!("nobody here knows how transactions of type {kind} are encoded; with verify = receipts they are believed")
        })?;
        Ok(transaction)
    }

    fn value(&self, name: &str) -> Option<&'a [u8]> {
        let (_, value) = self.fields.iter().find(|(known, _)| *known == name.as_bytes())?;
        (*value != b"null").then_some(*value)
    }

    fn text(&self, name: &str) -> Option<Text<'a>> {
        self.value(name)?.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }

    fn target(&self) -> Option<Address> {
        self.text("to").and_then(hex::address)
    }

    /// Polygon's state sync, from the zero address to the zero address: it stands in no root.
    fn is_state_sync(&self) -> bool {
        let is_nobody = |name: &str| self.text(name).is_none_or(|text| hex::address(text) == Some(Address::ZERO));
        is_nobody("from") && is_nobody("to")
    }

    /// Appends the consensus encoding, which is also what its hash is of.
    fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        let mut body = Vec::with_capacity(256);
        self.put_parts(&mut body)?;
        if self.layout.is_signed {
            let parity = if self.layout.kind == 0 { self.text("v")? } else { self.parity()? };
            for quantity in [parity, self.text("r")?, self.text("s")?] {
                put_quantity(quantity, &mut body)?;
            }
        }
        self.put_list(&body, out);
        Some(())
    }

    fn put_list(&self, body: &[u8], out: &mut Vec<u8>) {
        if self.layout.kind != 0 {
            out.push(self.layout.kind);
        }
        put_header(true, body.len(), out);
        out.extend_from_slice(body);
    }

    fn put_parts(&self, body: &mut Vec<u8>) -> Option<()> {
        self.layout.parts.iter().try_for_each(|part| self.put_part(*part, body))
    }

    fn put_part(&self, part: Part, body: &mut Vec<u8>) -> Option<()> {
        match part {
            Part::Quantity(name) => put_quantity(self.text(name)?, body),
            Part::QuantityOrNone(name) => put_quantity(self.text(name).unwrap_or(b"0x0"), body),
            Part::Bytes(name) => put_bytes(self.text(name)?, body),
            Part::BytesOrNone(name) => put_bytes(self.text(name).unwrap_or(b"0x"), body),
            Part::Flag(name) => {
                let is_set = self.value(name).is_some_and(|value| value == b"true");
                put_quantity(if is_set { b"0x1" } else { b"0x0" }, body)
            }
            Part::Hashes(name) => {
                let hashes = layout::texts(self.value(name)?)?;
                layout::put_texts(&hashes, body)
            }
            Part::AccessList => layout::put_access_list(self.value("accessList"), body),
            Part::Authorizations => layout::put_authorizations(self.value("authorizationList")?, body),
        }
    }

    /// The parity of the signature's point: `yParity`, or `v` where nodes do not give it.
    fn parity(&self) -> Option<Text<'a>> {
        self.text("yParity").or_else(|| self.text("v"))
    }

    /// Who signed it, or whom the chain itself names where it is not signed; none where no signature proves it.
    fn sender(&self) -> Option<Address> {
        if !self.layout.is_signed {
            return self.text("from").and_then(hex::address);
        }
        let mut body = Vec::with_capacity(256);
        self.put_parts(&mut body)?;
        let odd = if self.layout.kind == 0 {
            match hex::quantity(self.text("v")?)? {
                v @ (27 | 28) => v == 28,
                // EIP-155: the chain's number is signed too.
                v if v >= 35 => {
                    put_quantity(format!("{:#x}", (v - 35) / 2).as_bytes(), &mut body)?;
                    put_quantity(b"0x0", &mut body)?;
                    put_quantity(b"0x0", &mut body)?;
                    (v - 35) % 2 == 1
                }
                _ => return None,
            }
        } else {
            match hex::quantity(self.parity()?)? {
                parity @ (0 | 1) => parity == 1,
                _ => return None,
            }
        };
        let mut signed = Vec::with_capacity(body.len() + 8);
        self.put_list(&body, &mut signed);
        recover(keccak::hash(&signed), self.text("r")?, self.text("s")?, odd)
    }
}

/// Who signed a hash.
fn recover(hash: B256, r: Text<'_>, s: Text<'_>, odd: bool) -> Option<Address> {
    let number = |text: Text<'_>| hex::quantity_u256(text).filter(|number| *number != U256::ZERO);
    Signature::new(number(r)?, number(s)?, odd).recover_address_from_prehash(&hash).ok()
}

#[cfg(test)]
mod tests;
