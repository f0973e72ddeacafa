//! How transactions are encoded, by type: those of Ethereum, the deposits of the OP stack, Arbitrum's, and Celo's.

use crate::rlp::{put_bytes, put_header, put_quantity};
use crate::rpc::Text;
use chain_plugin_sdk::json::{self, Cursor, Malformed};

/// What stands in an encoding, in order.
pub(super) struct Layout {
    /// The type byte; 0 is legacy, which has none.
    pub(super) kind: u8,
    pub(super) parts: &'static [Part],
    /// Whether a signature follows the parts.
    pub(super) is_signed: bool,
}

impl Layout {
    /// Whether the encoding says whom the transaction called.
    pub(super) fn has_target(&self) -> bool {
        self.parts.contains(&TO)
    }
}

/// One part, by the name that nodes give it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Quantity(&'static str),
    /// Zero where the node leaves it out.
    QuantityOrNone(&'static str),
    Bytes(&'static str),
    /// Empty where there is none: a transaction that makes a contract calls nobody.
    BytesOrNone(&'static str),
    Flag(&'static str),
    Hashes(&'static str),
    AccessList,
    Authorizations,
}

use Part::{AccessList, Authorizations, Bytes, BytesOrNone, Flag, Hashes, Quantity, QuantityOrNone};

const CHAIN: Part = Quantity("chainId");
const NONCE: Part = Quantity("nonce");
const GAS_PRICE: Part = Quantity("gasPrice");
const TIP: Part = Quantity("maxPriorityFeePerGas");
const MAX_FEE: Part = Quantity("maxFeePerGas");
const GAS: Part = Quantity("gas");
const TO: Part = BytesOrNone("to");
const VALUE: Part = Quantity("value");
const INPUT: Part = Bytes("input");
const FROM: Part = Bytes("from");
const REQUEST: Part = Bytes("requestId");
const BLOB_FEE: Part = Quantity("maxFeePerBlobGas");
const BLOBS: Part = Hashes("blobVersionedHashes");

/// Before there were types.
pub(super) const LEGACY: Layout =
    Layout { kind: 0, parts: &[NONCE, GAS_PRICE, GAS, TO, VALUE, INPUT], is_signed: true };

/// How transactions of a type are encoded; none where that is not known.
pub(super) fn of_type(kind: u64) -> Option<Layout> {
    let kind = u8::try_from(kind).ok()?;
    let signed = |parts| Some(Layout { kind, parts, is_signed: true });
    let of_chain = |parts| Some(Layout { kind, parts, is_signed: false });
    match kind {
        0 => Some(LEGACY),
        1 => signed(&[CHAIN, NONCE, GAS_PRICE, GAS, TO, VALUE, INPUT, AccessList]),
        2 => signed(&[CHAIN, NONCE, TIP, MAX_FEE, GAS, TO, VALUE, INPUT, AccessList]),
        3 => signed(&[CHAIN, NONCE, TIP, MAX_FEE, GAS, TO, VALUE, INPUT, AccessList, BLOB_FEE, BLOBS]),
        4 => signed(&[CHAIN, NONCE, TIP, MAX_FEE, GAS, TO, VALUE, INPUT, AccessList, Authorizations]),
        // Arbitrum: a deposit, what an account of Ethereum sends without signing and as a contract, a retry of a ticket,
        // the ticket, and what the chain does itself.
        0x64 => of_chain(&[CHAIN, REQUEST, FROM, TO, VALUE]),
        0x65 => of_chain(&[CHAIN, FROM, NONCE, MAX_FEE, GAS, TO, VALUE, INPUT]),
        0x66 => of_chain(&[CHAIN, REQUEST, FROM, MAX_FEE, GAS, TO, VALUE, INPUT]),
        0x68 => of_chain(&[
            CHAIN,
            NONCE,
            FROM,
            MAX_FEE,
            GAS,
            TO,
            VALUE,
            INPUT,
            Bytes("ticketId"),
            Bytes("refundTo"),
            Quantity("maxRefund"),
            Quantity("submissionFeeRefund"),
        ]),
        0x69 => of_chain(&[
            CHAIN,
            REQUEST,
            FROM,
            Quantity("l1BaseFee"),
            Quantity("depositValue"),
            MAX_FEE,
            GAS,
            BytesOrNone("retryTo"),
            Quantity("retryValue"),
            Bytes("beneficiary"),
            Quantity("maxSubmissionFee"),
            Bytes("refundTo"),
            Bytes("retryData"),
        ]),
        0x6a => of_chain(&[CHAIN, INPUT]),
        // Celo: the fee is paid in another currency (CIP-64).
        0x7b => signed(&[CHAIN, NONCE, TIP, MAX_FEE, GAS, TO, VALUE, INPUT, AccessList, BytesOrNone("feeCurrency")]),
        // The OP stack: a deposit.
        0x7e => {
            of_chain(&[Bytes("sourceHash"), FROM, TO, QuantityOrNone("mint"), VALUE, GAS, Flag("isSystemTx"), INPUT])
        }
        _ => None,
    }
}

/// The texts of a JSON list.
pub(super) fn texts(list: &[u8]) -> Option<Vec<Text<'_>>> {
    let mut all = vec![];
    Cursor::new(list)
        .list(|element| {
            all.push(element.text()?);
            Ok::<_, Malformed>(())
        })
        .ok()?;
    Some(all)
}

/// Appends a list of byte strings.
pub(super) fn put_texts(texts: &[Text<'_>], out: &mut Vec<u8>) -> Option<()> {
    let mut body = vec![];
    texts.iter().try_for_each(|text| put_bytes(text, &mut body))?;
    put_list(&body, out);
    Some(())
}

fn put_list(body: &[u8], out: &mut Vec<u8>) {
    put_header(true, body.len(), out);
    out.extend_from_slice(body);
}

/// Appends an access list: addresses, each with its storage keys. Some nodes leave out one that is empty.
pub(super) fn put_access_list(list: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
    let mut body = vec![];
    if let Some(list) = list {
        each_object(list, |object| {
            let (mut address, mut keys) = (None, None);
            object.object(|name, value| {
                if json::is(name, b"address") {
                    address = Some(value.text()?);
                } else if json::is(name, b"storageKeys") {
                    keys = Some(value.value()?);
                } else {
                    value.skip()?;
                }
                Ok::<_, Malformed>(())
            })?;
            let mut entry = vec![];
            let keys = keys.filter(|keys| *keys != b"null").map_or(Some(vec![]), texts);
            let is_put = address.is_some_and(|address| put_bytes(address, &mut entry).is_some())
                && keys.is_some_and(|keys| put_texts(&keys, &mut entry).is_some());
            if !is_put {
                return Err(object.malformed("an entry of an access list before this place"));
            }
            put_list(&entry, &mut body);
            Ok(())
        })?;
    }
    put_list(&body, out);
    Some(())
}

/// What an account signed to let its address run a contract's code (EIP-7702).
#[derive(Default)]
pub(super) struct Authorization<'a> {
    chain: Option<Text<'a>>,
    address: Option<Text<'a>>,
    nonce: Option<Text<'a>>,
    pub(super) parity: Option<Text<'a>>,
    pub(super) r: Option<Text<'a>>,
    pub(super) s: Option<Text<'a>>,
}

impl<'a> Authorization<'a> {
    fn read(object: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let (mut read, mut v) = (Self::default(), None);
        object.object(|name, value| {
            let field = match name {
                b"chainId" => &mut read.chain,
                b"address" => &mut read.address,
                b"nonce" => &mut read.nonce,
                b"yParity" => &mut read.parity,
                b"r" => &mut read.r,
                b"s" => &mut read.s,
                b"v" => &mut v,
                _ => return value.skip(),
            };
            *field = value.optional_text()?;
            Ok(())
        })?;
        read.parity = read.parity.or(v);
        Ok(read)
    }

    /// Appends what is signed: chain, contract and nonce.
    pub(super) fn put_unsigned(&self, out: &mut Vec<u8>) -> Option<()> {
        put_quantity(self.chain?, out)?;
        put_bytes(self.address?, out)?;
        put_quantity(self.nonce?, out)
    }
}

/// The authorizations of a transaction; none where the list cannot be read.
pub(super) fn authorizations(list: &[u8]) -> Vec<Authorization<'_>> {
    let mut all = vec![];
    let read = each_object(list, |object| {
        all.push(Authorization::read(object)?);
        Ok(())
    });
    read.map(|()| all).unwrap_or_default()
}

/// Appends a list of authorizations.
pub(super) fn put_authorizations(list: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut body = vec![];
    each_object(list, |object| {
        let signed = Authorization::read(object)?;
        let mut entry = vec![];
        let mut put = || {
            signed.put_unsigned(&mut entry)?;
            [signed.parity, signed.r, signed.s].into_iter().try_for_each(|quantity| put_quantity(quantity?, &mut entry))
        };
        put().ok_or(object.malformed("a whole authorization before this place"))?;
        put_list(&entry, &mut body);
        Ok(())
    })?;
    put_list(&body, out);
    Some(())
}

fn each_object<'a>(list: &'a [u8], mut read: impl FnMut(&mut Cursor<'a>) -> Result<(), Malformed>) -> Option<()> {
    if list == b"null" {
        return Some(());
    }
    Cursor::new(list).list(|element| read(element)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_of_every_type_names_each_part_once() {
        let known: Vec<u64> = (0..=255).filter(|kind| of_type(*kind).is_some()).collect();
        assert_eq!(known, [0, 1, 2, 3, 4, 0x64, 0x65, 0x66, 0x68, 0x69, 0x6a, 0x7b, 0x7e]);
        for kind in known {
            let layout = of_type(kind).unwrap();
            let repeats = layout.parts.iter().enumerate().any(|(at, part)| layout.parts[..at].contains(part));
            assert!(!repeats, "{kind:#x}");
        }
        assert!(of_type(0x7f).is_none() && of_type(256).is_none());
    }
}
