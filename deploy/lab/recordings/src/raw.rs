//! Receipts in their consensus encoding, as `debug_getRawReceipts` gives them, from the JSON of `eth_getBlockReceipts`.
//!
//! Written from the specification (EIP-2718, and the OP stack's for deposits), and apart from the plugin that is tested with it.

use serde_json::Value;

/// The type of deposits on the OP stack.
const DEPOSIT: u64 = 0x7e;

/// Each receipt of a block as hex; none where one has a field that cannot be read.
pub fn raw_receipts(receipts: &[Value]) -> Option<Vec<String>> {
    receipts.iter().map(|receipt| Some(format!("0x{}", digits(&raw_receipt(receipt)?)))).collect()
}

fn raw_receipt(receipt: &Value) -> Option<Vec<u8>> {
    let outcome = match (&receipt["status"], &receipt["root"]) {
        (Value::String(status), _) => number(status)?,
        (_, Value::String(root)) => bytes(root)?,
        _ => return None,
    };
    let mut fields = string(&outcome);
    fields.extend(string(&number(receipt["cumulativeGasUsed"].as_str()?)?));
    fields.extend(string(&bytes(receipt["logsBloom"].as_str()?)?));
    let mut logs = vec![];
    for log in receipt["logs"].as_array()? {
        let mut topics = vec![];
        for topic in log["topics"].as_array()? {
            topics.extend(string(&bytes(topic.as_str()?)?));
        }
        let mut parts = string(&bytes(log["address"].as_str()?)?);
        parts.extend(list(&topics));
        parts.extend(string(&bytes(log["data"].as_str()?)?));
        logs.extend(list(&parts));
    }
    fields.extend(list(&logs));
    let kind =
        receipt["type"].as_str().map_or(Some(0), |kind| u64::from_str_radix(kind.strip_prefix("0x")?, 16).ok())?;
    if kind == DEPOSIT
        && let Some(version) = receipt["depositReceiptVersion"].as_str()
    {
        fields.extend(string(&number(receipt["depositNonce"].as_str()?)?));
        fields.extend(string(&number(version)?));
    }
    let mut raw = if kind == 0 { vec![] } else { vec![u8::try_from(kind).ok()?] };
    raw.extend(list(&fields));
    Some(raw)
}

/// The bytes of hex digits with prefix.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?;
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

/// The bytes of a quantity, without leading zeros.
fn number(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.trim_start_matches('0');
    bytes(&format!("0x{}{digits}", "0".repeat(digits.len() % 2)))
}

fn digits(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte] if *byte < 0x80 => vec![*byte],
        _ => [head(0x80, bytes.len()), bytes.to_vec()].concat(),
    }
}

fn list(payload: &[u8]) -> Vec<u8> {
    [head(0xc0, payload.len()), payload.to_vec()].concat()
}

/// The head of a string or a list: its kind and the length of its payload.
fn head(kind: u8, length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(short) if short <= 55 => vec![kind + short],
        _ => {
            let length: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            let bytes = u8::try_from(length.len()).unwrap_or(u8::MAX);
            [vec![kind + 55 + bytes], length].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// By hand, from the examples of the specification of RLP.
    #[test]
    fn a_receipt_is_encoded_as_the_specification_says() {
        assert_eq!(string(b"dog"), b"\x83dog");
        assert_eq!(string(&[]), [0x80]);
        assert_eq!(string(&[0x0f]), [0x0f]);
        assert_eq!(string(&[0x80]), [0x81, 0x80]);
        assert_eq!(list(&[string(b"cat"), string(b"dog")].concat()), b"\xc8\x83cat\x83dog");
        assert_eq!(string(&[7; 56])[..2], [0xb8, 56]);
        assert_eq!(list(&[7; 1_024])[..3], [0xf9, 4, 0]);
        let receipt = json!({
            "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logsBloom": format!("0x{}", "00".repeat(256)),
            "logs": [],
        });
        let raw = raw_receipts(&[receipt]).unwrap().remove(0);
        assert_eq!(raw, format!("0x02f9010801825208b90100{}c0", "00".repeat(256)));
        assert_eq!(raw_receipts(&[json!({"status": "0x1"})]), None);
    }
}
