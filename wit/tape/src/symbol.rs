//! Tickers: whoever deploys a token chooses its ticker, so it is cleaned at every border before it is stored or shown.

use std::borrow::Cow;

/// Longest ticker, bytes.
pub const MAX_SYMBOL_BYTES: usize = 64;

/// Whether a character is not seen, or changes how others are seen: control characters, invisible ones, and marks that
/// change the direction of text.
pub fn is_hidden(character: char) -> bool {
    if matches!(character, ' '..='~') {
        return false;
    }
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
}

/// A ticker that is safe to store and to show: without hidden characters and without space around it, cut to
/// [`MAX_SYMBOL_BYTES`] at a character. None when nothing is left. A clean one comes back as it is.
pub fn clean_symbol<'a>(text: impl Into<Cow<'a, str>>) -> Option<String> {
    let text = text.into();
    if is_clean_symbol(&text) {
        return Some(text.into_owned()).filter(|text| !text.is_empty());
    }
    let mut clean = String::new();
    for character in text.chars().filter(|&character| !is_hidden(character)).skip_while(|one| one.is_whitespace()) {
        if clean.len() + character.len_utf8() > MAX_SYMBOL_BYTES {
            break;
        }
        clean.push(character);
    }
    clean.truncate(clean.trim_end().len());
    (!clean.is_empty()).then_some(clean)
}

/// Whether cleaning leaves a ticker as it is.
pub fn is_clean_symbol(text: &str) -> bool {
    text.len() <= MAX_SYMBOL_BYTES && !text.chars().any(is_hidden) && text.trim().len() == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_removed_and_long_symbols_are_cut() {
        for (text, clean) in [
            ("USDC", Some("USDC")),
            (" USDC ", Some("USDC")),
            ("A\u{202e}B\0\n\u{200b}C", Some("ABC")),
            ("\u{2066}USD\u{2069} Coin", Some("USD Coin")),
            ("\u{200b} X \u{200b}", Some("X")),
            ("\u{feff} \u{2066}", None),
            ("\u{3164}", None),
            ("", None),
            ("  ", None),
            ("₮ é 字", Some("₮ é 字")),
        ] {
            assert_eq!(clean_symbol(text).as_deref(), clean, "{text:?}");
            assert_eq!(is_clean_symbol(text), clean.unwrap_or_default() == text, "{text:?}");
        }
        assert_eq!(clean_symbol("é".repeat(100)).unwrap(), "é".repeat(32));
        assert_eq!(clean_symbol("S".repeat(70)).unwrap().len(), 64);
        assert_eq!(clean_symbol(format!("{} T", "S".repeat(63))).unwrap(), "S".repeat(63), "no space at the cut");
    }

    #[test]
    fn what_is_clean_stays_clean() {
        for code in (0..0x11_0000).step_by(7).filter_map(char::from_u32) {
            let clean = clean_symbol(format!("{code} a{code}b {code}{code}")).unwrap();
            assert!(is_clean_symbol(&clean) && !clean.is_empty(), "{code:?}: {clean:?}");
            assert_eq!(clean_symbol(clean.as_str()).as_deref(), Some(clean.as_str()));
        }
    }
}
