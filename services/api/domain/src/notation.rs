//! How chains write addresses, transactions and assets, as far as the namespace of their network tells.
//!
//! A chain of another namespace may write them in any way: nothing is said of its names then.

/// The notation of a kind of chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `eip155:…`: `0x` and hexadecimal digits in any case.
    Hexadecimal,
    /// `solana:…`: base58, in which case matters.
    Base58,
    /// `cosmos:…`: addresses in bech32, hashes in hexadecimal digits without a prefix, assets as denominations.
    Bech32,
    /// `mock/…`: as `eip155`, with assets such as `mock:usd`.
    Mock,
    /// Not known.
    Unknown,
}

const ADDRESS_BYTES: usize = 20;
const HASH_BYTES: usize = 32;
const BASE58_KEY_BYTES: usize = 32;
const BASE58_SIGNATURE_BYTES: usize = 64;
/// Characters of bech32 after the separator at least: an address of 20 bytes with its checksum.
const MIN_BECH32_CHARACTERS: usize = 38;

impl Notation {
    /// The notation of a network's identity, such as `eip155:1/0xd4e5…`.
    pub fn of_network(network: &str) -> Self {
        match network.split_once([':', '/']) {
            Some(("eip155", _)) => Self::Hexadecimal,
            Some(("solana", _)) => Self::Base58,
            Some(("cosmos", _)) => Self::Bech32,
            Some(("mock", _)) => Self::Mock,
            _ => Self::Unknown,
        }
    }

    /// Whether a text may be an address.
    pub fn is_address(self, text: &str) -> bool {
        match self {
            Self::Hexadecimal | Self::Mock => is_prefixed_hex(text, ADDRESS_BYTES),
            Self::Base58 => base58_bytes(text) == Some(BASE58_KEY_BYTES),
            Self::Bech32 => is_bech32(text),
            Self::Unknown => true,
        }
    }

    /// Whether a text may be the hash or signature of a transaction.
    pub fn is_transaction(self, text: &str) -> bool {
        match self {
            Self::Hexadecimal | Self::Mock => is_prefixed_hex(text, HASH_BYTES),
            Self::Base58 => base58_bytes(text) == Some(BASE58_SIGNATURE_BYTES),
            Self::Bech32 => is_hex(text, HASH_BYTES),
            Self::Unknown => true,
        }
    }

    /// Whether a text may be the id of an asset.
    pub fn is_asset(self, text: &str) -> bool {
        match self {
            Self::Hexadecimal | Self::Base58 => self.is_address(text),
            Self::Mock => text.starts_with("mock:"),
            Self::Bech32 => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:._-".contains(&byte);
                text.len() >= 3
                    && text.bytes().all(plain)
                    && (text.contains('/') || text.starts_with(|first: char| first.is_ascii_lowercase()))
            }
            Self::Unknown => true,
        }
    }

    /// An address in words.
    pub fn address_in_words(self) -> &'static str {
        match self {
            Self::Hexadecimal | Self::Mock => "`0x` and 40 hexadecimal digits",
            Self::Base58 => "32 bytes in base58, in which case matters",
            Self::Bech32 => "bech32 in lower case, such as `osmo1…`",
            Self::Unknown => "any text",
        }
    }

    /// The hash of a transaction in words.
    pub fn transaction_in_words(self) -> &'static str {
        match self {
            Self::Hexadecimal | Self::Mock => "`0x` and 64 hexadecimal digits",
            Self::Base58 => "a signature of 64 bytes in base58, in which case matters",
            Self::Bech32 => "64 hexadecimal digits",
            Self::Unknown => "any text",
        }
    }

    /// The id of an asset in words.
    pub fn asset_in_words(self) -> &'static str {
        match self {
            Self::Hexadecimal => "a contract: `0x` and 40 hexadecimal digits",
            Self::Base58 => "a mint: 32 bytes in base58, in which case matters",
            Self::Bech32 => "a denomination, such as `uosmo` or `ibc/…`",
            Self::Mock => "such as `mock:usd`",
            Self::Unknown => "any text",
        }
    }

    /// A transaction's hash as it is published.
    pub fn normalized_transaction(self, text: &str) -> String {
        if self == Self::Bech32 { text.to_ascii_uppercase() } else { crate::query::normalized_id(text) }
    }
}

fn is_hex(digits: &str, bytes: usize) -> bool {
    digits.len() == 2 * bytes && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn is_prefixed_hex(text: &str, bytes: usize) -> bool {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).is_some_and(|digits| is_hex(digits, bytes))
}

fn is_bech32(text: &str) -> bool {
    let Some((prefix, data)) = text.rsplit_once('1') else { return false };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !prefix.is_empty()
        && text.len() <= 90
        && prefix.bytes().all(plain)
        && data.len() >= MIN_BECH32_CHARACTERS
        && data.bytes().all(|byte| b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(&byte))
}

/// How many bytes a text of base58 stands for; none where it is not base58, or longer than anything that is looked for.
fn base58_bytes(text: &str) -> Option<usize> {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if text.is_empty() || text.len() > 100 {
        return None;
    }
    let mut bytes: Vec<u8> = vec![];
    for letter in text.bytes() {
        let mut carry = u32::try_from(ALPHABET.iter().position(|known| *known == letter)?).ok()?;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(carry.to_le_bytes()[0]);
            carry >>= 8;
        }
    }
    Some(text.bytes().take_while(|letter| *letter == b'1').count() + bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045";
    const MINT: &str = "So11111111111111111111111111111111111111112";
    const SIGNATURE: &str = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW";
    const OSMO: &str = "osmo1cyyzpxplxdzkeea7kwsydadg87357qnahakaks";

    #[test]
    fn each_kind_of_chain_knows_its_addresses() {
        let kinds = [
            ("eip155:1/0xd4e5", [true, false, false]),
            ("solana:5eykt4", [false, true, false]),
            ("cosmos:osmosis-1", [false, false, true]),
            ("mock/1", [true, false, false]),
            ("mock-1", [true; 3]),
            ("", [true; 3]),
        ];
        for (network, known) in kinds {
            let notation = Notation::of_network(network);
            assert_eq!([ADDRESS, MINT, OSMO].map(|text| notation.is_address(text)), known, "{network}");
        }
        for wrong in ["0x12", "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA9604g", "vitalik.eth", "", "é"] {
            for network in ["eip155:1", "solana:x", "cosmos:x"] {
                assert!(!Notation::of_network(network).is_address(wrong), "{wrong} of {network}");
            }
        }
    }

    #[test]
    fn hashes_are_no_addresses() {
        let hash = format!("0x{}", "aB".repeat(32));
        assert!(Notation::Hexadecimal.is_transaction(&hash) && !Notation::Hexadecimal.is_transaction(ADDRESS));
        assert!(Notation::Base58.is_transaction(SIGNATURE) && !Notation::Base58.is_transaction(MINT));
        assert!(Notation::Bech32.is_transaction(&hash[2..]) && !Notation::Bech32.is_transaction(&hash));
        assert_eq!(Notation::Hexadecimal.normalized_transaction(&hash), hash.to_ascii_lowercase());
        assert_eq!(Notation::Base58.normalized_transaction(SIGNATURE), SIGNATURE);
        assert_eq!(Notation::Bech32.normalized_transaction("ab"), "AB");
    }

    #[test]
    fn a_ticker_is_no_asset() {
        for notation in [Notation::Hexadecimal, Notation::Base58, Notation::Bech32, Notation::Mock] {
            assert!(!notation.is_asset("WETH"), "{notation:?}");
        }
        for (notation, asset) in [
            (Notation::Hexadecimal, ADDRESS),
            (Notation::Base58, MINT),
            (Notation::Bech32, "uosmo"),
            (Notation::Bech32, "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2"),
            (Notation::Mock, "mock:usd"),
            (Notation::Unknown, "WETH"),
        ] {
            assert!(notation.is_asset(asset), "{asset}");
        }
    }
}
