//! A wallet: one address on one chain.

use std::fmt;
use std::sync::Arc;
use tape::Trade;

/// One address on one chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wallet {
    /// Id from the chain file.
    pub chain: Arc<str>,
    /// In the chain's own notation.
    pub address: Arc<str>,
}

impl Wallet {
    /// The wallet of an address on a chain.
    pub fn new(chain: impl Into<Arc<str>>, address: impl Into<Arc<str>>) -> Self {
        Self { chain: chain.into(), address: address.into() }
    }

    /// The wallet of the trade's trader.
    pub fn from_trade(trade: &Trade) -> Self {
        Self { chain: Arc::clone(&trade.chain), address: trade.trader.address.as_str().into() }
    }
}

/// `chain/address`: the key of every message about the wallet.
impl fmt::Display for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.chain, self.address)
    }
}

const MAX_SYMBOL_BYTES: usize = 64;

/// A ticker that is safe to store and show. Whoever deploys a token chooses its ticker, so control characters,
/// invisible characters and marks that change the text direction are removed, and the rest is cut to 64 bytes. None
/// when nothing is left.
pub fn clean_symbol(text: &str) -> Option<String> {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
    };
    let mut clean = String::new();
    for char in text.trim().chars().filter(|&c| !is_hidden(c)) {
        if clean.len() + char.len_utf8() > MAX_SYMBOL_BYTES {
            break;
        }
        clean.push(char);
    }
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

#[cfg(test)]
mod tests {
    use super::clean_symbol;

    #[test]
    fn hidden_characters_are_removed_and_long_symbols_are_cut() {
        assert_eq!(clean_symbol(" USDC ").as_deref(), Some("USDC"));
        assert_eq!(clean_symbol("A\u{202e}B\0\n\u{200b}C").as_deref(), Some("ABC"));
        assert_eq!(clean_symbol("\u{feff} \u{2066}"), None);
        let long = clean_symbol(&"é".repeat(100)).unwrap();
        assert_eq!(long.len(), 64);
    }
}
