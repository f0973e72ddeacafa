//! Facts about a token, by its own answers: decimals and symbol, cut down to what can be shown.

use crate::hex;
use alloy_primitives::U256;

/// The calls that a token answers: `symbol()`, `decimals()`.
pub(crate) const TOKEN_CALLS: [&str; 2] = ["0x95d89b41", "0x313ce567"];

/// A token's decimals and symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Token {
    /// How many digits are fractional, 77 at most.
    pub decimals: Option<u8>,
    /// At most [`Token::MAX_SYMBOL_BYTES`] bytes of visible text.
    pub symbol: Option<String>,
}

impl Token {
    /// Longer symbols are cut.
    pub(crate) const MAX_SYMBOL_BYTES: usize = 64;
    /// Stands for no decimals where a token is kept.
    const UNKNOWN: u8 = u8::MAX;

    /// Reads the answers to [`TOKEN_CALLS`].
    pub(crate) fn read(answers: [Option<&str>; 2]) -> Self {
        let [symbol, decimals] = answers;
        Self { decimals: decimals.and_then(read_decimals), symbol: symbol.and_then(read_symbol) }
    }

    /// As bytes for the host to keep; none where nothing was answered.
    pub(crate) fn pack(&self) -> Option<Vec<u8>> {
        if self.decimals.is_none() && self.symbol.is_none() {
            return None;
        }
        let mut bytes = vec![self.decimals.unwrap_or(Self::UNKNOWN)];
        bytes.extend_from_slice(self.symbol.as_deref().unwrap_or_default().as_bytes());
        Some(bytes)
    }

    /// From the bytes that the host kept.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let (decimals, symbol) = bytes.split_first()?;
        let symbol = String::from_utf8(symbol.to_vec()).ok()?;
        let decimals = Some(*decimals).filter(|decimals| *decimals != Self::UNKNOWN);
        Some(Self { decimals, symbol: Some(symbol).filter(|symbol| !symbol.is_empty()) })
    }
}

fn read_decimals(answer: &str) -> Option<u8> {
    // Some answer more than a word; the first counts.
    let [word] = hex::words(answer.get(..66)?)?;
    (word <= U256::from(77)).then(|| word.to::<u8>())
}

/// A string, or the 32 bytes that tokens of the first years answer with.
fn read_symbol(answer: &str) -> Option<String> {
    const MAX_ENCODED_SYMBOL_BYTES: usize = 256;
    if let Some(bytes) = hex::fixed::<32>(answer) {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        return clean(&bytes[..end]);
    }
    let [offset] = hex::words(answer.get(..66)?)?;
    let offset = usize::try_from(offset).ok().filter(|offset| *offset < 4_096)?;
    let start = 2 + 2 * offset;
    let [length] = hex::words(format!("0x{}", answer.get(start..start + 64)?))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(MAX_ENCODED_SYMBOL_BYTES);
    let rest = answer.get(start + 64..)?;
    let mut bytes = vec![];
    hex::append(format!("0x{}", &rest[..rest.len().min(2 * length)]), &mut bytes)?;
    clean(&bytes)
}

/// Visible text only, cut to length; none when nothing is left.
fn clean(bytes: &[u8]) -> Option<String> {
    let mut symbol = String::new();
    for c in String::from_utf8_lossy(bytes).trim().chars().filter(|c| is_visible(*c)) {
        if symbol.len() + c.len_utf8() > Token::MAX_SYMBOL_BYTES {
            break;
        }
        symbol.push(c);
    }
    Some(symbol).filter(|symbol| !symbol.trim().is_empty())
}

/// Neither a control character nor one that hides or turns around what stands beside it.
fn is_visible(c: char) -> bool {
    let hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}');
    !c.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    fn text(bytes: &[u8]) -> String {
        let padded = bytes.len().div_ceil(32) * 32;
        let mut data = bytes.to_vec();
        data.resize(padded, 0);
        format!("0x{:064x}{:064x}{}", 32, bytes.len(), hex::encode(data).trim_start_matches("0x"))
    }

    fn symbol(answer: &str) -> Option<String> {
        Token::read([Some(answer), None]).symbol
    }

    #[test]
    fn the_calls_are_the_hashes_of_their_names() {
        let hashes = ["symbol()", "decimals()"].map(|name| hex::encode(&keccak256(name)[..4]));
        assert_eq!(TOKEN_CALLS.map(str::to_owned), hashes);
    }

    #[test]
    fn symbols_come_as_strings_and_as_32_bytes() {
        assert_eq!(symbol(&text(b"USDC")).as_deref(), Some("USDC"));
        assert_eq!(symbol(&format!("0x4d4b52{}", "0".repeat(58))).as_deref(), Some("MKR"));
    }

    #[test]
    fn hostile_symbols_are_cut_down_or_dropped() {
        for nothing in ["0x", "", "0x12", "é", &text(b""), &text(b"\x00\x07"), &text("\u{202e}".as_bytes())] {
            assert_eq!(symbol(nothing), None, "{nothing}");
        }
        assert_eq!(symbol(&text(&[b'A'; 10_000])).map(|symbol| symbol.len()), Some(64));
        assert_eq!(symbol(&text("é".repeat(100).as_bytes())).map(|symbol| symbol.len()), Some(64));
        assert_eq!(symbol(&text(b"US\xffD\n")).as_deref(), Some("USD"));
        let endless = format!("0x{:064x}{}", 32, "f".repeat(64));
        assert_eq!(symbol(&endless), None);
        assert_eq!(symbol(&format!("0x{}", "f".repeat(128))), None);
    }

    #[test]
    fn decimals_beyond_77_are_none() {
        let decimals = |answer: &str| Token::read([None, Some(answer)]).decimals;
        assert_eq!(decimals(&format!("0x{:064x}", 18)), Some(18));
        assert_eq!(decimals(&format!("0x{:064x}", 78)), None);
        assert_eq!(decimals(&format!("0x{}", "f".repeat(64))), None);
        assert_eq!(decimals("0x"), None);
    }

    #[test]
    fn what_was_answered_is_kept_and_nothing_else() {
        for token in [
            Token { decimals: Some(6), symbol: Some("USDC".into()) },
            Token { decimals: Some(0), symbol: None },
            Token { decimals: None, symbol: Some("USDC".into()) },
        ] {
            assert_eq!(Token::unpack(&token.pack().unwrap()), Some(token));
        }
        assert_eq!(Token::default().pack(), None);
    }
}
